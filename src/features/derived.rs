//! Derived features, which need several inputs: what the laser will show where the robot's motion
//! leads.

use super::ego_motion::arc::{ArcMotion, ScanPoints, least_after};

/// Input, and place in its samples.
pub(super) type SampleColumn = (usize, usize);

/// Derived feature groups, compiled.
#[derive(Debug)]
pub(super) enum Derived {
    Projected(ProjectedClearance),
    Arc(ArcClearance),
}

/// Straight ahead.
#[derive(Debug)]
pub(super) struct ProjectedClearance {
    /// First of its three columns.
    pub offset: usize,
    pub clearance: SampleColumn,
    /// The preferred one first.
    pub speeds: Vec<SampleColumn>,
    pub horizon: f32,
    pub far: f32,
}

/// Along the arc of the present speed and turn rate.
#[derive(Debug)]
pub(super) struct ArcClearance {
    pub drive: ArcDrive,
    /// How it is shown, once or several times: moving a scan costs far more than a column.
    pub views: Vec<ArcColumns>,
}

/// A scan and how it moves.
#[derive(Debug, PartialEq)]
pub(super) struct ArcDrive {
    pub clearance: SampleColumn,
    pub points: SampleColumn,
    /// Forward speed and turn rate; the preferred one first.
    pub motions: Vec<(SampleColumn, SampleColumn)>,
    /// Tangent of the cone's half angle.
    pub slope: f32,
    /// s.
    pub horizons: Vec<f32>,
}

/// Columns of a drive, one per horizon and the least of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArcColumns {
    /// First column.
    pub offset: usize,
    /// m, below far
    pub near: f32,
    pub far: f32,
}

impl Derived {
    /// Writes its columns of a row; `sample` gives what the row shows of an input.
    pub(super) fn write<'a>(&self, sample: impl Fn(usize) -> Option<&'a [f32]>, row: &mut [f32]) {
        match self {
            Derived::Projected(projected) => projected.write(sample, row),
            Derived::Arc(arc) => arc.write(sample, row),
        }
    }
}

impl ProjectedClearance {
    /// Columns.
    pub(super) const WIDTH: usize = 3;

    fn write<'a>(&self, sample: impl Fn(usize) -> Option<&'a [f32]>, row: &mut [f32]) {
        let columns = &mut row[self.offset..self.offset + Self::WIDTH];
        let (scan, place) = self.clearance;
        let Some(values) = sample(scan) else {
            columns.fill(0.0);
            return;
        };
        let speeds = self.speeds.iter();
        let speed = speeds
            .filter_map(|&(index, place)| sample(index).map(|values| values[place]))
            .find(|speed| speed.is_finite());
        columns.copy_from_slice(&self.columns(values[place], speed.unwrap_or(0.0)));
    }

    /// From a clearance (m, infinite when far) and a speed (m/s).
    fn columns(&self, clearance: f32, speed: f32) -> [f32; Self::WIDTH] {
        let clearance = clearance.min(self.far);
        let ahead = (clearance - speed.max(0.0) * self.horizon) / self.far;
        [
            clearance / self.far,
            speed.clamp(-1.0, 1.0),
            ahead.clamp(-1.0, 1.0),
        ]
    }
}

impl ArcDrive {
    /// Columns of each view.
    pub(super) fn width(&self) -> usize {
        self.horizons.len() + 1
    }
}

impl ArcColumns {
    fn share(&self, range: f32) -> f32 {
        (range.clamp(self.near, self.far) - self.near) / (self.far - self.near)
    }
}

impl ArcClearance {
    fn write<'a>(&self, sample: impl Fn(usize) -> Option<&'a [f32]>, row: &mut [f32]) {
        let drive = &self.drive;
        let Some(scan) = sample(drive.points.0) else {
            for view in &self.views {
                row[view.offset..view.offset + drive.width()].fill(0.0);
            }
            return;
        };
        let motions = drive.motions.iter();
        let motion = motions
            .filter_map(|&(forward, turn)| {
                let value = |(index, place): SampleColumn| Some(sample(index)?[place]);
                Some(ArcMotion {
                    forward: value(forward)?,
                    turn: value(turn)?,
                })
            })
            .find(|motion| motion.forward.is_finite() && motion.turn.is_finite());
        let motion = motion.unwrap_or(ArcMotion::REST);
        let points = ScanPoints::of(&scan[drive.points.1..]);
        let mut least = scan[drive.clearance.1];
        for (column, horizon) in drive.horizons.iter().enumerate() {
            let after = least_after(points, motion, *horizon, drive.slope);
            least = least.min(after);
            for view in &self.views {
                row[view.offset + column] = view.share(after);
            }
        }
        for view in &self.views {
            row[view.offset + drive.horizons.len()] = view.share(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projected_clearance_is_physics() {
        let projected = ProjectedClearance {
            offset: 0,
            clearance: (0, 0),
            speeds: Vec::new(),
            horizon: 1.0,
            far: 4.0,
        };
        assert_eq!(projected.columns(2.0, 0.5), [0.5, 0.5, 0.375]);
        assert_eq!(projected.columns(2.0, -0.5), [0.5, -0.5, 0.5]);
        assert_eq!(projected.columns(f32::INFINITY, 0.0), [1.0, 0.0, 1.0]);
        assert_eq!(projected.columns(0.5, 5.0), [0.125, 1.0, -1.0]);
    }
}
