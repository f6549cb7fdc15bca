//! The devices that ship, and those of a user.

use std::path::{Path, PathBuf};

use super::{Device, DeviceError, measure};
use crate::plan::units;

macro_rules! devices {
    ($($name:literal),+ $(,)?) => {
        /// Name and text of each.
        const SHIPPED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../devices/", $name, ".yaml")))),+
        ];
    };
}

devices![
    "xeon-amx-server",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "jetson-orin-nano",
    "jetson-orin-nx",
    "rk3588",
    "snapdragon-8-phone",
    "x86-nuc",
    "microcontroller-256k",
];

/// Names of the devices that ship.
pub fn names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The file of one that ships.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// A device by name, by its file, or `here`: the file that `--measure` wrote for this machine; where
/// there is none, what its instructions and clock let one expect.
///
/// # Errors
/// A name that is not known, with those that are near; a file that is wrong.
pub fn find(name: &str) -> Result<Device, DeviceError> {
    if name == "here" {
        return match measure::place().filter(|path| path.is_file()) {
            Some(path) => Device::load(&path),
            None => Ok(measure::described()),
        };
    }
    let path = Path::new(name);
    if name.ends_with(".yaml") || name.contains('/') || path.is_file() {
        return Device::load(path);
    }
    match text(name) {
        Some(text) => Device::parse(text).map_err(|what| DeviceError::File {
            path: PathBuf::from(name),
            what,
        }),
        None => Err(DeviceError::Unknown {
            name: name.to_owned(),
            near: units::near(name, names().into_iter())
                .into_iter()
                .map(str::to_owned)
                .collect(),
            known: names().into_iter().map(str::to_owned).collect(),
        }),
    }
}
