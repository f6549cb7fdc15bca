//! Recordings through the rooms of the replay door.

mod bad_input;
mod engines;
mod made;
mod replay;
mod shipped;
#[path = "../support/mod.rs"]
mod support;
mod training;
