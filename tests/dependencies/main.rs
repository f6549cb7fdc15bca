//! What depends on what: the crates that are built (`crates`), and the files of `src/` among each
//! other (`imports`, by what `source_tree` reads).

mod crates;
mod imports;
mod source_tree;
