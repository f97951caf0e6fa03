//! The state tracker: what the guest's commands mean.
//!
//! It knows resources, scanouts and cursors and drives a display; it knows
//! nothing of rings, fences or transports. One file per family of commands.

mod blob;
mod blob_picture;
mod capset;
mod context;
mod cursor;
mod export;
mod output;
mod picture_files;
mod read_back;
mod rendering;
mod resource;
mod resource_3d;
mod scanout;
mod scanout_memory;
mod source;
mod transfer;
mod uuid;

use std::collections::VecDeque;
use std::error::Error;
use std::time::Instant;
use std::vec::Drain;

use gpu_buffer::{Allocator, AnonymousAllocator};
use gpu_display::{Display, Event, Query};
use gpu_renderer::{Capsets, Direction, RenderQueue};
use vm_memory::GuestMemoryMmap;

use crate::context::ContextTable;
use crate::error::{CommandError, chain_of};
use crate::fence::{Ticket, Timeline};
use crate::limits::Limits;
use crate::protocol::{Command, Features, QueueKind, Request, ResourceId, ScanoutId, Success};
use crate::resource::ResourceTable;
use crate::scanout::{Pace, Scanout};
use crate::statistics::FrameStatistics;
use crate::throttle::Throttle;
use blob_picture::BlobPictures;
use context::EarlyStream;
use export::Exported;
pub(crate) use export::FenceState;
use rendering::Rendering;
pub use rendering::{RenderNews, RenderStatistics};
use scanout_memory::ScanoutMemory;
use transfer::LongTransfer;

/// What came of a command.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an outcome is looked at once and never stored"
)]
pub enum Outcome {
    /// It is done, or refused.
    Done(Result<Success, CommandError>),
    /// It goes on; [`Backend::take_finished`] hands its end over.
    Pending(Ticket),
}

/// A pending command that has ended.
pub type Finished = (Ticket, Result<Success, CommandError>);

/// What the display told, as far as the device around has to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DisplayNews {
    /// The outputs are others now: the guest should ask again
    /// (`VIRTIO_GPU_EVENT_DISPLAY`).
    pub outputs_changed: bool,
    /// The user wants the window closed.
    pub close_requested: bool,
}

/// A question of the guest that waits for the display's answer.
#[derive(Debug)]
struct PendingQuery {
    query: Query,
    ticket: Ticket,
}

/// The state tracker of one device.
#[derive(Debug)]
pub struct Backend<D> {
    display: D,
    allocator: Box<dyn Allocator + Send>,
    /// `None` where the renderer allocates what is scanned out.
    scanout_memory: Option<ScanoutMemory>,
    /// `None` for a 2D device.
    rendering: Option<Rendering>,
    /// What a device without a renderer offers: none.
    no_capsets: Capsets,
    limits: Limits,
    resources: ResourceTable,
    contexts: ContextTable,
    scanouts: Vec<Scanout>,
    /// `None` where no guest blobs are offered.
    blobs: Option<BlobPictures>,
    /// Flushes that end when what they changed was copied.
    blob_flushes: Vec<Ticket>,
    /// Resources whose pixels are in memory files, and some that are gone.
    in_files: Vec<ResourceId>,
    /// What other device models asked for and may have now.
    exported: VecDeque<Exported>,
    queries: Vec<PendingQuery>,
    finished: Vec<Finished>,
    last_ticket: u64,
    /// A transfer that needs more than one turn.
    long_transfer: Option<LongTransfer>,
    /// A command stream that cannot begin yet.
    early_stream: Option<EarlyStream>,
    /// The scanout that is presented first: one that was refused last time.
    first_presented: usize,
    frames: FrameStatistics,
    throttle: Throttle,
}

impl<D: Display> Backend<D> {
    /// A tracker for `scanouts` outputs of `display`, 2D only without a
    /// renderer.
    pub fn new(display: D, renderer: Option<RenderQueue>, scanouts: u32, limits: Limits) -> Self {
        Self {
            display,
            allocator: Box::new(AnonymousAllocator),
            scanout_memory: None,
            rendering: renderer.map(Rendering::new),
            no_capsets: Capsets::default(),
            limits,
            resources: ResourceTable::default(),
            contexts: ContextTable::default(),
            scanouts: (0..scanouts).map(|_| Scanout::default()).collect(),
            blobs: None,
            blob_flushes: Vec::new(),
            in_files: Vec::new(),
            exported: VecDeque::new(),
            queries: Vec::new(),
            finished: Vec::new(),
            last_ticket: 0,
            long_transfer: None,
            early_stream: None,
            first_presented: 0,
            frames: FrameStatistics::default(),
            throttle: Throttle::default(),
        }
    }

    /// The display that shows the scanouts.
    pub fn display(&self) -> &D {
        &self.display
    }

    /// The display that shows the scanouts.
    pub fn display_mut(&mut self) -> &mut D {
        &mut self.display
    }

    /// The caps in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The capability sets offered.
    pub fn capsets(&self) -> &Capsets {
        self.rendering
            .as_ref()
            .map_or(&self.no_capsets, Rendering::capsets)
    }

