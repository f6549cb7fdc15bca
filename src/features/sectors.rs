//! The columns of a window that hold the sectors of a scan, to show what a decision rests
//! on.

use std::f32::consts::TAU;

use super::frames::Mount;
use super::layout::{Extractor, Layout};

/// The sectors of a window's first scan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sectors {
    count: usize,
    far_m: f32,
    column: usize,
    features: usize,
}

impl Sectors {
    pub(super) fn of(layout: &Layout) -> Option<Sectors> {
        layout
            .inputs
            .iter()
            .find_map(|input| match input.extractor {
                Extractor::Sectors { count, far } => Some(Sectors {
                    count,
                    far_m: far,
                    column: input.offset,
                    features: layout.features,
                }),
                _ => None,
            })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Where a sector begins and ends, rad in the frame of the sensor that is mounted like this,
    /// the lesser angle first.
    pub fn edges(&self, sector: usize, mount: &Mount) -> (f32, f32) {
        let width = TAU / self.count as f32;
        let middle = mount.sense() as f32 * (sector as f32 * width - mount.yaw);
        (middle - width / 2.0, middle + width / 2.0)
    }

    /// The nearest thing in a sector by the newest row, m; none where nothing is seen, or only
    /// beyond the range of the window.
    pub fn nearest_m(&self, window: &[f32], sector: usize) -> Option<f32> {
        let newest = window.rchunks_exact(self.features).next()?;
        let near = *newest.get(self.column + sector)?;
        let seen = *newest.get(self.column + self.count + sector)? > 0.5;
        (seen && near < 1.0).then_some(near * self.far_m)
    }

    /// Takes a sector out of every row, as if nothing were there.
    pub fn hide(&self, window: &mut [f32], sector: usize) {
        for row in window.chunks_exact_mut(self.features) {
            row[self.column + sector] = 1.0;
            row[self.column + self.count + sector] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTORS: Sectors = Sectors {
        count: 4,
        far_m: 2.0,
        column: 1,
        features: 10,
    };

    #[test]
    fn edges_meet_and_are_those_of_the_sensor() {
        let mut mount = Mount {
            yaw: 0.5,
            ..Mount::default()
        };
        let (from, to) = SECTORS.edges(0, &mount);
        assert!((from + TAU / 8.0 + 0.5).abs() < 1e-6 && (to - TAU / 8.0 + 0.5).abs() < 1e-6);
        assert!((SECTORS.edges(1, &mount).0 - to).abs() < 1e-6);
        // Upside down the left is on the sensor's right.
        mount.upside_down = true;
        let (from, to) = SECTORS.edges(1, &mount);
        assert!((from + TAU * 3.0 / 8.0 - 0.5).abs() < 1e-6 && (to + TAU / 8.0 - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_hidden_sector_is_seen_by_no_row_and_the_others_are() {
        let mut window = vec![0.25; 20];
        window[10 + 1 + 4..10 + 1 + 8].fill(1.0);
        assert_eq!(SECTORS.nearest_m(&window, 2), Some(0.5));
        let before = window.clone();
        SECTORS.hide(&mut window, 2);
        assert_eq!(SECTORS.nearest_m(&window, 2), None);
        assert_eq!(SECTORS.nearest_m(&window, 1), Some(0.5));
        let changed: Vec<usize> = (0..20).filter(|&i| window[i] != before[i]).collect();
        assert_eq!(changed, [3, 7, 13, 17]);
    }
}
