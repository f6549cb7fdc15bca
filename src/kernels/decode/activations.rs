//! Rows of activations in the formats that the products take: f32, and INT8 per block of 32.

use super::codes::BLOCK;
use crate::kernels::buffer::Buffer;

/// Rows of a width that is a multiple of 32.
pub struct Activations {
    pub width: usize,
    /// Rows that there is room for.
    pub room: usize,
    pub floats: Buffer<f32>,
    pub codes: Buffer<i8>,
    /// Of a block.
    pub scales: Buffer<f32>,
    /// Of the codes of half a block.
    pub sums: Buffer<i32>,
    /// Sum of a block times its scale.
    pub scaled_sums: Buffer<f32>,
}

impl Activations {
    pub fn new(width: usize, room: usize) -> Activations {
        let blocks = width / BLOCK;
        Activations {
            width,
            room,
            floats: Buffer::new(room * width),
            codes: Buffer::new(room * width),
            scales: Buffer::new(room * blocks),
            sums: Buffer::new(2 * room * blocks),
            scaled_sums: Buffer::new(room * blocks),
        }
    }
}
