//! Blobs of the guest's memory: whether they are offered, and whether they are shown where they are.

use gpu_buffer::UdmabufAllocator;
use virtio_gpu::GuestBlobs;

use crate::error::chain_of;

/// Whether the command line asks for blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What a 2D device offers; one log line says how blobs are shown, and why.
#[must_use]
pub fn offered(asked: Asked) -> GuestBlobs {
    match asked {
        Asked::No => GuestBlobs::NotOffered,
        Asked::Yes => match UdmabufAllocator::open() {
            Ok(udmabuf) => {
                log::info!("guest blobs: shown where they are, where the display takes dma-bufs");
                GuestBlobs::Shared(Box::new(udmabuf))
            }
            Err(error) => {
                let reason = chain_of(&error);
                log::info!("guest blobs: copied when they are shown: {reason}");
                GuestBlobs::Copied
            }
        },
    }
}

/// Says that a device that renders offers none.
pub fn decline(asked: Asked) {
    if asked == Asked::Yes {
        log::warn!("guest blobs: not offered, as the device renders: see `--renderer none`");
    }
}
