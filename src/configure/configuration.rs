//! A bundle with parameters that fit it.

use std::sync::Arc;

use crate::model::Bundle;
use crate::params::Params;

/// A bundle with parameters that fit it.
///
/// The window of a params file, filled from a recording:
///
/// ```
/// use std::path::Path;
///
/// use edge_reasoner::bag::Bag;
/// use edge_reasoner::configure::Configuration;
/// use edge_reasoner::features::{SourceSettings, Window, WindowState};
/// use edge_reasoner::messages::{Message, MessageType};
/// use edge_reasoner::params::{NodeName, read_file};
/// use edge_reasoner::time::Stamp;
///
/// let values = read_file(Path::new("params/clearance.yaml"), &NodeName::default())?;
/// let configuration = Configuration::read(&values)?;
/// let spec = &configuration.bundle.manifest.window;
/// let inputs = spec.inputs.iter();
/// let settings: Vec<SourceSettings> =
///     inputs.map(|input| configuration.settings(&input.source)).collect();
/// let mut window = Window::new(spec, &settings)?;
///
/// let scan = window.source("scan").ok_or("the model reads no scan")?;
/// let mut newest = Stamp(0);
/// for message in Bag::open(Path::new("tests/data/clearance/drive_127.mcap"))?.read(&["/scan"])? {
///     let message = message?;
///     let decoded = Message::decode(MessageType::LaserScan, &message.data)?;
///     window.push(scan, &decoded, message.log_time)?;
///     newest = message.log_time;
/// }
/// let mut features = vec![0.0; window.frames() * window.features()];
/// assert!(matches!(window.assemble(newest, &mut features), WindowState::Ready { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Configuration {
    /// The bundle.
    pub bundle: Arc<Bundle>,
    /// The parameters.
    pub params: Params,
}
