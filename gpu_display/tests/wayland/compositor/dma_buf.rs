//! linux-dmabuf, with files in the place of a device's memory.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use nix::sys::memfd::{MFdFlags, memfd_create};
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_buffer_params_v1::{
    self, ZwpLinuxBufferParamsV1,
};
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::{
    self, ZwpLinuxDmabufFeedbackV1,
};
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_v1::{
    self, ZwpLinuxDmabufV1,
};
use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::shm::BufferKind;
use super::{Picture, World};

/// How the compositor tells what it takes.
#[derive(Clone, Debug)]
pub(crate) struct DmaBufOffer {
    pub(crate) version: u32,
    /// Formats and modifiers.
    pub(crate) kinds: Vec<(u32, u64)>,
    pub(crate) table: Table,
}

/// What is wrong with the table of version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Good,
    /// The file has half of it.
    Short,
    /// It says that it is one byte longer.
    Uneven,
    /// It says that it is 4 GiB.
    Huge,
    /// It is no file.
    Pipe,
    /// The indices lead past its end.
    Overrun,
}

/// What becomes of a dma-buf that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    Take,
    Refuse,
    /// It is looked at for longer.
    Ponder,
}

/// A plane as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) index: u32,
    pub(crate) offset: u32,
    pub(crate) stride: u32,
    pub(crate) modifier: u64,
    file: std::sync::Arc<File>,
}

impl Plane {
    /// The bytes at the start of the plane.
    pub(crate) fn start(&self) -> [u8; 4] {
        let mut bytes = [0; 4];
        self.file
            .read_exact_at(&mut bytes, u64::from(self.offset))
            .unwrap();
        bytes
    }
}

/// A dma-buf as it was told.
#[derive(Clone, Debug)]
pub(crate) struct DmaBuffer {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) format: u32,
    pub(crate) planes: Vec<Plane>,
}

impl DmaBuffer {
    /// Reads a linear picture of one plane.
    pub(crate) fn read(&self) -> Picture {
        let mut picture = Picture::new(self.width as u32, self.height as u32);
        let plane = &self.planes[0];
        let mut row = vec![0; self.width as usize * 4];
        for y in 0..self.height as u32 {
            let at = plane.offset + y * plane.stride;
            plane.file.read_exact_at(&mut row, u64::from(at)).unwrap();
            for (x, pixel) in row.chunks(4).enumerate() {
                let at = (y * self.width as u32) as usize + x;
                picture.pixels[at] = [pixel[2], pixel[1], pixel[0], 255];
            }
        }
        picture
    }
}

/// What was added to a set of parameters.
pub(crate) type Params = Mutex<Vec<Plane>>;

impl GlobalDispatch<ZwpLinuxDmabufV1, ()> for World {
    fn bind(
        world: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwpLinuxDmabufV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let manager = init.init(manager, ());
        let offer = world.offer.dma_buf.as_ref().unwrap();
        if manager.version() < 4 {
            for (format, modifier) in &offer.kinds {
                manager.modifier(*format, (modifier >> 32) as u32, *modifier as u32);
            }
        }
    }
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &ZwpLinuxDmabufV1,
        request: zwp_linux_dmabuf_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            zwp_linux_dmabuf_v1::Request::CreateParams { params_id } => {
                init.init(params_id, Params::default());
            }
            zwp_linux_dmabuf_v1::Request::GetDefaultFeedback { id } => {
                let feedback = init.init(id, ());
                world.tell(&feedback);
            }
            _ => {}
        }
    }
}

