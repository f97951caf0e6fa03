//! A device that is still drawing: vgem attaches a fence to a buffer and lets it pass when told to.
//! Until then a CPU's turn is refused, a wait ends at its limit, and afterwards both go on.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use drm::control::Device as _;
use gpu_buffer::render_node::{DrmNode, NodeKind};
use gpu_buffer::{
    Access, Allocator, DumbAllocator, Error as BufferError, ImageRequest, Rect, Usage,
};

use crate::error::{Error, Result};
use crate::source::node;

/// `drm/vgem_drm.h`.
mod raw {
    /// `struct drm_vgem_fence_attach`.
    #[derive(Debug, Default)]
    #[repr(C)]
    pub(super) struct Attach {
        pub(super) handle: u32,
        pub(super) flags: u32,
        pub(super) out_fence: u32,
        pub(super) pad: u32,
    }

    /// `struct drm_vgem_fence_signal`.
    #[derive(Debug, Default)]
    #[repr(C)]
    pub(super) struct Signal {
        pub(super) fence: u32,
        pub(super) flags: u32,
    }

    nix::ioctl_readwrite!(attach, b'd', 0x41, Attach);
    nix::ioctl_write_ptr!(signal, b'd', 0x42, Signal);
}

/// The fence is a writer's.
const WRITES: u32 = 1;
const SHORT: Duration = Duration::from_millis(50);
/// vgem's fences pass by themselves after as long.
const LONG: Duration = Duration::from_secs(8);

struct Card(DrmNode);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// Runs the whole story.
pub(crate) fn run() -> Result<()> {
    let open = || node(NodeKind::Primary, "vgem");
    let mut allocator = DumbAllocator::new(open()?).map_err(Error::buffer("open vgem"))?;
    let image = allocator
        .create(&ImageRequest {
            width: 64,
            height: 64,
            format: gpu_buffer::DrmFourcc::Xrgb8888,
            usage: Usage::LINEAR,
            modifiers: Vec::new(),
        })
        .map_err(Error::buffer("create"))?;
    let device = Card(open()?);
    let dma_buf = image.export_plane(0).map_err(Error::buffer("export"))?;
    let handle = device
        .prime_fd_to_buffer(dma_buf.as_fd())
        .map_err(Error::io("import into vgem"))?;

    let pixel = Rect::new(0, 0, 1, 1);
    let idle = |access, limit| {
        let waited = image.wait_idle(access, limit);
        waited.map_err(Error::buffer("wait"))
    };
    expect(
        idle(Access::Write, Duration::ZERO)?,
        "idle before it begins",
    )?;

    let fence = begin_writing(&device, handle.into())?;
    for access in [Access::Read, Access::Write] {
        let refused = matches!(image.map(0, pixel, access), Err(BufferError::Busy));
        expect(refused, "busy while the device draws")?;
        let start = Instant::now();
        expect(!idle(access, SHORT)?, "busy until the limit")?;
        expect(start.elapsed() >= SHORT, "a wait of the whole limit")?;
    }

    end_writing(&device, fence)?;
    let start = Instant::now();
    expect(idle(Access::Write, LONG)?, "idle when the device is done")?;
    expect(start.elapsed() < LONG, "an end by the fence")?;
    image
        .map(0, pixel, Access::Write)
        .map_err(Error::buffer("map when the device is done"))?;
    println!("a CPU's turn comes after the device's");
    Ok(())
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Wrong(format!("expected: {what}")))
    }
}

/// The number of the fence that says when the device is done.
fn begin_writing(device: &Card, handle: u32) -> Result<u32> {
    let mut attach = raw::Attach {
        handle,
        flags: WRITES,
        ..raw::Attach::default()
    };
    // SAFETY: the request reads and writes one live structure of the layout that it has.
    unsafe { raw::attach(device.as_fd().as_raw_fd(), &raw mut attach) }
        .map_err(|errno| Error::io("attach a fence")(errno.into()))?;
    Ok(attach.out_fence)
}

fn end_writing(device: &Card, fence: u32) -> Result<()> {
    let signal = raw::Signal { fence, flags: 0 };
    // SAFETY: the request reads one live structure of the layout that it has.
    unsafe { raw::signal(device.as_fd().as_raw_fd(), &raw const signal) }
        .map_err(|errno| Error::io("let the fence pass")(errno.into()))?;
    Ok(())
}