    /// The way to the renderer, `None` for a 2D device.
    pub fn renderer(&self) -> Option<&RenderQueue> {
        self.rendering.as_ref().map(Rendering::queue)
    }

    /// All contexts, for statistics and tests.
    pub fn contexts(&self) -> &ContextTable {
        &self.contexts
    }

    /// All resources, for statistics and tests.
    pub fn resources(&self) -> &ResourceTable {
        &self.resources
    }

    /// All scanouts, in the order of their ids, for statistics and tests.
    pub fn scanouts(&self) -> &[Scanout] {
        &self.scanouts
    }

    /// What the frames of all scanouts have cost since the device was made.
    pub fn frame_statistics(&self) -> FrameStatistics {
        self.frames
    }

    /// Carries a command out, or begins to.
    ///
    /// `queue` is where it came from, `features` what was negotiated, `memory`
    /// the guest's memory now. What changed on screen is presented by
    /// [`Backend::present`], so that one frame serves a batch of commands.
    pub fn execute(
        &mut self,
        queue: QueueKind,
        features: Features,
        request: &Request<'_>,
        memory: &GuestMemoryMmap,
    ) -> Outcome {
        let command = &request.command;
        if command.queue() != queue {
            return Outcome::Done(Err(CommandError::Unavailable(command.name())));
        }
        if let Some(needed) = command.required_feature()
            && !features.contains(needed)
        {
            let name = command.name();
            return Outcome::Done(Err(if needed == Features::RESOURCE_BLOB {
                CommandError::BlobUnavailable(name)
            } else {
                CommandError::Unavailable(name)
            }));
        }
        self.carry_out(features, request, memory)
    }

    fn carry_out(
        &mut self,
        features: Features,
        request: &Request<'_>,
        memory: &GuestMemoryMmap,
    ) -> Outcome {
        let context = request.context();
        let fence = || rendering::when(Timeline::of(&request.header, features));
        let done = match &request.command {
            Command::GetDisplayInfo => return self.get_display_info(),
            Command::GetEdid { scanout } => return self.get_edid(*scanout),
            Command::ResourceCreate2d(create) => self.create_2d(create),
            Command::ResourceCreateBlob(create) => self.create_blob(create, memory),
            Command::SetScanoutBlob(request) => self.set_scanout_blob(request),
            Command::ResourceMapBlob { resource, .. } | Command::ResourceUnmapBlob { resource } => {
                self.no_window(*resource)
            }
            Command::ResourceUnref { resource } => return self.unref(*resource),
            Command::ResourceAttachBacking { resource, entries } => {
                return self.attach_backing(*resource, entries, memory);
            }
            Command::ResourceDetachBacking { resource } => return self.detach_backing(*resource),
            Command::TransferToHost2d {
                rect,
                offset,
                resource,
            } => return self.transfer_to_host_2d(*resource, *rect, *offset, fence()),
            Command::SetScanout {
                rect,
                scanout,
                resource,
            } => self.set_scanout(*scanout, *resource, *rect),
            Command::ResourceFlush { rect, resource } => return self.flush(*resource, *rect),
            Command::ResourceAssignUuid { resource } => self.assign_uuid(*resource),
            Command::UpdateCursor(update) => self.update_cursor(update),
            Command::MoveCursor { position } => self.move_cursor(position),
            Command::GetCapsetInfo { index } => self.get_capset_info(*index),
            Command::GetCapset { id, version } => self.get_capset(*id, *version),
            Command::CtxCreate { name, context_init } => {
                return self.create_context(context, name, *context_init, features);
            }
            Command::CtxDestroy => return self.destroy_context(context),
            Command::CtxAttachResource { resource } => {
                return self.attach_resource(context, *resource);
            }
            Command::CtxDetachResource { resource } => {
                return self.detach_resource(context, *resource);
            }
            Command::ResourceCreate3d(create) => return self.create_3d(create),
            Command::TransferToHost3d(transfer) => {
                return self.transfer_3d(Direction::ToHost, context, transfer, fence());
            }
            Command::TransferFromHost3d(transfer) => {
                return self.transfer_3d(Direction::FromHost, context, transfer, fence());
            }
            Command::Submit3d { commands } => return self.submit(context, commands, fence()),
        };
        Outcome::Done(done)
    }

    /// Lets the display work and takes its news in. Never waits.
    pub fn dispatch_display(&mut self, now: Instant) -> DisplayNews {
        if let Err(error) = self.display.dispatch(now)
            && self.throttle.allows("dispatch", now)
        {
            log::warn!("display: {}", chain_of(&error));
        }
        let mut news = DisplayNews::default();
        while let Some(event) = self.display.next_event() {
            match event {
                Event::Ready { surface } => {
                    for scanout in &mut self.scanouts {
                        if scanout.surface == Some(surface) {
                            scanout.pace = Pace::Free;
                        }
                        if scanout.cursor.surface == Some(surface) {
                            scanout.cursor.pace = Pace::Free;
                        }
                    }
                }
                Event::Redraw { surface } => self.redraw(surface),
                Event::Answered(query) => self.finish_query(query),
                Event::OutputsChanged => news.outputs_changed = true,
                Event::CloseRequested { .. } => news.close_requested = true,
            }
        }
        news
    }