impl World {
    fn tell(&self, feedback: &ZwpLinuxDmabufFeedbackV1) {
        let offer = self.offer.dma_buf.as_ref().unwrap();
        let entry = |(format, modifier): &(u32, u64)| {
            let mut entry = [0; 16];
            entry[..4].copy_from_slice(&format.to_ne_bytes());
            entry[8..].copy_from_slice(&modifier.to_ne_bytes());
            entry
        };
        let table: Vec<u8> = offer.kinds.iter().flat_map(entry).collect();
        let memfd = memfd_create(c"table", MFdFlags::MFD_CLOEXEC).unwrap();
        let mut file = File::from(memfd);
        let length = match offer.table {
            Table::Short => table.len() / 2,
            _ => table.len(),
        };
        file.write_all(&table[..length]).unwrap();
        let fd: OwnedFd = match offer.table {
            Table::Pipe => nix::unistd::pipe().unwrap().0,
            _ => file.into(),
        };
        let size = match offer.table {
            Table::Uneven => table.len() as u32 + 1,
            Table::Huge => u32::MAX - 15,
            _ => table.len() as u32,
        };
        feedback.format_table(fd.as_fd(), size);
        feedback.main_device(vec![0; 8]);
        // Two tranches, and an index of three bytes.
        let count = offer.kinds.len() as u16;
        let first = match offer.table {
            Table::Overrun => count,
            _ => 0,
        };
        let indices = |range: std::ops::Range<u16>| range.flat_map(u16::to_ne_bytes).collect();
        feedback.tranche_formats(indices(first..first + count / 2));
        feedback.tranche_done();
        feedback.tranche_formats(indices(first + count / 2..first + count));
        feedback.tranche_formats(vec![0xff]);
        feedback.tranche_done();
        feedback.done();
    }

    /// Answers for all dma-bufs that are being looked at.
    pub(crate) fn stop_pondering(&mut self, import: Import) {
        for (params, buffer) in std::mem::take(&mut self.pondered) {
            self.answer(&params, buffer, import);
        }
    }

    fn answer(&mut self, params: &ZwpLinuxBufferParamsV1, buffer: DmaBuffer, import: Import) {
        match import {
            Import::Take if !params.is_alive() => {
                self.violation("parameters that are gone before their answer");
            }
            Import::Take => {
                let (Some(client), Some(handle)) = (params.client(), params.handle().upgrade())
                else {
                    return;
                };
                self.imported.push(buffer.clone());
                let kind = BufferKind::DmaBuf(buffer);
                let handle = DisplayHandle::from(handle);
                let made = client.create_resource::<WlBuffer, _, Self>(&handle, 1, kind);
                let made = made.unwrap();
                params.created(&made);
                self.buffers.push(made);
            }
            Import::Refuse => params.failed(),
            Import::Ponder => self.pondered.push((params.clone(), buffer)),
        }
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, Params> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        params: &ZwpLinuxBufferParamsV1,
        request: zwp_linux_buffer_params_v1::Request,
        planes: &Params,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        match request {
            zwp_linux_buffer_params_v1::Request::Add {
                fd,
                plane_idx,
                offset,
                stride,
                modifier_hi,
                modifier_lo,
            } => planes.lock().unwrap().push(Plane {
                index: plane_idx,
                offset,
                stride,
                modifier: u64::from(modifier_hi) << 32 | u64::from(modifier_lo),
                file: File::from(fd).into(),
            }),
            zwp_linux_buffer_params_v1::Request::Create {
                width,
                height,
                format,
                ..
            } => {
                world.offered += 1;
                let planes = std::mem::take(&mut *planes.lock().unwrap());
                if width <= 0 || height <= 0 || planes.is_empty() {
                    world.violation("an impossible dma-buf");
                }
                let buffer = DmaBuffer {
                    width,
                    height,
                    format,
                    planes,
                };
                world.answer(params, buffer, world.import);
            }
            zwp_linux_buffer_params_v1::Request::CreateImmed { .. } => {
                world.violation("a dma-buf that must be imported at once");
            }
            _ => {}
        }
    }
}

impl Dispatch<ZwpLinuxDmabufFeedbackV1, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwpLinuxDmabufFeedbackV1,
        _: zwp_linux_dmabuf_feedback_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
