//! Finds a driver's codes: constants that it writes where it has no measurement, exactly the same
//! few values again and again in beams that nothing has approached.

/// Most constants of a source; drivers have a handful.
const MOST: usize = 16;
/// So many separate places of one scan with exactly one value: no scene does that.
const AT_ONCE: u8 = 3;
/// So many times in so many of the directions below, over any number of scans.
const NARROW: (u32, u32) = (8, 3);
/// Likewise where what says it is as wide as a thing may be.
const WIDE: (u32, u32) = (20, 6);
/// So many scans in a row with the very same value over so many neighbouring beams, while what else
/// is in sight varies by noise or motion.
const STEADY: u8 = 10;
const STEADY_BEAMS: usize = 4;
/// Directions told apart.
pub(super) const DIRECTIONS: usize = 16;

/// The constants of one source, in memory fixed at the start.
#[derive(Clone, Debug, Default)]
pub(super) struct DriverCodes {
    known: [f32; MOST],
    count: usize,
    suspects: [Suspect; MOST],
}

/// A value that may be a code.
#[derive(Clone, Copy, Debug, Default)]
struct Suspect {
    value: f32,
    /// Places in all scans.
    places: u32,
    /// Places in this scan.
    now: u8,
    /// One bit per direction.
    directions: u16,
    wide: bool,
    /// Whether this scan has it in neighbouring beams.
    lasts: bool,
    /// For how many scans it has.
    steady: u8,
}

/// One place of a scan in which all values are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodePlace {
    /// 0 to [`DIRECTIONS`].
    pub direction: usize,
    /// Whether it could be a thing.
    pub wide: bool,
    /// Neighbouring beams that say it.
    pub beams: usize,
}

impl DriverCodes {
    /// In the order in which they were found out, m.
    pub(super) fn known(&self) -> &[f32] {
        &self.known[..self.count]
    }

    pub(super) fn is_known(&self, value: f32) -> bool {
        self.known().contains(&value)
    }

    /// A new scan begins.
    pub(super) fn begin(&mut self) {
        for suspect in &mut self.suspects {
            (suspect.now, suspect.lasts) = (0, false);
        }
    }

    /// One separate place of a scan has just this value, with nothing near around it.
    pub(super) fn suspect(&mut self, value: f32, place: CodePlace) {
        let found = self.suspects.iter().position(|known| known.value == value);
        let slot = found.unwrap_or_else(|| {
            // The least suspicious makes room.
            let least = |(_, suspect): &(usize, &Suspect)| suspect.places;
            let slot = self.suspects.iter().enumerate().min_by_key(least);
            let slot = slot.map_or(0, |(slot, _)| slot);
            self.suspects[slot] = Suspect {
                value,
                ..Suspect::default()
            };
            slot
        });
        let suspect = &mut self.suspects[slot];
        suspect.places = suspect.places.saturating_add(1);
        suspect.now = suspect.now.saturating_add(1);
        suspect.directions |= 1 << (place.direction % DIRECTIONS);
        suspect.wide |= place.wide;
        suspect.lasts |= place.beams >= STEADY_BEAMS;
    }

    /// A value that is a code by itself.
    pub(super) fn convict(&mut self, value: f32) {
        if self.count < MOST && !self.is_known(value) {
            self.known[self.count] = value;
            self.count += 1;
        }
    }

    /// Judges all suspects after a scan; `varies`: whether what else is in sight does.
    pub(super) fn settle(&mut self, varies: bool) {
        for index in 0..MOST {
            let suspect = &mut self.suspects[index];
            suspect.steady = match (suspect.lasts, varies) {
                (true, true) => suspect.steady.saturating_add(1),
                (true, false) => suspect.steady,
                (false, _) => 0,
            };
            let suspect = *suspect;
            let (places, directions) = if suspect.wide { WIDE } else { NARROW };
            let often = suspect.places >= places && suspect.directions.count_ones() >= directions;
            if suspect.now >= AT_ONCE || often || suspect.steady >= STEADY {
                self.convict(suspect.value);
                self.suspects[index] = Suspect::default();
            }
        }
    }
}
