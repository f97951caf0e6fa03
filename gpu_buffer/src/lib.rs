#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod access;
pub mod allocator;
pub mod allocators;
pub mod buffer;
pub mod choice;
pub mod copy;
pub mod error;
pub mod format;
#[cfg(feature = "udmabuf")]
pub mod guest_pages;
mod huge_pages;
pub mod image;
pub mod image_layout;
pub mod import;
mod ioctl;
pub mod layout;
mod memory;
pub mod plane_copy;
pub mod rect;
#[cfg(feature = "drm")]
pub mod render_node;
pub mod scatter;
pub mod sigbus;

pub use access::{Access, CpuAccess};
pub use allocator::{Allocator, BufferRequest, ImageRequest, Usage};
#[cfg(feature = "dumb")]
pub use allocators::DumbAllocator;
#[cfg(feature = "gbm")]
pub use allocators::GbmAllocator;
#[cfg(feature = "udmabuf")]
pub use allocators::UdmabufAllocator;
#[cfg(feature = "udmabuf")]
pub use allocators::udmabuf::MemfdRange;
pub use allocators::{AnonymousAllocator, MemfdAllocator};
pub use buffer::Buffer;
pub use choice::{Choice, Places, Wanted, choose};
pub use drm_fourcc::{DrmFourcc, DrmModifier};
pub use error::Error;
pub use format::{
    ChannelOrder, PlaneFormat, bytes_per_pixel, channel_order, planes_of, with_alpha,
};
#[cfg(feature = "udmabuf")]
pub use guest_pages::{GuestPages, SharePages};
pub use image::{ExportedImage, ExportedPlane, Image, MappedPlane};
pub use image_layout::{ImageLayout, Plane, PlanePlace};
pub use import::{ImportOptions, Unsealed, import};
pub use layout::{Layout, Span};
pub use plane_copy::Scattered;
pub use rect::Rect;
pub use scatter::ScatterList;
pub use sigbus::RegionGuard;
