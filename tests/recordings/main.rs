//! Recordings through the rooms of the replay door.

mod bad_input;
mod engines;
mod joints;
mod left_out;
mod made;
mod mounting;
mod near;
mod new_clocks;
mod replay;
mod shipped;
mod silence;
#[path = "../support/mod.rs"]
mod support;
mod training;
