//! The folder in which measurements of this user are kept.

use std::path::PathBuf;

/// Our folder in the user's cache; none where the system names no such place.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("edge_reasoner"))
}

/// Where the measured costs of language bundles are; in tests a folder of their own, so that they
/// leave nothing with whoever runs them.
pub(crate) fn measured_costs() -> Option<PathBuf> {
    if cfg!(test) {
        let name = format!("edge_reasoner-tests-{}", std::process::id());
        return Some(std::env::temp_dir().join(name));
    }
    Some(user_cache()?.join("costs"))
}
