//! The geometry of a scan: in which directions its beams look.

/// Where the beams of a scan look, in the sensor's frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScanGeometry {
    pub(super) beams: usize,
    /// Of beam 0, rad.
    pub(super) first: f32,
    /// rad; negative: clockwise.
    pub(super) step: f32,
}
