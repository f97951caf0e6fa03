//! Command streams in virgl's language, for tests that look at pixels.
//!
//! The numbers are those of virglrenderer's `virgl_protocol.h` and of
//! Gallium. Only what such tests need is here; [`Stream::command`] takes the
//! rest, and nonsense too.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

mod copy;
mod object;
mod shader;
mod state;

pub use copy::{Blit, CopyRegion, InlineWrite};
pub use object::VertexElement;
pub use shader::{ShaderStage, Target, colour_triangle, slow_fragments, textured_triangle};

/// Gallium formats that tests use.
pub mod format {
    /// Blue, green, red, alpha in memory order, 8 bits each.
    pub const B8G8R8A8_UNORM: u32 = 1;
    /// The same without alpha.
    pub const B8G8R8X8_UNORM: u32 = 2;
    /// Two floats.
    pub const R32G32_FLOAT: u32 = 29;
    /// Four floats.
    pub const R32G32B32A32_FLOAT: u32 = 31;
    /// Bytes.
    pub const R8_UNORM: u32 = 64;
    /// Red, green, blue, alpha in memory order, 8 bits each.
    pub const R8G8B8A8_UNORM: u32 = 67;
}

/// What resources are bound as.
pub mod bind {
    /// Drawn into.
    pub const RENDER_TARGET: u32 = 1 << 1;
    /// Read by shaders.
    pub const SAMPLER_VIEW: u32 = 1 << 3;
    /// Holds vertices.
    pub const VERTEX_BUFFER: u32 = 1 << 4;
    /// Kept in ordinary memory.
    pub const CUSTOM: u32 = 1 << 17;
}

/// Commands, one after the other.
///
/// ```
/// use gpu_renderer::testing::stream::{Stream, format};
///
/// let mut stream = Stream::new();
/// stream
///     .surface(1, 7, format::B8G8R8A8_UNORM)
///     .framebuffer(&[1])
///     .clear([0.0, 1.0, 0.0, 1.0]);
///
/// assert_eq!(stream.words().len(), 6 + 4 + 9);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    words: Vec<u32>,
}

impl Stream {
    /// No commands.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stream so far.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The stream, to be submitted.
    pub fn into_words(self) -> Vec<u32> {
        self.words
    }

    /// Adds a command: its number, the type of object that it is about, and
    /// its arguments.
    pub fn command(&mut self, number: u8, object: u8, arguments: &[u32]) -> &mut Self {
        let length = arguments.len() as u32;
        assert!(length <= 0xffff, "a command of {length} words");
        self.words
            .push(u32::from(number) | u32::from(object) << 8 | length << 16);
        self.words.extend_from_slice(arguments);
        self
    }
}
