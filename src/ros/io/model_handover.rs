//! Hands the threads of another model from the control plane to the ingest thread, which offers
//! triggers to them between two cycles, and windows back to try a model on. Neither side waits for
//! the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bounded_queue::BoundedQueue;
use crate::scheduler::threaded::SchedulerThreads;
use crate::scheduler::{InputStatus, Request};
use crate::time::Mono;

/// Most windows copied.
pub const WINDOWS: usize = 8;
/// Schedulers that have not come to rest by then are left with cycles in flight, which are answered
/// all the same.
const PATIENCE: Duration = Duration::from_millis(500);

/// The slot by which the control plane hands a model over to the ingest thread.
pub struct ModelHandover {
    next: BoundedQueue<Arc<SchedulerThreads>>,
    done: AtomicU64,
    /// To try another model on.
    pub trial: WindowRequest,
    /// To show what decisions looked at, robot by robot.
    pub views: Vec<WindowRequest>,
}

/// Copies of windows for the control plane, which brings the memory for them.
pub struct WindowRequest {
    wanted: BoundedQueue<SampledWindow>,
    seen: BoundedQueue<SampledWindow>,
}

/// A window, and when the trigger arrived that it was assembled for.
pub struct SampledWindow {
    /// Arrival of the trigger; the decision that answers it has the same.
    pub arrival: Mono,
    /// Row-major `[frames, features]`.
    pub window: Box<[f32]>,
}

impl WindowRequest {
    fn new() -> WindowRequest {
        WindowRequest {
            wanted: BoundedQueue::new(WINDOWS),
            seen: BoundedQueue::new(WINDOWS),
        }
    }

    /// Asks for copies of the next `count` windows, [`WINDOWS`] at most, `len` numbers each;
    /// forgets those seen before.
    pub fn ask_for(&self, count: usize, len: usize) {
        while self.seen.pop().is_some() {}
        while self.wanted.len() < count {
            let empty_request = SampledWindow {
                arrival: Mono(0),
                window: vec![0.0; len].into_boxed_slice(),
            };
            if self.wanted.push(empty_request).is_err() {
                break;
            }
        }
    }

    /// A window that was copied since.
    pub fn next(&self) -> Option<SampledWindow> {
        self.seen.pop()
    }

    fn show(&self, request: &Request) {
        if let Some(mut copy) = self.wanted.try_pop()
            && copy.window.len() == request.window.len()
        {
            copy.arrival = request.trigger.arrival;
            copy.window.copy_from_slice(&request.window);
            let _ = self.seen.push(copy);
        }
    }
}

impl ModelHandover {
    /// Nothing is handed over yet; for so many robots.
    pub fn new(robots: usize) -> ModelHandover {
        ModelHandover {
            next: BoundedQueue::new(1),
            done: AtomicU64::new(0),
            trial: WindowRequest::new(),
            views: (0..robots).map(|_| WindowRequest::new()).collect(),
        }
    }

    /// Triggers go to these threads from between two cycles on. Keep them alive, and those before
    /// them: the ingest thread shall not be the one that ends them.
    pub fn hand_over(&self, live: Arc<SchedulerThreads>) {
        drop(self.next.force_push(live));
    }

    /// Handovers that the ingest thread has made.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }
}

/// The ingest thread's end.
pub struct HandoverReceiver {
    handover: Arc<ModelHandover>,
    next: Option<(Arc<SchedulerThreads>, Mono)>,
}

impl HandoverReceiver {
    /// Of this handover.
    pub fn new(handover: Arc<ModelHandover>) -> HandoverReceiver {
        HandoverReceiver {
            handover,
            next: None,
        }
    }

    /// Puts what was handed over into the place of `live`, once nothing is in flight there.
    pub fn take_over(&mut self, live: &mut Arc<SchedulerThreads>, now: Mono) {
        if let Some(next) = self.handover.next.try_pop() {
            self.next = Some((next, now));
        }
        let at_rest = || {
            live.schedulers()
                .iter()
                .all(|scheduler| scheduler.is_at_rest())
        };
        let ready = |since: Mono| at_rest() || now.since(since) >= PATIENCE;
        if let Some((next, _)) = self.next.take_if(|(_, since)| ready(*since)) {
            *live = next;
            self.handover.done.fetch_add(1, Ordering::Release);
        }
    }

    /// Copies the window of a robot's request where one is wanted.
    pub fn show(&self, robot: usize, request: &Request) {
        if request.trigger.input_status == InputStatus::Ready {
            self.handover.trial.show(request);
        }
        self.handover.views[robot].show(request);
    }
}
