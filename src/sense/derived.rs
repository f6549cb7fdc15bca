//! Features of a row that need several inputs: where the robot's motion carries what the laser
//! sees.

use super::arc::{Motion, Points, least_after};

/// Input, and place in its samples.
pub(super) type Place = (usize, usize);

/// One derived feature group, compiled.
#[derive(Debug)]
pub(super) struct Derived {
    /// First column.
    pub offset: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Projected(Projected),
    Arc(Arc),
}

/// Straight ahead.
#[derive(Debug)]
pub(super) struct Projected {
    pub clearance: Place,
    /// The preferred one first.
    pub speeds: Vec<Place>,
    pub horizon: f32,
    pub far: f32,
}

/// Along the arc of the present speed and turn rate.
#[derive(Debug)]
pub(super) struct Arc {
    pub clearance: Place,
    pub points: Place,
    /// Forward speed, and place of the turn rate in the same sample; the preferred one first.
    pub motions: Vec<(Place, usize)>,
    /// Tangent of the cone's half angle.
    pub slope: f32,
    /// s.
    pub horizons: Vec<f32>,
    /// m, below far
    pub near: f32,
    pub far: f32,
}

impl Derived {
    /// Columns.
    pub(super) fn width(&self) -> usize {
        match &self.kind {
            Kind::Projected(_) => 3,
            Kind::Arc(arc) => arc.horizons.len() + 1,
        }
    }

    /// Writes its columns of a row; `sample` gives what the row shows of an input.
    pub(super) fn write<'a>(&self, sample: impl Fn(usize) -> Option<&'a [f32]>, row: &mut [f32]) {
        let columns = &mut row[self.offset..self.offset + self.width()];
        match &self.kind {
            Kind::Projected(projected) => projected.write(sample, columns),
            Kind::Arc(arc) => arc.write(sample, columns),
        }
    }
}

impl Projected {
    fn write<'a>(&self, sample: impl Fn(usize) -> Option<&'a [f32]>, columns: &mut [f32]) {
        let (scan, place) = self.clearance;
        let Some(values) = sample(scan) else {
            columns.fill(0.0);
            return;
        };
        let speeds = self.speeds.iter();
        let speed = speeds
            .filter_map(|&(index, place)| sample(index).map(|values| values[place]))
            .next();
        columns.copy_from_slice(&self.columns(values[place], speed.unwrap_or(0.0)));
    }

    /// From a clearance (m, infinite when far) and a speed (m/s).
    fn columns(&self, clearance: f32, speed: f32) -> [f32; 3] {
        let clearance = clearance.min(self.far);
        let ahead = (clearance - speed.max(0.0) * self.horizon) / self.far;
        [
            clearance / self.far,
            speed.clamp(-1.0, 1.0),
            ahead.clamp(-1.0, 1.0),
        ]
    }
}

impl Arc {
    fn write<'a>(&self, sample: impl Fn(usize) -> Option<&'a [f32]>, columns: &mut [f32]) {
        let Some(scan) = sample(self.points.0) else {
            columns.fill(0.0);
            return;
        };
        let motions = self.motions.iter();
        let motion = motions
            .filter_map(|&((index, forward), turn)| {
                let values = sample(index)?;
                Some(Motion {
                    forward: values[forward],
                    turn: values[turn],
                })
            })
            .next();
        let motion = motion.unwrap_or(Motion::REST);
        let points = Points::of(&scan[self.points.1..]);
        let Some((least, each)) = columns.split_last_mut() else {
            return;
        };
        let share =
            |range: f32| (range.clamp(self.near, self.far) - self.near) / (self.far - self.near);
        *least = scan[self.clearance.1];
        for (column, horizon) in each.iter_mut().zip(&self.horizons) {
            let after = least_after(points, motion, *horizon, self.slope);
            *least = least.min(after);
            *column = share(after);
        }
        *least = share(*least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projected_clearance_is_physics() {
        let projected = Projected {
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
