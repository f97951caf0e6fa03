//! The allocators that need a device, on the devices of this machine. Without one the test says so
//! in one line; `cargo xtask test buffers` has them all.
#![cfg(any(feature = "dumb", feature = "gbm", feature = "udmabuf"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use gpu_buffer::{
    Access, Allocator, BufferRequest, DrmFourcc, Error, ImageRequest, Layout, Rect, Usage,
};
use vm_memory::{Bytes, VolatileSlice};

/// The allocator, or none and a line.
fn available<T>(what: &str, opened: Result<T, Error>) -> Option<T> {
    match opened {
        Ok(allocator) => Some(allocator),
        Err(error) => {
            eprintln!("SKIP {what}: {error}");
            None
        }
    }
}

/// An image is drawn and read back, exported, and gone.
fn makes_images(allocator: &mut dyn Allocator) {
    let image = allocator
        .create(&ImageRequest {
            width: 65,
            height: 33,
            format: DrmFourcc::Xrgb8888,
            usage: Usage::LINEAR,
            modifiers: Vec::new(),
        })
        .unwrap();
    let rect = Rect::new(3, 30, 1, 2);
    let mapped = image.map(0, rect, Access::Write).unwrap();
    let below = usize::try_from(mapped.layout().stride()).unwrap();
    mapped.memory().write_slice(&[1, 2, 3, 4], 0).unwrap();
    mapped.memory().write_slice(&[5, 6, 7, 8], below).unwrap();
    drop(mapped);

    let mut bytes = [0_u8; 8];
    let slice = VolatileSlice::from(&mut bytes[..]);
    image.read(0, rect, &slice, 4).unwrap();

    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(image.export().unwrap().planes.len(), 1);
}

/// A buffer is zero, has a dma-buf, and takes a CPU's turn; where the driver allows it to stay mapped.
fn makes_buffers(allocator: &mut dyn Allocator) {
    let layout = Layout::packed(65, 33, DrmFourcc::Xrgb8888).unwrap();
    let buffer = match allocator.allocate(&BufferRequest { layout }) {
        Ok(buffer) => buffer,
        Err(Error::Map { source, .. }) => {
            eprintln!("SKIP a buffer that stays mapped: {source}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let _turn = buffer.begin_access(Access::Write).unwrap();

    let mut bytes = vec![1_u8; buffer.memory().len()];
    buffer.memory().copy_to(&mut bytes[..]);
    assert!(bytes.iter().all(|&byte| byte == 0));
    assert!(buffer.dma_buf().is_some());
    assert!(buffer.layout().stride() >= layout.stride());
}

#[cfg(feature = "udmabuf")]
#[test]
fn udmabuf_makes_images_and_buffers() {
    if let Some(mut allocator) = available("udmabuf", gpu_buffer::UdmabufAllocator::open()) {
        makes_images(&mut allocator);
        makes_buffers(&mut allocator);
    }
}

#[cfg(feature = "dumb")]
#[test]
fn dumb_buffers_are_images_and_buffers() {
    use gpu_buffer::render_node::{DRI_FOLDER, NodeKind, choose};

    let node = choose(DRI_FOLDER.as_ref(), NodeKind::Primary, None);
    let opened = node.and_then(gpu_buffer::DumbAllocator::new);
    if let Some(mut allocator) = available("dumb buffers", opened) {
        makes_images(&mut allocator);
        makes_buffers(&mut allocator);
    }
}

#[cfg(feature = "gbm")]
#[test]
fn gbm_makes_images_and_buffers() {
    use gpu_buffer::render_node::{DRI_FOLDER, NodeKind, choose};

    let node = choose(DRI_FOLDER.as_ref(), NodeKind::Render, None);
    let opened = node.and_then(gpu_buffer::GbmAllocator::new);
    if let Some(mut allocator) = available("gbm", opened) {
        makes_images(&mut allocator);
        makes_buffers(&mut allocator);
    }
}
