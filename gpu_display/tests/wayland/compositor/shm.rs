//! wl_shm. Pools are read as files: nothing is mapped.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use wayland_server::protocol::wl_buffer::{self, WlBuffer};
use wayland_server::protocol::wl_shm::{self, WlShm};
use wayland_server::protocol::wl_shm_pool::{self, WlShmPool};
use wayland_server::{
    Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
};

use super::dma_buf::DmaBuffer;
use super::{Picture, Surface, World};

/// A pool.
#[derive(Debug)]
pub(crate) struct Pool {
    file: File,
    size: i32,
}

/// What a buffer is.
#[derive(Clone, Debug)]
pub(crate) enum BufferKind {
    Shm(ShmBuffer),
    DmaBuf(DmaBuffer),
}

#[derive(Clone, Debug)]
pub(crate) struct ShmBuffer {
    pool: Arc<Pool>,
    offset: i32,
    width: i32,
    height: i32,
    stride: i32,
    format: u32,
}

impl ShmBuffer {
    /// Reads all of it.
    fn read(&self) -> Picture {
        let mut picture = Picture::new(self.width as u32, self.height as u32);
        let mut row = vec![0; self.width as usize * 4];
        for y in 0..self.height {
            let at = i64::from(self.offset) + i64::from(y) * i64::from(self.stride);
            self.pool.file.read_exact_at(&mut row, at as u64).unwrap();
            for (x, pixel) in row.chunks(4).enumerate() {
                let at = y as usize * self.width as usize + x;
                picture.pixels[at] = decode(self.format, pixel);
            }
        }
        picture
    }
}

/// Red, green, blue and alpha.
fn decode(format: u32, pixel: &[u8]) -> [u8; 4] {
    match (format, pixel) {
        (0, &[b, g, r, a]) => [r, g, b, a],
        (1, &[b, g, r, _]) => [r, g, b, 255],
        // XB24
        (0x3432_4258, &[r, g, b, _]) => [r, g, b, 255],
        _ => panic!("format {format:#x}"),
    }
}

/// The pixels of a buffer.
pub(crate) fn read(buffer: &WlBuffer) -> Picture {
    match buffer.data::<BufferKind>().unwrap() {
        BufferKind::Shm(buffer) => buffer.read(),
        BufferKind::DmaBuf(buffer) => buffer.read(),
    }
}

/// Width and height of a buffer.
pub(crate) fn size(buffer: &WlBuffer) -> (i32, i32) {
    match buffer.data::<BufferKind>().unwrap() {
        BufferKind::Shm(buffer) => (buffer.width, buffer.height),
        BufferKind::DmaBuf(buffer) => (buffer.width, buffer.height),
    }
}

impl GlobalDispatch<WlShm, ()> for World {
    fn bind(
        world: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        shm: New<WlShm>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let shm = init.init(shm, ());
        for format in [0, 1].iter().chain(&world.offer.formats) {
            shm.format(wl_shm::Format::try_from(*format).unwrap());
        }
    }
}

impl Dispatch<WlShm, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlShm,
        request: wl_shm::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_shm::Request::CreatePool { id, fd, size } = request {
            let file = File::from(fd);
            if (file.metadata().unwrap().len() as i64) < i64::from(size) || size <= 0 {
                world.violation("a pool larger than its file");
            }
            world.pools += 1;
            init.init(id, Arc::new(Pool { file, size }));
        }
    }
}

impl Dispatch<WlShmPool, Arc<Pool>> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlShmPool,
        request: wl_shm_pool::Request,
        pool: &Arc<Pool>,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_shm_pool::Request::CreateBuffer {
            id,
            offset,
            width,
            height,
            stride,
            format,
        } = request
        {
            let format = match format {
                WEnum::Value(format) => format.into(),
                WEnum::Unknown(code) => code,
            };
            let bytes = i64::from(stride) * i64::from(height);
            let fits = offset >= 0 && i64::from(offset) + bytes <= i64::from(pool.size);
            let is_known = format < 2 || world.offer.formats.contains(&format);
            if !fits || width <= 0 || height <= 0 || stride / 4 < width || !is_known {
                world.violation("an impossible buffer");
            }
            let buffer = ShmBuffer {
                pool: Arc::clone(pool),
                offset,
                width,
                height,
                stride,
                format,
            };
            let buffer = init.init(id, BufferKind::Shm(buffer));
            world.buffers.retain(Resource::is_alive);
            world.buffers.push(buffer);
        }
    }
}

impl Dispatch<WlBuffer, BufferKind> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlBuffer,
        _: wl_buffer::Request,
        _: &BufferKind,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

impl World {
    /// Buffers that the client has not destroyed.
    pub(crate) fn live_buffers(&self) -> usize {
        self.buffers
            .iter()
            .filter(|buffer| buffer.is_alive())
            .count()
    }

    /// Gives all buffers back but those that are shown.
    pub(crate) fn release_all(&mut self) {
        for buffer in self.buffers.iter().filter(|buffer| buffer.is_alive()) {
            let shown = |surface: &Surface| surface.buffer.as_ref() == Some(buffer);
            if !self.surfaces.iter().any(shown) {
                buffer.release();
            }
        }
    }
}
