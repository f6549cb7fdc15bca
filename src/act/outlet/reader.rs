//! Commands for the gate, from their bytes, into memory that is there already.

use super::Outlet;
use crate::act::gate::Velocity;
use crate::sense::{Message, Twist};
use crate::time::Mono;

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
    pub fn read(&mut self, outlet: &Outlet, arrival: Mono, cdr: &[u8]) {
        let read = self.latest.decode_over(outlet.command_type(), cdr);
        let (twist, frame) = match (read, &self.latest) {
            (Ok(()), Message::Twist(twist)) => (*twist, None),
            (Ok(()), Message::TwistStamped(stamped)) => {
                (stamped.twist, Some(stamped.header.frame_id.as_str()))
            }
            // A command that cannot be read is one the robot must not follow.
            _ => (Twist::default(), None),
        };
        let velocity = Velocity {
            linear: [twist.linear.x, twist.linear.y, twist.linear.z],
            angular: [twist.angular.x, twist.angular.y, twist.angular.z],
        };
        outlet.command(arrival, velocity, frame);
    }
}
