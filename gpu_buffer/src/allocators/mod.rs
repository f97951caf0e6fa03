//! The allocators: private pages and memory files always, those that need a device by feature.

mod anonymous;
#[cfg(feature = "dumb")]
pub mod dumb;
#[cfg(feature = "gbm")]
pub mod gbm;
#[cfg(feature = "gbm")]
mod gbm_map;
mod memfd;
#[cfg(feature = "udmabuf")]
pub mod udmabuf;

pub use anonymous::AnonymousAllocator;
#[cfg(feature = "dumb")]
pub use dumb::DumbAllocator;
#[cfg(feature = "gbm")]
pub use gbm::GbmAllocator;
pub use memfd::MemfdAllocator;
#[cfg(feature = "udmabuf")]
pub use udmabuf::UdmabufAllocator;
