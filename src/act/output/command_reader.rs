//! Decodes velocity commands for the gate into a message that is used again, without allocation.

use super::RobotOutput;
use crate::act::velocity_gate::{Command, Velocity};
use crate::messages::{Message, Twist};
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
    /// The bytes of a command that came at `arrival`, for this output's gate.
    pub fn read(&mut self, robot_output: &RobotOutput, arrival: When, cdr: &[u8]) {
        let read = self.latest.decode_over(robot_output.command_type(), cdr);
        let (velocity, header) = match (read, &self.latest) {
            (Ok(()), Message::Twist(twist)) => ((*twist).into(), None),
            (Ok(()), Message::TwistStamped(stamped)) => {
                (stamped.twist.into(), Some(&stamped.header))
            }
            // A command that cannot be read is one the robot must not follow.
            _ => (Velocity::ZERO, None),
        };
        let command = Command::new(velocity, arrival, header.map(|header| header.stamp));
        robot_output.command(command, header.map(|header| header.frame_id.as_str()));
    }
}
