#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod allocator;
pub mod allocators;
pub mod buffer;
pub mod copy;
pub mod error;
pub mod format;
pub mod image_layout;
pub mod layout;
pub mod rect;
pub mod scatter;

pub use allocator::{Allocator, BufferRequest};
pub use allocators::{AnonymousAllocator, MemfdAllocator};
pub use buffer::Buffer;
pub use drm_fourcc::DrmFourcc;
pub use error::Error;
pub use format::{
    ChannelOrder, PlaneFormat, bytes_per_pixel, channel_order, planes_of, with_alpha,
};
pub use image_layout::{ImageLayout, Plane, PlanePlace};
pub use layout::{Layout, Span};
pub use rect::Rect;
pub use scatter::ScatterList;
