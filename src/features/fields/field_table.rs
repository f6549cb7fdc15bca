//! The numeric fields of every message type: how each is read, changed and mirrored.

use crate::messages::{Message, MessageType};

/// By how much a number changes, given what it is.
pub(super) type By<'a> = &'a mut dyn FnMut(f64) -> f64;

/// A number of a message.
pub(super) struct Scalar {
    pub(super) path: &'static str,
    pub(super) get: fn(&Message) -> Option<f64>,
    pub(super) add: fn(&mut Message, By<'_>),
    /// What a left-right mirror does to the value: -1 for lateral parts of vectors and for
    /// rotations about the x and z axes.
    pub(super) mirror: f32,
}

/// An array of numbers of a message.
pub(super) struct Array {
    pub(super) path: &'static str,
    pub(super) get: fn(&Message, usize) -> Option<f64>,
    pub(super) add: fn(&mut Message, usize, By<'_>),
}

/// Messages have numbers of both sizes.
trait Shift {
    fn shift(&mut self, by: By<'_>);
}

impl Shift for f32 {
    fn shift(&mut self, by: By<'_>) {
        *self += by(f64::from(*self)) as f32;
    }
}

impl Shift for f64 {
    fn shift(&mut self, by: By<'_>) {
        *self += by(*self);
    }
}

macro_rules! scalars {
    ($kind:ident: $($first:ident $(.$rest:ident)* => $mirror:literal),* $(,)?) => {
        &[$(Scalar {
            path: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            get: |message| match message {
                Message::$kind(m) => Some(f64::from(m.$first$(.$rest)*)),
                _ => None,
            },
            add: |message, by| {
                if let Message::$kind(m) = message {
                    m.$first$(.$rest)*.shift(by);
                }
            },
            mirror: $mirror,
        }),*]
    };
}

macro_rules! arrays {
    ($kind:ident: $($name:ident),*) => {
        &[$(Array {
            path: stringify!($name),
            get: |message, i| match message {
                Message::$kind(m) => m.$name.get(i).copied().map(f64::from),
                _ => None,
            },
            add: |message, i, by| {
                if let Message::$kind(m) = message
                    && let Some(value) = m.$name.get_mut(i)
                {
                    value.shift(by);
                }
            },
        }),*]
    };
}

/// The numbers of a type.
pub(super) fn scalars(kind: MessageType) -> &'static [Scalar] {
    match kind {
        MessageType::LaserScan => scalars!(LaserScan:
            range_min => 1.0, range_max => 1.0, scan_time => 1.0,
        ),
        MessageType::Odometry => scalars!(Odometry:
            pose.pose.position.x => 1.0,
            pose.pose.position.y => -1.0,
            pose.pose.position.z => 1.0,
            pose.pose.orientation.x => -1.0,
            pose.pose.orientation.y => 1.0,
            pose.pose.orientation.z => -1.0,
            pose.pose.orientation.w => 1.0,
            twist.twist.linear.x => 1.0,
            twist.twist.linear.y => -1.0,
            twist.twist.linear.z => 1.0,
            twist.twist.angular.x => -1.0,
            twist.twist.angular.y => 1.0,
            twist.twist.angular.z => -1.0,
        ),
        MessageType::Twist => scalars!(Twist:
            linear.x => 1.0, linear.y => -1.0, linear.z => 1.0,
            angular.x => -1.0, angular.y => 1.0, angular.z => -1.0,
        ),
        MessageType::TwistStamped => scalars!(TwistStamped:
            twist.linear.x => 1.0, twist.linear.y => -1.0, twist.linear.z => 1.0,
            twist.angular.x => -1.0, twist.angular.y => 1.0, twist.angular.z => -1.0,
        ),
        MessageType::Imu => scalars!(Imu:
            orientation.x => -1.0, orientation.y => 1.0,
            orientation.z => -1.0, orientation.w => 1.0,
            angular_velocity.x => -1.0, angular_velocity.y => 1.0, angular_velocity.z => -1.0,
            linear_acceleration.x => 1.0,
            linear_acceleration.y => -1.0,
            linear_acceleration.z => 1.0,
        ),
        MessageType::JointState | MessageType::Float32MultiArray | MessageType::String => &[],
    }
}

/// The arrays of numbers of a type.
pub(super) fn arrays(kind: MessageType) -> &'static [Array] {
    match kind {
        MessageType::LaserScan => arrays!(LaserScan: ranges, intensities),
        MessageType::JointState => arrays!(JointState: position, velocity, effort),
        MessageType::Float32MultiArray => arrays!(Float32MultiArray: data),
        _ => &[],
    }
}
