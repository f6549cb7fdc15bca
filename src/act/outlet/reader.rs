//! Commands for the gate, from their bytes, into memory that is there already.

use super::Outlet;
use crate::act::gate::{Command, Velocity};
use crate::sense::{Message, Twist};
use crate::time::When;

/// Reads one robot's commands.
pub struct CommandReader {
    /// The newest, for its memory.
    latest: Message,
}

impl Default for CommandReader {
    fn default() -> CommandReader {
        CommandReader {
            latest: Message::Twist(Twist::default()),
        }
    }
}

impl CommandReader {
    /// The bytes of a command that came at `arrival`, for this outlet's gate.
    pub fn read(&mut self, outlet: &Outlet, arrival: When, cdr: &[u8]) {
        let read = self.latest.decode_over(outlet.command_type(), cdr);
        let (velocity, header) = match (read, &self.latest) {
            (Ok(()), Message::Twist(twist)) => ((*twist).into(), None),
            (Ok(()), Message::TwistStamped(stamped)) => {
                (stamped.twist.into(), Some(&stamped.header))
            }
            // A command that cannot be read is one the robot must not follow.
            _ => (Velocity::ZERO, None),
        };
        let command = Command::new(velocity, arrival, header.map(|header| header.stamp));
        outlet.command(command, header.map(|header| header.frame_id.as_str()));
    }
}
