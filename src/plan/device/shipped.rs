//! The device files that ship.

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
