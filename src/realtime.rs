//! Realtime settings of Linux: scheduling priority, affinity, locked memory. What the system
//! refuses is returned as a sentence, and the node runs without it.

use std::io;

/// Realtime settings of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Realtime {
    /// SCHED_FIFO priority of the watchdog; ingest and what publishes one below, workers two below.
    /// None: leave it.
    pub priority: Option<u8>,
    /// Processors of the watchdog, of ingest and of what publishes; empty: all.
    pub cpus: Vec<usize>,
    /// Processors of the workers; empty: all.
    pub reasoner_cpus: Vec<usize>,
    /// Whether all pages stay in memory.
    pub lock_memory: bool,
}

/// The threads that decisions need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadRole {
    /// Answers at the deadline.
    Guard,
    /// Takes messages.
    Ingest,
    /// Publishes decisions and commands.
    Publisher,
    /// Runs the model.
    Reasoner,
}

impl ThreadRole {
    /// By the names [`Live`](crate::reason::live::Live) gives its threads.
    pub fn of_thread(name: &str) -> ThreadRole {
        match name {
            "watchdog" => ThreadRole::Guard,
            _ => ThreadRole::Reasoner,
        }
    }

    fn below_the_watchdog(self) -> u8 {
        match self {
            ThreadRole::Guard => 0,
            ThreadRole::Ingest | ThreadRole::Publisher => 1,
            ThreadRole::Reasoner => 2,
        }
    }
}

impl Realtime {
    /// Sets the calling thread up; what was refused.
    pub fn set_up_thread(&self, role: ThreadRole) -> Vec<String> {
        let mut refused = Vec::new();
        if let Some(priority) = self.priority {
            let priority = priority.saturating_sub(role.below_the_watchdog()).max(1);
            if let Err(cause) = set_fifo(priority) {
                refused.push(format!(
                    "realtime.priority: SCHED_FIFO {priority} was refused to the {role:?} thread \
                     ({cause}); it runs at normal priority. Give the user rtprio in \
                     /etc/security/limits.conf, or CAP_SYS_NICE"
                ));
            }
        }
        let (name, cpus) = match role {
            ThreadRole::Reasoner => ("realtime.reasoner_cpus", &self.reasoner_cpus),
            _ => ("realtime.cpus", &self.cpus),
        };
        if !cpus.is_empty()
            && let Err(cause) = set_affinity(cpus)
        {
            refused.push(format!(
                "{name}: processors {cpus:?} were refused to the {role:?} thread ({cause}); it runs \
                 on any. Name processors that /proc/cpuinfo lists"
            ));
        }
        refused
    }

    /// Locks present and future pages; what was refused.
    pub fn lock_memory(&self) -> Option<String> {
        if !self.lock_memory {
            return None;
        }
        // SAFETY: mlockall takes flags only and touches no memory of ours.
        match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } {
            0 => None,
            _ => Some(format!(
                "realtime.lock_memory was refused ({}); pages may be swapped out. Give the user \
                 memlock in /etc/security/limits.conf",
                io::Error::last_os_error()
            )),
        }
    }
}

/// Threads that this one starts later run at normal priority.
fn set_fifo(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param {
        sched_priority: i32::from(priority),
    };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 names the calling thread; the parameters live through the call.
    match unsafe { libc::sched_setscheduler(0, policy, &parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_affinity(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a cpu_set_t of zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        if cpu >= libc::CPU_SETSIZE as usize {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: within the set's size, checked above.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: 0 names the calling thread; the set lives through the call and its size is given.
    match unsafe { libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads `0,2-4` as a list of processors.
pub fn parse_cpus(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= libc::CPU_SETSIZE as usize {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affinity() -> Vec<usize> {
        // SAFETY: an empty set to be filled by the call, whose size is given.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, std::mem::size_of_val(&set), &mut set);
            set
        };
        (0..libc::CPU_SETSIZE as usize)
            // SAFETY: within the set's size.
            .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
            .collect()
    }

    #[test]
    fn a_thread_is_set_up_or_the_refusal_said_and_others_are_left_alone() {
        let all = affinity();
        let wish = Realtime {
            priority: Some(10),
            cpus: vec![all[0]],
            ..Realtime::default()
        };
        let set_up = std::thread::spawn(move || {
            let refused = wish.set_up_thread(ThreadRole::Ingest);
            // SAFETY: 0 names the calling thread.
            let policy = unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
            // SAFETY: 0 names the calling thread.
            let child = std::thread::spawn(|| unsafe { libc::sched_getscheduler(0) });
            (refused, policy, affinity(), child.join().unwrap())
        });
        let (refused, policy, cpus, child) = set_up.join().unwrap();
        assert_eq!(cpus, [all[0]]);
        match policy {
            libc::SCHED_FIFO => assert_eq!(refused, Vec::<String>::new()),
            _ => assert!(refused[0].contains("realtime.priority"), "{refused:?}"),
        }
        assert_ne!(child & !libc::SCHED_RESET_ON_FORK, libc::SCHED_FIFO);
        assert_eq!(affinity(), all, "another thread");
    }

    #[test]
    fn processors_that_are_not_there_are_said() {
        let wish = Realtime {
            cpus: vec![1000],
            ..Realtime::default()
        };
        let refused = std::thread::spawn(move || wish.set_up_thread(ThreadRole::Guard));
        let refused = refused.join().unwrap();
        assert!(refused[0].contains("realtime.cpus"), "{refused:?}");
    }

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(parse_cpus(""), Some(vec![]));
        assert_eq!(parse_cpus("3"), Some(vec![3]));
        assert_eq!(parse_cpus("0, 2-4"), Some(vec![0, 2, 3, 4]));
        for wrong in ["a", "1-", "4-2", "-1", "99999"] {
            assert_eq!(parse_cpus(wrong), None, "{wrong}");
        }
    }
}
