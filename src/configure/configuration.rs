//! A bundle with parameters that fit it.

use std::sync::Arc;

use crate::model::Bundle;
use crate::params::Params;

/// A bundle with parameters that fit it.
pub struct Configuration {
    /// The bundle.
    pub bundle: Arc<Bundle>,
    /// The parameters.
    pub params: Params,
}
