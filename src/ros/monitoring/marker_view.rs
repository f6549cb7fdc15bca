//! What the markers of a model's decisions need: names, engine, sectors.

use std::sync::Arc;

use crate::act::DecisionNames;
use crate::configure::Configuration;
use crate::features::Sectors;
use crate::model::Bundle;

/// The names, engine and sectors that markers of a model's decisions need.
pub struct MarkerView {
    pub(super) bundle: Arc<Bundle>,
    pub(super) words: DecisionNames,
    pub(super) base_frame: String,
    /// None where the window sees no scan.
    pub(super) sectors: Option<Sectors>,
}

impl MarkerView {
    /// None where decisions are not shown.
    pub fn of(configuration: &Configuration) -> Option<MarkerView> {
        configuration.params.markers.then(|| MarkerView {
            bundle: Arc::clone(&configuration.bundle),
            words: configuration.vocabulary(),
            base_frame: configuration.params.base_frame.clone(),
            sectors: configuration.sectors(),
        })
    }
}
