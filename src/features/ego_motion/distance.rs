//! The distance travelled, from the best input there is: odometry, else scans, else commands.

use super::moments::MeanMotion;
use crate::messages::{Message, Odometry, Twist};
use crate::time::Stamp;

/// A source without a message for this long is not used any more, ns.
const HEARD: i64 = 1_000_000_000;
/// Two messages farther apart say nothing about the way between, ns.
const LONGEST: i64 = 500_000_000;
/// A pose that leaps farther was corrected, m.
const LEAP: f64 = 0.5;
/// A spike is no way, m/s.
const FASTEST: f64 = 10.0;
/// A rad of turning moves what is seen as much as so many metres.
const TURN: f64 = 0.5;

/// Adds up the way.
#[derive(Clone, Debug, Default)]
pub(in crate::features) struct DistanceTravelled {
    metres: f64,
    odometry: Option<i64>,
    scans: Option<i64>,
    commands: Option<i64>,
    pose: Option<[f64; 2]>,
}

impl DistanceTravelled {
    /// m since it was made; it never falls.
    pub(in crate::features) fn metres(&self) -> f64 {
        self.metres
    }

    /// Takes a message, and for a scan the distance that scan matching found, where it found one.
    pub(in crate::features) fn note(
        &mut self,
        message: &Message,
        travelled: Option<MeanMotion>,
        arrival: Stamp,
    ) {
        let now = arrival.0;
        match message {
            Message::Odometry(odometry) => {
                let seconds = span(&mut self.odometry, now);
                self.metres += self.by_odometry(odometry, seconds);
            }
            Message::LaserScan(_) => {
                if let Some(travelled) = travelled {
                    let seconds = span(&mut self.scans, now);
                    if !heard(self.odometry, now) {
                        let (forward, turn) = (travelled.forward.abs(), travelled.turn.abs());
                        self.metres += (forward + TURN * turn) * seconds;
                    }
                }
            }
            Message::Twist(twist) => self.by_command(twist, now),
            Message::TwistStamped(stamped) => self.by_command(&stamped.twist, now),
            _ => {}
        }
    }

    fn by_odometry(&mut self, odometry: &Odometry, seconds: f64) -> f64 {
        let position = odometry.pose.pose.position;
        let place = [position.x, position.y];
        let before = self.pose.replace(place);
        let leap = before.map_or(0.0, |[x, y]| (place[0] - x).hypot(place[1] - y));
        let by_pose = if leap <= LEAP { leap } else { 0.0 };
        let by_twist = rate(&odometry.twist.twist) * seconds;
        by_pose.max(by_twist)
    }

    fn by_command(&mut self, twist: &Twist, now: i64) {
        let seconds = span(&mut self.commands, now);
        let better = heard(self.odometry, now) || heard(self.scans, now);
        if !better {
            self.metres += rate(twist) * seconds;
        }
    }
}

/// m/s, turning included; 0 where the twist is not finite, or faster than anything that this runs
/// on.
fn rate(twist: &Twist) -> f64 {
    let speed = twist.linear.x.hypot(twist.linear.y) + TURN * twist.angular.z.abs();
    match speed <= FASTEST {
        true => speed,
        false => 0.0,
    }
}

/// Seconds since the source's last message, 0 after a pause.
fn span(last: &mut Option<i64>, now: i64) -> f64 {
    let since = last.replace(now).map_or(0, |last| now.saturating_sub(last));
    match (0..=LONGEST).contains(&since) {
        true => since as f64 * 1e-9,
        false => 0.0,
    }
}

fn heard(last: Option<i64>, now: i64) -> bool {
    last.is_some_and(|last| (0..=HEARD).contains(&now.saturating_sub(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{at, odometry, posed, stamped, twist};

    fn after(messages: impl IntoIterator<Item = (i64, Message)>) -> f64 {
        let mut distance = DistanceTravelled::default();
        for (ms, message) in messages {
            distance.note(&message, None, at(ms));
        }
        distance.metres()
    }

    #[test]
    fn odometry_counts_by_pose_or_twist_and_commands_only_without_it() {
        let driven = (0..=20).map(|n| (n * 100, odometry(0.5, at(n * 100))));
        assert!((after(driven.clone()) - 1.0).abs() < 1e-9);
        let poses = (0..=20).map(|n| (n * 100, posed((0.05 * n as f64, 0.0, 0.0), at(n * 100))));
        assert!((after(poses) - 1.0).abs() < 1e-9);
        let commands = (0..=20).map(|n| (n * 100 + 1, twist(2.0, 0.0)));
        assert!((after(commands.clone()) - 4.0).abs() < 1e-9);
        let mut both: Vec<_> = driven.chain(commands).collect();
        both.sort_by_key(|(ms, _)| *ms);
        assert!(
            (after(both) - 1.0).abs() < 1e-9,
            "the gate may hold what was commanded"
        );
    }

    #[test]
    fn pauses_leaps_and_nonsense_are_no_way() {
        assert_eq!(
            after([(0, odometry(1.0, at(0))), (5000, odometry(1.0, at(5000)))]),
            0.0
        );
        let leap = [
            (0, posed((0.0, 0.0, 0.0), at(0))),
            (100, posed((9.0, 0.0, 0.0), at(100))),
        ];
        assert_eq!(after(leap), 0.0);
        let nan = (0..5).map(|n| (n * 100, odometry(f64::NAN, at(n * 100))));
        assert_eq!(after(nan), 0.0);
        assert_eq!(
            after((0..5).map(|n| (n * 100, twist(f64::INFINITY, f64::NAN)))),
            0.0
        );
        assert_eq!(
            after((0..5).map(|n| (n * 100, stamped(1.0, at(n * 100))))),
            0.0
        );
    }

    #[test]
    fn scans_count_where_odometry_is_silent() {
        let mut distance = DistanceTravelled::default();
        let travelled = Some(MeanMotion {
            forward: 0.5,
            turn: 0.0,
        });
        for n in 0..=20 {
            distance.note(&stamped(1.0, at(n * 100)), travelled, at(n * 100));
            distance.note(&twist(2.0, 0.0), None, at(n * 100 + 50));
        }
        assert!(
            (distance.metres() - 1.0).abs() < 0.2,
            "{}",
            distance.metres()
        );
    }
}
