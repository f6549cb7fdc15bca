//! Fonts and errors that all plots share.

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

/// Why a picture failed.
pub(crate) type Failed = String;

/// Has text drawn in a font that travels with the program: a vehicle has none installed, and the
/// pictures are the same everywhere.
pub(crate) fn bring_the_font() {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        let _ = register_font(
            "sans-serif",
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        );
    });
}

pub(crate) fn text(error: impl std::fmt::Display) -> Failed {
    error.to_string()
}
