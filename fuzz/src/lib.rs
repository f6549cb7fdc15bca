//! The rooms of edge_reasoner that read what others wrote, without burn and ROS, and what is asked
//! of them.

#![allow(dead_code, unused_imports)] // a part of each room is used

extern crate self as edge_reasoner;

#[path = "../../src/act/mod.rs"]
pub mod act;
pub mod model;
#[path = "../../src/params/mod.rs"]
pub mod params;
#[path = "../../src/realtime.rs"]
pub mod realtime;
#[path = "../../src/reason/mod.rs"]
pub mod reason;
pub mod replay;
#[path = "../../src/ring.rs"]
pub mod ring;
#[path = "../../src/sense/mod.rs"]
pub mod sense;
pub mod targets;
#[path = "../../src/time.rs"]
pub mod time;
