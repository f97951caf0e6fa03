//! dma-bufs: which kinds the server takes (DRI3), and what became of those it was given.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use gpu_buffer::copy;
use x11rb_protocol::protocol::dri3;

use super::client::{Barrier, Client, Dead};
use super::extensions::Extension;
use super::server::Server;
use crate::desktop::opaque_format;
use crate::{DisplayError, DmaBuf};

/// dma-bufs that the server is told of at a time, for each window.
const MAX_TOLD: usize = 4;

/// Modifiers of a server that are believed, and refusals that are remembered.
const MAX_KINDS: usize = 1024;

/// BadAlloc: the server has no memory now, which says nothing of the dma-buf.
const BAD_ALLOC: u8 = 11;

/// `DRM_FORMAT_MOD_INVALID`: the driver knows how the pixels lie.
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;

/// Bits of a pixel.
const BITS: u8 = 32;

/// Which dma-bufs the server takes: of these modifiers, unless it refused one of that shape.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    taken: BTreeSet<u64>,
    /// What it refused all the same.
    refused: BTreeSet<Shape>,
}

/// What a server's driver may stumble over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    modifier: u64,
    width: u32,
    height: u32,
    /// Of the first plane.
    stride: u32,
}

impl Shape {
    fn of(buffer: &DmaBuf) -> Self {
        Self {
            modifier: buffer.modifier,
            width: buffer.width,
            height: buffer.height,
            stride: buffer.planes.first().map_or(0, |plane| plane.stride),
        }
    }
}

impl Kinds {
    /// The server takes dma-bufs whose layout its driver knows (DRI3 1.0).
    pub(super) fn add_implicit(&mut self) {
        self.taken.insert(INVALID);
    }

    /// The server has said which modifiers it takes (DRI3 1.2).
    pub(super) fn add(&mut self, modifiers: impl IntoIterator<Item = u64>) {
        self.taken.extend(modifiers.into_iter().take(MAX_KINDS));
    }

    /// The server takes none any more.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    fn contain(&self, shape: Shape) -> bool {
        self.taken.contains(&shape.modifier) && !self.refused.contains(&shape)
    }

    fn refuse(&mut self, shape: Shape, code: u8) {
        if code != BAD_ALLOC && self.refused.len() < MAX_KINDS {
            self.refused.insert(shape);
        }
    }
}

/// The dma-bufs of one window.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// The one that was shown longest ago first.
    told: Vec<Import>,
}

#[derive(Debug)]
struct Import {
    memory: Weak<DmaBuf>,
    /// Until the server has done with it, the memory stays. A guest may draw into it meanwhile.
    held: Option<Arc<DmaBuf>>,
    shape: Shape,
    /// Number of the request that told it.
    request: u64,
    /// Number of the last frame that showed it.
    frame: u32,
    pixmap: u32,
    progress: Progress,
    graveyard: Sender<Dead>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The server looks at it.
    Asked,
    /// It took it.
    Taken,
    /// There is no pixmap. It is kept until that was said once.
    Refused,
}

impl Drop for Import {
    /// There is nobody to tell once the connection is gone.
    fn drop(&mut self) {
        let _ = self.graveyard.send(match self.progress {
            Progress::Asked | Progress::Taken => Dead::Pixmap(self.pixmap),
            Progress::Refused => Dead::Name(self.pixmap),
        });
    }
}

impl Imports {
    /// Pictures that the server reads.
    pub(super) fn in_flight(&self) -> usize {
        let held = self.told.iter().filter(|import| import.held.is_some());
        held.count()
    }

    /// The pixmap of a dma-buf, which the server has from now on for a frame of this number. `None` if
    /// it has to look at it first, or has too many.
    ///
    /// # Errors
    /// [`DisplayError::DmaBufRefused`].
    pub(super) fn lend(
        &mut self,
        client: &mut Client,
        server: &Server,
        place: (u32, u32),
        buffer: &Arc<DmaBuf>,
        frame: u32,
    ) -> Result<Option<u32>, DisplayError> {
        self.prune();
        let refused = DisplayError::DmaBufRefused {
            format: buffer.format,
            modifier: buffer.modifier,
        };
        let known = |import: &Import| import.memory.as_ptr() == Arc::as_ptr(buffer);
        let Some(index) = self.told.iter().position(known) else {
            self.ask(client, server, place, buffer).ok_or(refused)?;
            return Ok(None);
        };
        let mut import = self.told.remove(index);
        if import.progress == Progress::Refused {
            return Err(refused);
        }
        let is_taken = import.progress == Progress::Taken;
        if is_taken {
            import.held = Some(Arc::clone(buffer));
            import.frame = frame;
        }
        let pixmap = is_taken.then_some(import.pixmap);
        self.told.push(import);
        Ok(pixmap)
    }

