//! A slot that hands new limits from the control plane to an act on a hot thread. Neither side
//! waits for the other, and no hot thread frees memory.

use std::sync::{Mutex, MutexGuard, TryLockError};

/// Holds what is to be taken over next, and what it replaced.
pub(super) struct ConfigSlot<T>(Mutex<Slots<T>>);

struct Slots<T> {
    next: Option<T>,
    past: Option<T>,
}

impl<T> ConfigSlot<T> {
    /// Empty.
    pub fn new() -> ConfigSlot<T> {
        ConfigSlot(Mutex::new(Slots {
            next: None,
            past: None,
        }))
    }

    /// The control plane: to be taken over; what was not taken over yet is replaced.
    pub fn send(&self, next: T) {
        let mut slots = self.0.lock().unwrap_or_else(|held| held.into_inner());
        let replaced = (slots.next.replace(next), slots.past.take());
        drop(slots);
        drop(replaced);
    }

    /// A hot thread: lets `replace` put what came into the place of what it gives back. Where the
    /// control plane has the slot in hand just now, what it brings is taken over the next time: a
    /// thread that spins until one of lower priority is done would never let it be done.
    pub fn receive(&self, replace: impl FnOnce(T) -> T) {
        let mut slots: MutexGuard<'_, Slots<T>> = match self.0.try_lock() {
            Ok(slots) => slots,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        // What was replaced before is gone: `send` took it out when it brought this.
        if let Some(next) = slots.next.take() {
            slots.past = Some(replace(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_taken_over_once_and_what_it_replaced_is_freed_by_the_sender() {
        let config_slot = ConfigSlot::new();
        let mut held = String::from("first");
        let mut receive = |config_slot: &ConfigSlot<String>| {
            config_slot.receive(|next| std::mem::replace(&mut held, next));
            held.clone()
        };
        assert_eq!(receive(&config_slot), "first");
        config_slot.send(String::from("lost"));
        config_slot.send(String::from("second"));
        assert_eq!(receive(&config_slot), "second");
        assert_eq!(receive(&config_slot), "second");
        let past = |config_slot: &ConfigSlot<String>| config_slot.0.lock().unwrap().past.clone();
        assert_eq!(past(&config_slot).as_deref(), Some("first"));
        config_slot.send(String::from("third"));
        assert_eq!(past(&config_slot), None);
    }

    #[test]
    fn whoever_receives_does_not_wait_for_whoever_sends() {
        let config_slot = ConfigSlot::new();
        config_slot.send(1);
        let held = config_slot.0.lock().unwrap();
        config_slot.receive(|_| unreachable!("the slot is in use"));
        drop(held);
        let mut taken = 0;
        config_slot.receive(|next| std::mem::replace(&mut taken, next));
        assert_eq!(taken, 1);
    }
}
