//! Identifies this machine, as far as costs depend on it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Costs measured on one hold on another that is equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Name of the processor.
    pub cpu: String,
    /// Processors this process may run on.
    pub cores: usize,
    /// Architecture, as Rust names it.
    pub arch: String,
}

impl Machine {
    /// The one at hand.
    pub fn this() -> Machine {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        // "Model" is the board on a Raspberry Pi and its like.
        let named = |key: &str| {
            info.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            })
        };
        Machine {
            cpu: named("model name")
                .or_else(|| named("Model"))
                .unwrap_or_else(|| String::from("unknown")),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            arch: std::env::consts::ARCH.to_owned(),
        }
    }

    /// Eight digits that name it in a file's name.
    pub fn key(&self) -> String {
        let digest = Sha256::digest(self.to_string());
        digest[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} ({})", self.cores, self.cpu, self.arch)
    }
}

/// KiB of memory of this process that `/proc/self/status` gives under `key`; 0 where it has none.
pub fn memory_kib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == key).then(|| value.trim().trim_end_matches(" kB").parse().ok())
    });
    line.flatten().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_uses_memory() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && !machine.cpu.is_empty());
        assert_eq!(machine.key().len(), 8);
        assert!(memory_kib("VmRSS") > 0);
        assert_eq!(memory_kib("Nonsense"), 0);
    }
}
