//! A thread that publishes one topic, so that whoever hands a message over does not wait for DDS.
//! It publishes either only the newest message ([`NewestOnly`]) or all of them in order ([`Fifo`]).

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long ending such a thread waits for a publisher that DDS holds; then the thread is left
/// behind.
const PATIENCE: Duration = Duration::from_millis(50);
/// All pages of a stack may be locked in memory; encoding and publishing take a tenth of this.
const STACK: usize = 512 << 10;

/// The messages that wait to be published.
pub(super) trait PublishQueue: Send + 'static {
    /// What is published at a time.
    type Taken: Send + 'static;

    /// Moves what is to be published next into `taken`; whether there was anything.
    fn next(&mut self, taken: &mut Self::Taken) -> bool;
}

/// The newest alone; what it replaces is never published. Two of `T` go to and fro, so that a
/// buffer keeps its memory.
pub(super) struct NewestOnly<T> {
    newest: T,
    waits: bool,
}

impl<T> NewestOnly<T> {
    pub fn new(spare: T) -> NewestOnly<T> {
        NewestOnly {
            newest: spare,
            waits: false,
        }
    }

    /// To be written over: this is published next.
    pub fn newest(&mut self) -> &mut T {
        self.waits = true;
        &mut self.newest
    }
}

impl<T: Send + 'static> PublishQueue for NewestOnly<T> {
    type Taken = T;

    fn next(&mut self, taken: &mut T) -> bool {
        if self.waits {
            std::mem::swap(taken, &mut self.newest);
        }
        std::mem::take(&mut self.waits)
    }
}

/// All, first come first served, up to as many as there is room for.
pub(super) struct Fifo<T>(VecDeque<T>);

impl<T> Fifo<T> {
    pub fn new(room: usize) -> Fifo<T> {
        Fifo(VecDeque::with_capacity(room))
    }

    /// Last in the queue; the first comes back where there is no room for both.
    pub fn push(&mut self, item: T) -> Option<T> {
        let full = self.0.len() == self.0.capacity();
        let oldest = full.then(|| self.0.pop_front()).flatten();
        self.0.push_back(item);
        oldest
    }
}

impl<T: Send + 'static> PublishQueue for Fifo<T> {
    type Taken = Option<T>;

    fn next(&mut self, taken: &mut Option<T>) -> bool {
        *taken = self.0.pop_front();
        taken.is_some()
    }
}

/// Hands over to a thread that publishes, and ends it when dropped.
pub(super) struct PublisherThread<S: PublishQueue> {
    shared: Arc<PublisherShared<S>>,
    thread: Option<JoinHandle<()>>,
}

struct PublisherShared<S: PublishQueue> {
    /// Held to move things in and out, never while something is published.
    state: Mutex<State<S>>,
    /// Something is there, or the end.
    changed: Condvar,
    /// All that was handed over is published.
    done: Condvar,
    /// Only in the hands of whoever set [`State::sending`].
    sender: Mutex<Sender<S>>,
}

struct State<S> {
    store: S,
    /// Somebody publishes, and will until nothing is left.
    sending: bool,
    /// Something was handed over that is not published yet.
    busy: bool,
    stop: bool,
}

struct Sender<S: PublishQueue> {
    taken: S::Taken,
    send: Publish<S::Taken>,
}

type Publish<T> = Box<dyn FnMut(&mut T) + Send>;

impl<S: PublishQueue> PublisherThread<S> {
    /// A thread called `name` that runs `prepare`, and then `send` for whatever comes. `taken` is
    /// what is written over then.
    pub fn start(
        name: &str,
        store: S,
        taken: S::Taken,
        prepare: Arc<dyn Fn() + Send + Sync>,
        send: impl FnMut(&mut S::Taken) + Send + 'static,
    ) -> io::Result<PublisherThread<S>> {
        let shared = Arc::new(PublisherShared {
            state: Mutex::new(State {
                store,
                sending: false,
                busy: false,
                stop: false,
            }),
            changed: Condvar::new(),
            done: Condvar::new(),
            sender: Mutex::new(Sender {
                taken,
                send: Box::new(send),
            }),
        });
        let its = Arc::clone(&shared);
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.stack_size(STACK).spawn(move || {
            prepare();
            its.run();
        })?;
        Ok(PublisherThread {
            shared,
            thread: Some(thread),
        })
    }

    /// Hands over; the thread publishes it.
    pub fn put<R>(&self, act: impl FnOnce(&mut S) -> R) -> R {
        let mut state = self.shared.lock();
        let done = act(&mut state.store);
        state.busy = true;
        let sending = state.sending;
        drop(state);
        if !sending {
            self.shared.changed.notify_one();
        }
        done
    }

    /// Hands over, and publishes on this thread, where nobody else publishes just now: whoever does
    /// goes on with this.
    pub fn put_and_send<R>(&self, act: impl FnOnce(&mut S) -> R) -> R {
        let mut state = self.shared.lock();
        let done = act(&mut state.store);
        state.busy = true;
        if !state.sending {
            drop(self.shared.send_all(state));
        }
        done
    }

    /// Whether the thread has ended by itself, which only a panic does.
    pub fn has_panicked(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Waits until all that was handed over is published; whether it was by then.
    pub fn flush(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let state = self.shared.lock();
        let waited = self
            .shared
            .done
            .wait_timeout_while(state, left, |state| state.busy);
        let (state, _) = waited.unwrap_or_else(|held| held.into_inner());
        !state.busy
    }
}

impl<S: PublishQueue> PublisherShared<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // What is in there is moved whole.
        self.state.lock().unwrap_or_else(|held| held.into_inner())
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let idle = |state: &mut State<S>| state.sending || !state.busy && !state.stop;
            let waited = self.changed.wait_while(state, idle);
            state = waited.unwrap_or_else(|held| held.into_inner());
            if !state.busy {
                return;
            }
            state = self.send_all(state);
        }
    }

    /// Publishes until nothing is left.
    fn send_all<'a>(&'a self, mut state: MutexGuard<'a, State<S>>) -> MutexGuard<'a, State<S>> {
        state.sending = true;
        let sender = self.sender.lock();
        let mut sender = sender.unwrap_or_else(|held| held.into_inner());
        let Sender { taken, send } = &mut *sender;
        while state.store.next(taken) {
            drop(state);
            send(taken);
            state = self.lock();
        }
        state.sending = false;
        state.busy = false;
        if state.stop {
            self.changed.notify_one();
        }
        self.done.notify_all();
        state
    }
}

impl<S: PublishQueue> Drop for PublisherThread<S> {
    /// A thread that DDS holds cannot be ended; it is left behind, and publishes what is left when
    /// it is let go.
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        let Some(thread) = self.thread.take() else {
            return;
        };
        let until = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}
