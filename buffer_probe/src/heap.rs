//! A dma-buf of somebody else, from the system's dma-heap: imported with planes as they are said to
//! lie, refused where they do not fit.
#![allow(unsafe_code)]

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use gpu_buffer::{
    Access, DrmFourcc, DrmModifier, Error as BufferError, ExportedImage, ExportedPlane, Image,
    ImportOptions, PlanePlace, Unsealed, import,
};

use crate::error::{Error, Result};
use crate::pattern::{compare, plane_layout};
use crate::share::draw;

/// `linux/dma-heap.h`.
mod raw {
    /// `struct dma_heap_allocation_data`.
    #[derive(Debug, Default)]
    #[repr(C)]
    pub(super) struct Allocation {
        pub(super) length: u64,
        pub(super) fd: u32,
        pub(super) fd_flags: u32,
        pub(super) heap_flags: u64,
    }

    nix::ioctl_readwrite!(allocate, b'H', 0, Allocation);
}

const HEAP: &str = "/dev/dma_heap/system";
const BYTES: u64 = 64 << 10;
const OPTIONS: ImportOptions = ImportOptions {
    access: Access::Write,
    unsealed: Unsealed::Refuse,
};

/// Draws into one import and reads another, then says what is not true of the buffer.
pub(crate) fn run() -> Result<()> {
    let buffer = allocate()?;
    let writer = nv12(&buffer, 0)?.map_err(Error::buffer("import"))?;
    let reader = nv12(&buffer, 0)?.map_err(Error::buffer("import again"))?;
    for plane in [0, 1] {
        draw(&writer, plane)?;
        compare(&reader, plane, plane_layout(&reader, plane)?.bounds())?;
    }
    // The chrominance ends at byte 256 * 64 + 256 * 31 + 200; this moves it one byte beyond the end.
    let last_that_fits = BYTES - (256 * 64 + 256 * 31 + 200);
    nv12(&buffer, last_that_fits)?.map_err(Error::buffer("import the end of a buffer"))?;
    match nv12(&buffer, last_that_fits + 1)? {
        Err(BufferError::FileTooShort {
            available: BYTES, ..
        }) => {}
        other => return Err(Error::Wrong(format!("one byte beyond the end: {other:?}"))),
    }
    println!("a heap's dma-buf is imported as far as it goes");
    Ok(())
}

/// 200x64 pixels, `offset` bytes into the buffer.
fn nv12(buffer: &OwnedFd, offset: u64) -> Result<std::result::Result<Image, BufferError>> {
    let plane = |offset| -> Result<ExportedPlane> {
        Ok(ExportedPlane {
            fd: buffer.try_clone().map_err(Error::io("duplicate"))?,
            place: PlanePlace {
                offset,
                stride: 256,
            },
        })
    };
    let exported = ExportedImage {
        width: 200,
        height: 64,
        format: DrmFourcc::Nv12,
        modifier: DrmModifier::Linear,
        planes: vec![plane(offset)?, plane(offset + 256 * 64)?],
    };
    Ok(import(exported, OPTIONS))
}

fn allocate() -> Result<OwnedFd> {
    const READ_WRITE_CLOSE_ON_EXEC: u32 = 0o2_000_002;
    let heap = OpenOptions::new().read(true).write(true).open(HEAP);
    let heap = heap.map_err(|error| Error::Absent(format!("cannot open {HEAP}: {error}")))?;
    let mut request = raw::Allocation {
        length: BYTES,
        fd_flags: READ_WRITE_CLOSE_ON_EXEC,
        ..raw::Allocation::default()
    };
    // SAFETY: the request reads and writes one live structure of the layout that it has.
    unsafe { raw::allocate(heap.as_raw_fd(), &raw mut request) }
        .map_err(|errno| Error::io("allocate from the heap")(errno.into()))?;
    let fd = i32::try_from(request.fd).map_err(|_| Error::Wrong("no descriptor".to_owned()))?;
    // SAFETY: the request returns a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
