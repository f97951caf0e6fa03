//! Which kinds of dma-buf the compositor takes: told one by one (version 3), or by indices into a
//! table in a file (version 4).

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use wayland_client::{Connection, Dispatch, QueueHandle};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_feedback_v1::{
    self, ZwpLinuxDmabufFeedbackV1,
};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::{
    self, ZwpLinuxDmabufV1,
};

use super::import::Kind;
use super::state::State;

/// Bytes of an entry of the table: format (4), padding (4), modifier (8).
const ENTRY: usize = 16;

/// The most entries that 16-bit indices reach.
const MAX_KINDS: usize = 1 << 16;

/// What the compositor says that it takes.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    kinds: BTreeSet<Kind>,
    /// Of version 4: what is being told, and the table that it points into.
    next: BTreeSet<Kind>,
    table: Vec<Kind>,
}

impl Feedback {
    /// The kinds.
    pub(super) fn kinds(&self) -> &BTreeSet<Kind> {
        &self.kinds
    }

    fn add(&mut self, kind: Kind) {
        if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(kind);
        }
    }

    /// Reads the table out of its file. It is not mapped: a file that shrinks would end the process.
    fn set_table(&mut self, fd: OwnedFd, size: u32) {
        self.table = read_table(fd, size).unwrap_or_else(|| {
            log::warn!("the compositor's table of dma-buf formats cannot be read");
            Vec::new()
        });
    }

    /// Adds the entries at these 16-bit indices. Those that are not there are ignored.
    fn add_indices(&mut self, indices: &[u8]) {
        let (indices, _) = indices.as_chunks::<2>();
        let kinds = indices
            .iter()
            .filter_map(|index| self.table.get(usize::from(u16::from_ne_bytes(*index))));
        self.next.extend(kinds);
    }

    /// All has been told.
    fn finish(&mut self) {
        self.kinds = std::mem::take(&mut self.next);
        self.table = Vec::new();
    }
}

fn read_table(fd: OwnedFd, size: u32) -> Option<Vec<Kind>> {
    let file = File::from(fd);
    let size = usize::try_from(size).ok()?;
    if !file.metadata().ok()?.is_file() || size % ENTRY != 0 || size / ENTRY > MAX_KINDS {
        return None;
    }
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    let kind = |entry: &[u8; ENTRY]| {
        let [format, _, low, high] = entry.as_chunks::<4>().0 else {
            return None;
        };
        let modifier = [*low, *high].concat();
        let modifier = u64::from_ne_bytes(modifier.try_into().ok()?);
        Some((u32::from_ne_bytes(*format), modifier))
    };
    entries.iter().map(kind).collect()
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for State {
    fn event(
        state: &mut Self,
        _: &ZwpLinuxDmabufV1,
        event: zwp_linux_dmabuf_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let zwp_linux_dmabuf_v1::Event::Modifier {
            format,
            modifier_hi,
            modifier_lo,
        } = event
        else {
            return;
        };
        if let Some(link) = &mut state.link {
            let modifier = (u64::from(modifier_hi) << 32) | u64::from(modifier_lo);
            link.feedback.add((format, modifier));
        }
    }
}

impl Dispatch<ZwpLinuxDmabufFeedbackV1, ()> for State {
    fn event(
        state: &mut Self,
        _: &ZwpLinuxDmabufFeedbackV1,
        event: zwp_linux_dmabuf_feedback_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(link) = &mut state.link else {
            return;
        };
        match event {
            zwp_linux_dmabuf_feedback_v1::Event::FormatTable { fd, size } => {
                link.fds_taken = link.fds_taken.saturating_add(1);
                link.feedback.set_table(fd, size);
            }
            zwp_linux_dmabuf_feedback_v1::Event::TrancheFormats { indices } => {
                link.feedback.add_indices(&indices);
            }
            zwp_linux_dmabuf_feedback_v1::Event::Done => link.feedback.finish(),
            _ => {}
        }
    }
}
