//! dma-bufs: which kinds the compositor takes, and what became of those it was offered.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

use gpu_buffer::DrmFourcc;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::{Connection, Dispatch, QueueHandle, event_created_child};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self, Flags, ZwpLinuxBufferParamsV1,
};

use super::link::Link;
use super::shm::{BufferName, Owner};
use super::state::State;
use crate::{DisplayError, DmaBuf};

/// dma-bufs that the compositor is told of at a time, for each window.
const MAX_TOLD: usize = 4;

/// Kinds whose refusal is remembered. A guest that has more is refused more slowly.
const MAX_REFUSED: usize = 1024;

/// A kind of dma-buf: format and modifier.
pub(super) type Kind = (u32, u64);

/// Kinds of dma-buf that the compositor refused though it offered them.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeSet<Kind>);

impl Refusals {
    pub(super) fn contain(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }

    fn insert(&mut self, kind: Kind) {
        if self.0.len() < MAX_REFUSED {
            self.0.insert(kind);
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
    /// While the compositor reads it nobody draws into it.
    held: Option<Arc<DmaBuf>>,
    kind: Kind,
    number: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// The compositor looks at it.
    Asked(ZwpLinuxBufferParamsV1),
    /// It took it.
    Taken(WlBuffer),
}

impl Import {
    /// Whether there will be an answer. Until then it is not forgotten: a buffer that the compositor
    /// makes for somebody who has gone could never be destroyed.
    fn is_asked(&self) -> bool {
        matches!(self.progress, Progress::Asked(_))
    }

    fn is_idle(&self) -> bool {
        !self.is_asked() && self.held.is_none()
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        match &self.progress {
            Progress::Asked(params) => params.destroy(),
            Progress::Taken(proxy) => proxy.destroy(),
        }
    }
}

impl Imports {
    /// Pictures that the compositor reads.
    pub(super) fn in_flight(&self) -> usize {
        let held = self.told.iter().filter(|import| import.held.is_some());
        held.count()
    }

    /// Makes a dma-buf the compositor's. `None` if it has to look at it first, or has too many.
    ///
    /// # Errors
    /// [`DisplayError::DmaBufRefused`].
    pub(super) fn lend(
        &mut self,
        link: &mut Link,
        buffer: &Arc<DmaBuf>,
        name: BufferName,
    ) -> Result<Option<WlBuffer>, DisplayError> {
        self.prune();
        let known = |import: &Import| import.memory.as_ptr() == Arc::as_ptr(buffer);
        if let Some(index) = self.told.iter().position(known) {
            let mut import = self.told.remove(index);
            let proxy = match &import.progress {
                Progress::Asked(_) => None,
                Progress::Taken(proxy) => Some(proxy.clone()),
            };
            if proxy.is_some() {
                import.held = Some(Arc::clone(buffer));
            }
            self.told.push(import);
            return Ok(proxy);
        }
        self.ask(link, buffer, name)?;
        Ok(None)
    }

    fn ask(
        &mut self,
        link: &mut Link,
        buffer: &Arc<DmaBuf>,
        name: BufferName,
    ) -> Result<(), DisplayError> {
        let kind = (buffer.format as u32, buffer.modifier);
        let refused = || DisplayError::DmaBufRefused {
            format: buffer.format,
            modifier: buffer.modifier,
        };
        let side = |side: u32| i32::try_from(side).ok().filter(|side| *side > 0);
        let width = side(buffer.width).ok_or_else(refused)?;
        let height = side(buffer.height).ok_or_else(refused)?;
        let planes = 1..=DmaBuf::MAX_PLANES;
        if !planes.contains(&buffer.planes.len()) || !link.imports_kind(kind) {
            return Err(refused());
        }
        let Some(manager) = &link.globals.dma_buf else {
            return Err(refused());
        };
        if self.told.len() >= MAX_TOLD {
            match self.told.iter().position(Import::is_idle) {
                Some(idle) => drop(self.told.remove(idle)),
                None => return Ok(()),
            }
        }
        let params = manager.create_params(&link.queue, name);
        let [high, low] = halves(buffer.modifier);
        for (index, plane) in (0..).zip(&buffer.planes) {
            params.add(
                plane.fd.as_fd(),
                index,
                plane.offset,
                plane.stride,
                high,
                low,
            );
        }
        // Not the immediate kind: that ends the connection if the compositor cannot import it.
        params.create(width, height, buffer.format as u32, Flags::empty());
        link.count(&params);
        self.told.push(Import {
            memory: Arc::downgrade(buffer),
            held: None,
            kind,
            number: name.number,
            progress: Progress::Asked(params),
        });
        Ok(())
    }

    fn answer(&mut self, number: u64, answer: Answer) -> Option<Kind> {
        let index = self.told.iter().position(|told| told.number == number)?;
        match answer {
            Answer::Taken(proxy) => {
                let import = self.told.get_mut(index)?;
                if let Progress::Asked(params) = &import.progress {
                    params.destroy();
                }
                import.progress = Progress::Taken(proxy);
                None
            }
            Answer::Refused => Some(self.told.remove(index).kind),
        }
    }

    /// The compositor has done with a buffer; whether it had it.
    pub(super) fn release(&mut self, released: &WlBuffer) -> bool {
        let import = self
            .told
            .iter_mut()
            .find(|import| matches!(&import.progress, Progress::Taken(proxy) if proxy == released));
        import.is_some_and(|import| import.held.take().is_some())
    }

    /// Tells the compositor of dma-bufs that are gone.
    pub(super) fn prune(&mut self) {
        self.told
            .retain(|told| told.is_asked() || told.memory.strong_count() > 0);
    }

    /// Lets go of all dma-bufs.
    pub(super) fn forget(&mut self) {
        self.told.retain(Import::is_asked);
    }

    /// There is no compositor any more.
    pub(super) fn clear(&mut self) {
        self.told.clear();
    }
}

/// What the compositor says of a dma-buf.
enum Answer {
    Taken(WlBuffer),
    Refused,
}

/// The upper and the lower 32 bits.
fn halves(modifier: u64) -> [u32; 2] {
    let half = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or(0);
    [half(modifier >> 32), half(modifier)]
}

impl Dispatch<ZwpLinuxBufferParamsV1, BufferName> for State {
    fn event(
        state: &mut Self,
        _: &ZwpLinuxBufferParamsV1,
        event: zwp_linux_buffer_params_v1::Event,
        name: &BufferName,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let answer = match event {
            zwp_linux_buffer_params_v1::Event::Created { buffer } => Answer::Taken(buffer),
            zwp_linux_buffer_params_v1::Event::Failed => Answer::Refused,
            _ => return,
        };
        let (Owner::Window(output), Some(link)) = (name.owner, &mut state.link) else {
            return;
        };
        let Some(window) = state.windows.get_mut(&output) else {
            return;
        };
        if let Some((format, modifier)) = window.content.imports.answer(name.number, answer) {
            let name = DrmFourcc::try_from(format).map_or(String::new(), |f| f.to_string());
            log::info!("the compositor refused a dma-buf of {name} {format:#x}, {modifier:#x}");
            link.refusals.insert((format, modifier));
        }
        state.wake(output);
    }

    event_created_child!(State, ZwpLinuxBufferParamsV1, [
        zwp_linux_buffer_params_v1::EVT_CREATED_OPCODE =>
            (WlBuffer, BufferName { owner: Owner::Nobody, number: 0 }),
    ]);
}
