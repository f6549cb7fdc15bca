//! What several test programs share.
#![allow(dead_code)] // each of them uses a part

use edge_reasoner::messages::{Header, LaserScan};
use edge_reasoner::scheduler::{Engine, EngineFault};
use edge_reasoner::time::Stamp;

/// Splitmix64 (Steele, Lea and Flood, 2014): the same sequence everywhere.
pub struct Dice(pub u64);

impl Dice {
    /// From 0 to below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % sides.max(1) as u64) as usize
    }
}

/// What stubs say when they panic is not shown.
pub fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.to_string().contains("scripted panic") {
                default(info);
            }
        }));
    });
}

/// What a stub does in one stage.
pub type Advance = Box<dyn FnMut(&mut [f32]) -> Result<(), EngineFault> + Send>;

/// An engine without a model.
pub struct Stub {
    pub exits: usize,
    pub labels: usize,
    pub advance: Advance,
}

impl Engine for Stub {
    fn name(&self) -> &str {
        "stub"
    }
    fn exits(&self) -> usize {
        self.exits
    }
    fn labels(&self) -> usize {
        self.labels
    }
    fn begin(&mut self, _: &[f32]) -> Result<(), EngineFault> {
        Ok(())
    }
    fn advance(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
        (self.advance)(out)
    }
}

/// A scan of 360 beams with the same range everywhere.
pub fn scan(at: i64, range: f32) -> LaserScan {
    LaserScan {
        header: Header {
            stamp: Stamp(at),
            frame_id: "base_scan".into(),
        },
        angle_min: 0.0,
        angle_max: 359f32.to_radians(),
        angle_increment: 1f32.to_radians(),
        time_increment: 0.0,
        scan_time: 0.2,
        range_min: 0.12,
        range_max: 3.5,
        ranges: vec![range; 360],
        intensities: Vec::new(),
    }
}
