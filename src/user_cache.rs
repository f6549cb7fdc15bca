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