    /// Gives the server a dma-buf, for the window of `place`: an output, and its window. `None` if that
    /// cannot be.
    fn ask(
        &mut self,
        client: &mut Client,
        server: &Server,
        place: (u32, u32),
        buffer: &Arc<DmaBuf>,
    ) -> Option<()> {
        let opcode = client.extensions.opcode(Extension::Dri3)?;
        let shape = Shape::of(buffer);
        if !server.kinds.contain(shape)
            || !copy::is_same_bytes(opaque_format(buffer.format), server.format)
        {
            return None;
        }
        if self.told.len() >= MAX_TOLD {
            let is_idle =
                |import: &Import| import.progress != Progress::Asked && import.held.is_none();
            match self.told.iter().position(is_idle) {
                Some(idle) => drop(self.told.remove(idle)),
                None => return Some(()),
            }
        }
        let (output, window) = place;
        let (width, height) = (side(buffer.width)?, side(buffer.height)?);
        if !(1..=DmaBuf::MAX_PLANES).contains(&buffer.planes.len()) {
            return None;
        }
        let mut buffers = Vec::new();
        for plane in &buffer.planes {
            buffers.push(plane.fd.try_clone().ok()?);
        }
        let implicit = match buffer.modifier {
            INVALID => Some((implicit_stride(buffer)?, buffers.pop()?)),
            _ => None,
        };
        let plane = |index: usize| {
            let plane = buffer.planes.get(index);
            plane.map_or((0, 0), |plane| (plane.stride, plane.offset))
        };
        let [plane0, plane1, plane2, plane3] = [0, 1, 2, 3].map(plane);
        let pixmap = client.new_id()?;
        let request = match implicit {
            Some((stride, pixmap_fd)) => dri3::PixmapFromBufferRequest {
                pixmap,
                drawable: window,
                size: u32::from(stride).saturating_mul(buffer.height),
                width,
                height,
                stride,
                depth: server.depth,
                bpp: BITS,
                pixmap_fd,
            }
            .serialize(opcode),
            None => dri3::PixmapFromBuffersRequest {
                pixmap,
                window,
                width,
                height,
                stride0: plane0.0,
                offset0: plane0.1,
                stride1: plane1.0,
                offset1: plane1.1,
                stride2: plane2.0,
                offset2: plane2.1,
                stride3: plane3.0,
                offset3: plane3.1,
                depth: server.depth,
                bpp: BITS,
                modifier: buffer.modifier,
                buffers,
            }
            .serialize(opcode),
        };
        client.send(request);
        let request = client.last_request();
        client.barrier(Barrier::Import { output, request });
        self.told.push(Import {
            memory: Arc::downgrade(buffer),
            held: None,
            shape,
            request,
            frame: 0,
            pixmap,
            progress: Progress::Asked,
            graveyard: client.graveyard(),
        });
        Some(())
    }

    /// The server has dealt with the request of this number. If it has not refused it, it has the
    /// dma-buf.
    pub(super) fn take(&mut self, request: u64) {
        for import in &mut self.told {
            if import.request == request && import.progress == Progress::Asked {
                import.progress = Progress::Taken;
            }
        }
    }

    /// The server refuses, with an error of this code, what the request of this number told; whether
    /// that was one of these.
    pub(super) fn refuse(&mut self, request: u64, code: u8, kinds: &mut Kinds) -> bool {
        let mut told = self.told.iter_mut();
        let Some(import) = told.find(|import| import.request == request) else {
            return false;
        };
        import.progress = Progress::Refused;
        kinds.refuse(import.shape, code);
        true
    }

    /// The server has done with a frame's pixmap; whether it is one of these.
    pub(super) fn release(&mut self, pixmap: u32, frame: u32) -> bool {
        let mut told = self.told.iter_mut();
        let Some(import) = told.find(|import| import.pixmap == pixmap) else {
            return false;
        };
        // A later frame may show it again.
        if import.frame == frame {
            import.held = None;
        }
        true
    }

    /// Has the server forget dma-bufs that are gone.
    pub(super) fn prune(&mut self) {
        self.told.retain(|told| told.memory.strong_count() > 0);
    }

    /// Has the server forget all.
    pub(super) fn clear(&mut self) {
        self.told.clear();
    }
}

/// The stride of a dma-buf that can be told without a modifier: one plane from its first byte on.
fn implicit_stride(buffer: &DmaBuf) -> Option<u16> {
    let [plane] = buffer.planes.as_slice() else {
        return None;
    };
    let stride = u16::try_from(plane.stride).ok()?;
    (plane.offset == 0).then_some(stride)
}

fn side(side: u32) -> Option<u16> {
    u16::try_from(side).ok().filter(|side| *side > 0)
}
