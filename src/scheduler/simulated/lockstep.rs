//! A part of a worker that looks at the clock on its way, run on a thread of its own and in step
//! with simulated time: it waits at every look until the simulation has come to the next.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::scheduler::lane::LaneWorker;

/// A worker on its way through a part.
pub(super) struct Lockstep<W> {
    resume: Sender<()>,
    turns: Receiver<Turn<W>>,
}

/// Why the simulation has its turn.
pub(super) enum Turn<W> {
    /// The worker has looked, and works up to its next look.
    Looked,
    /// The part is over.
    Over(W),
}

impl<W: LaneWorker> Lockstep<W> {
    /// Runs the next part up to its first look.
    pub fn begin(mut worker: W) -> (Lockstep<W>, Turn<W>) {
        let (resume, resumed) = channel::<()>();
        let (tell, turns) = channel();
        thread::spawn(move || {
            worker.run(&mut || {
                let _ = tell.send(Turn::Looked);
                // Nobody resumes what the simulation has left behind: it runs to its end.
                let _ = resumed.recv();
            });
            let _ = tell.send(Turn::Over(worker));
        });
        let lockstep = Lockstep { resume, turns };
        let turn = lockstep.turn();
        (lockstep, turn)
    }

    /// Runs up to the next look, or the part's end.
    pub fn resume(&self) -> Turn<W> {
        let _ = self.resume.send(());
        self.turn()
    }

    fn turn(&self) -> Turn<W> {
        // Engines' panics are caught by the worker; what is left is a fault of the worker itself.
        self.turns.recv().expect("a worker panicked")
    }
}
