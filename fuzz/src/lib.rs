//! The rooms of edge_reasoner that read what others wrote, without burn and ROS, and what is asked
//! of them.

#![allow(dead_code, unused_imports)] // a part of each room is used

extern crate self as edge_reasoner;

#[path = "../../src/act/mod.rs"]
pub mod act;
#[path = "../../src/bag/mod.rs"]
pub mod bag;
#[path = "../../src/bins.rs"]
pub mod bins;
#[path = "../../src/bounded_queue.rs"]
pub mod bounded_queue;
#[path = "../../src/features/mod.rs"]
pub mod features;
pub mod gguf_seed;
mod kernels;
pub mod language;
#[path = "../../src/messages/mod.rs"]
pub mod messages;
pub mod model;
#[path = "../../src/params/mod.rs"]
pub mod params;
#[path = "../../src/realtime.rs"]
pub mod realtime;
#[path = "../../src/scheduler/mod.rs"]
pub mod scheduler;
pub mod targets;
#[path = "../../src/time.rs"]
pub mod time;
