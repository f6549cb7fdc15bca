//! Recordings through the rooms of the replay door.

mod bad_input;
mod engines;
mod made;
mod mounting;
mod near;
mod replay;
#[path = "../support/mod.rs"]
mod support;
mod training;
