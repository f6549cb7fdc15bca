//! A device by its name or its file.

use std::path::{Path, PathBuf};

use super::shipped::{names, text};
use super::{Device, DeviceError, measure};
use crate::plan::units;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_that_ships_is_read_and_names_its_sources() {
        let all = names();
        assert!(all.len() >= 9, "{all:?}");
        for name in all {
            let device = find(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(device.name, *name);
            assert!(
                device.cpu.from.len() > 8 && device.memory.from.len() > 8,
                "{name}"
            );
            assert!(!device.cpu.from.contains("http"), "{name}");
        }
    }

    #[test]
    fn a_device_file_that_is_wrong_says_where_and_what_was_expected() {
        let good = include_str!("../../../devices/raspberry-pi-5.yaml");
        let wrong = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            Device::parse(&good.replace(from, to)).unwrap_err()
        };
        assert!(wrong("total: 8GiB", "total: 8").contains("memory.total"));
        assert!(wrong("total: 8GiB", "total: -8GiB").contains("memory.total"));
        assert!(wrong("cores: 4", "cores: 0").contains("cpu.cores"));
        assert!(wrong("cores: 4", "cors: 4").contains("cors"));
        assert!(wrong("isa: neon_dotprod", "isa: neon_dotprot").contains("neon_dotprot"));
        assert!(wrong("clock_ghz: 2.4", "clock_ghz: .nan").contains("expected"));
        assert!(wrong("format: 1", "format: 2").contains("format is 2"));
        let error = find("raspbery-pi-5").unwrap_err().to_string();
        assert!(
            error.contains("did you mean raspberry-pi-5") && error.contains("--measure"),
            "{error}"
        );
        let error = find("/nowhere/x.yaml").unwrap_err().to_string();
        assert!(error.contains("/nowhere/x.yaml"), "{error}");
    }
}
