//! The window of a bundle as a C library, for the node in Python that `make bench-node` compares
//! with: messages in as they come over the wire, features out. One window per process.
//!
//! `benches/live/model.py` calls it, and `make bench-node` checks first that both nodes have the
//! same probabilities.

use std::path::Path;
use std::slice;
use std::sync::{Mutex, PoisonError};

use edge_reasoner::features::{SourceId, SourceSettings, Window, WindowSpec};
use edge_reasoner::messages::Message;
use edge_reasoner::model::Bundle;
use edge_reasoner::time::Stamp;

static OPEN: Mutex<Option<Opened>> = Mutex::new(None);

struct Opened {
    spec: WindowSpec,
    window: Window,
}

impl Opened {
    fn of(folder: &str) -> Result<Opened, Box<dyn std::error::Error>> {
        let spec = Bundle::load(Path::new(folder))?.manifest.window;
        let settings: Vec<SourceSettings> = spec.inputs.iter().map(SourceSettings::of).collect();
        let window = Window::new(&spec, &settings)?;
        Ok(Opened { spec, window })
    }

    fn push(&mut self, source: u8, bytes: &[u8], arrival: Stamp) -> bool {
        let Some(input) = self.spec.inputs.get(usize::from(source)) else {
            return false;
        };
        Message::decode(input.message, bytes).is_ok_and(|message| {
            self.window
                .push(SourceId(source), &message, arrival)
                .is_ok()
        })
    }
}

/// The open window, if there is one.
fn with<T>(none: T, some: impl FnOnce(&mut Opened) -> T) -> T {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.as_mut().map_or(none, some)
}

/// Opens the window of the bundle in a folder (UTF-8). Values of a window, frames times features;
/// 0 where it cannot be opened, with the reason on standard error.
///
/// # Safety
/// `folder` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn window_open(folder: *const u8, length: usize) -> usize {
    // SAFETY: the caller's promise.
    let folder = unsafe { slice::from_raw_parts(folder, length) };
    match Opened::of(&String::from_utf8_lossy(folder)) {
        Ok(opened) => {
            let values = opened.window.frames() * opened.window.features();
            *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
            values
        }
        Err(error) => {
            eprintln!("window: {error}");
            0
        }
    }
}

/// Takes a serialized message of the input with this number that arrived at this time (ns). Whether
/// it was taken.
///
/// # Safety
/// `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn window_push(
    source: u8,
    bytes: *const u8,
    length: usize,
    arrival_ns: i64,
) -> bool {
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice::from_raw_parts(bytes, length) };
    with(false, |open| open.push(source, bytes, Stamp(arrival_ns)))
}

/// Writes the window as seen at this time (ns), frame by frame, oldest first. Whether there was
/// room for it.
///
/// # Safety
/// `out` points to `values` floats that nobody else uses meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn window_assemble(now_ns: i64, out: *mut f32, values: usize) -> bool {
    // SAFETY: the caller's promise.
    let out = unsafe { slice::from_raw_parts_mut(out, values) };
    with(false, |open| {
        let right = out.len() == open.window.frames() * open.window.features();
        if right {
            open.window.assemble(Stamp(now_ns), out);
        }
        right
    })
}