    /// Presents what changed since it was last presented, where the display
    /// can take it: at most [`Limits::present_step_bytes`] of each scanout.
    /// The scanout that the display refused goes first next time, so that a
    /// busy one does not starve the others.
    pub fn present(&mut self) -> Left {
        let count = self.scanouts.len();
        let first = self.first_presented;
        let mut left = Left::Nothing;
        let mut refused = None;
        for index in (first..count).chain(0..first.min(count)) {
            if !self.scanouts.get(index).is_some_and(Scanout::is_on) {
                continue;
            }
            match self.present_scanout(index) {
                Step::Done => {}
                Step::More => left = Left::More,
                Step::Refused => refused = refused.or(Some(index)),
            }
            self.present_cursor(index);
        }
        if self.end_copied_flushes() == Left::More {
            left = Left::More;
        }
        self.first_presented = refused.unwrap_or(0);
        left
    }

    /// Commands that ended since the last call.
    pub fn take_finished(&mut self) -> Drain<'_, Finished> {
        self.finished.drain(..)
    }

    /// Ends the pending command of a ticket now, with what is known: nobody
    /// waits for the display any more. `None` if there is no such command.
    pub fn conclude(&mut self, ticket: Ticket) -> Option<Success> {
        if let Some(place) = self.blob_flushes.iter().position(|flush| *flush == ticket) {
            self.blob_flushes.remove(place);
            return Some(Success::NoData);
        }
        let place = self.queries.iter().position(|p| p.ticket == ticket)?;
        let pending = self.queries.remove(place);
        Some(self.answer(pending.query))
    }

    /// Looks every backing up in the guest's memory as it is now. What was
    /// mapped before and is elsewhere now is never read again; a backing that
    /// is not in memory works again when its memory comes back.
    /// The renderer gets its backings back with [`Backend::grant_memory`].
    pub fn memory_changed(&mut self, memory: &GuestMemoryMmap) {
        self.revoke_memory();
        let moved = self.resources.move_blobs(memory);
        let lost = self.resources.remap_backing(memory);
        if lost > 0 {
            log::info!("the backing of {lost} resources is not guest memory now");
        }
        for id in moved {
            self.blob_is_back(id);
        }
    }

    /// Back to the state after [`Backend::new`]: no resource, no surface, no
    /// pending command. The display stays.
    pub fn reset(&mut self) {
        for index in 0..self.scanouts.len() {
            self.disable(index);
        }
        for scanout in &mut self.scanouts {
            *scanout = Scanout::default();
        }
        self.resources.clear();
        self.contexts = ContextTable::default();
        if let Some(rendering) = &mut self.rendering {
            let unanswered = rendering.reset();
            self.give_up_exports(unanswered);
        }
        self.in_files.clear();
        self.blob_flushes.clear();
        self.queries.clear();
        self.finished.clear();
        self.long_transfer = None;
        self.early_stream = None;
        self.first_presented = 0;
    }

    /// The place of a scanout in the table.
    fn scanout_index(&self, scanout: ScanoutId) -> Result<usize, CommandError> {
        usize::try_from(scanout.0)
            .ok()
            .filter(|index| *index < self.scanouts.len())
            .ok_or_else(|| CommandError::UnknownScanout(scanout, self.scanout_count()))
    }

    fn scanout_count(&self) -> u32 {
        u32::try_from(self.scanouts.len()).unwrap_or(u32::MAX)
    }

    /// The id of a place in the table.
    fn scanout_id(index: usize) -> ScanoutId {
        ScanoutId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        Ticket(self.last_ticket)
    }

    /// Forgets that a resource is in use by a scanout.
    fn unlink(&mut self, resource: ResourceId, scanout: ScanoutId, usage: Use) {
        if let Ok(resource) = self.resources.get(resource) {
            match usage {
                Use::Scanout => {
                    resource.scanouts.remove(scanout);
                    if resource.scanouts.is_empty()
                        && let Some(pixels) = resource.host()
                    {
                        pixels.release_spare();
                    }
                }
                Use::Cursor => resource.cursors.remove(scanout),
            }
        }
    }
}

/// Whether there is more to present at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// No: all is shown, or the display will say when it is ready.
    Nothing,
    /// Yes, in the next turn.
    More,
}

/// How far presenting a scanout came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing is left to present, or not now.
    Done,
    /// More is left.
    More,
    /// The display is busy.
    Refused,
}

/// Logs a refusal of the display, once a second of each kind.
fn refused(throttle: &mut Throttle, what: &'static str, index: usize, error: &dyn Error) {
    if throttle.allows(what, Instant::now()) {
        log::warn!("scanout {index}: {what}: {}", chain_of(error));
    }
}

/// What a scanout uses a resource for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Scanout,
    Cursor,
}
