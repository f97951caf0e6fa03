//! QEMU's display socket as a display.
//!
//! The front end hands over a socket with GPU_SET_SOCKET, at every start of the guest's driver and after every pause,
//! and shows what is sent there. The device never waits for it: what does not fit stays here, at most one frame of
//! it, and further frames are refused until it has gone. An unanswered question is given up in time.
//!
//! A socket on which the front end breaks the rules is used no longer, but stays open until another comes: QEMU spins
//! when the other end of its display socket is closed.

mod client;
mod knowledge;
mod questions;
mod shared;
mod surfaces;
mod wire;

use std::collections::{BTreeSet, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use gpu_buffer::{Buffer, DrmFourcc, Rect, channel_order, copy};
use gpu_display::{
    Display, DisplayError, Event, Frame, Freshness, Interest, Output, PictureMemory, PixelSource,
    PollFd, Position, Presented, Query, Role, SurfaceId, SurfaceRequest,
};

use self::client::{Client, Question};
use self::knowledge::{Knowledge, PATIENCE};
use self::surfaces::{Announced, Surfaces, bytes};
use self::wire::{MAX_SIDE, Request, Update};
use crate::Error;
use crate::poller::Poller;

/// Bytes of pixels that are packed before they are sent: while still in the processor's cache.
const BAND_BYTES: u32 = 256 << 10;

/// A picture that is at least one of so many parts of its buffer is sent without a copy.
const KEPT_SHARE: u64 = 4;

/// A display that may get a socket from the vhost-user front end.
pub trait FrontEndSocket {
    /// Uses this socket from now on instead of an earlier one, or gives it back if the display needs none. It must
    /// then be kept open: QEMU spins when the other end of its display socket is closed.
    fn set_gpu_socket(&mut self, socket: OwnedFd) -> Option<OwnedFd>;

    /// Forgets the socket, and all that the front end behind it has said: another front end comes.
    fn drop_gpu_socket(&mut self);
}

impl FrontEndSocket for gpu_display::Headless {
    fn set_gpu_socket(&mut self, socket: OwnedFd) -> Option<OwnedFd> {
        Some(socket)
    }

    fn drop_gpu_socket(&mut self) {}
}

/// Whether the front end is handed pictures in a GPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedPictures {
    /// No: it gets pixels.
    No,
    /// Yes, where they can be told: one plane from the beginning of its dma-buf, and a modifier only if the front end
    /// has DMABUF_SCANOUT2. It must draw with GL (QEMU: `-display …,gl=on`), which it does not say on the socket:
    /// otherwise nothing is to be seen.
    Yes,
}

/// How long frames wait for what the front end says of itself on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// None does.
    Unneeded,
    /// Some do, until then.
    Awaited(Instant),
    /// It has not come in time: none waits any more.
    Overdue,
}

/// A display at the other end of the front end's socket. Without a socket it takes every frame and shows none.
#[derive(Debug)]
pub struct RemoteDisplay {
    /// Of the socket alone, so that the event loop waits for one descriptor, whichever socket is behind it.
    poller: Poller,
    client: Option<Client>,
    /// The newest socket, in use or not, unless the front end has closed its end.
    socket: Option<Arc<OwnedFd>>,
    /// Whether the front end answers GET_EDID.
    edid_offered: bool,
    shared_pictures: SharedPictures,
    /// Whether the front end takes DMABUF_SCANOUT2.
    modifiers_offered: bool,
    knowledge: Knowledge,
    surfaces: Surfaces,
    /// Surfaces whose frame was refused.
    refused: BTreeSet<SurfaceId>,
    /// Surfaces whose frame waits until it is known what the front end takes.
    undecided: BTreeSet<SurfaceId>,
    greeting: Greeting,
    events: VecDeque<Event>,
    /// A moment in the past.
    born: Instant,
}

impl RemoteDisplay {
    /// A display without a socket yet.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            poller: Poller::new()?,
            client: None,
            socket: None,
            edid_offered: false,
            shared_pictures: SharedPictures::No,
            modifiers_offered: false,
            knowledge: Knowledge::new(),
            surfaces: Surfaces::default(),
            refused: BTreeSet::new(),
            undecided: BTreeSet::new(),
            greeting: Greeting::Unneeded,
            events: VecDeque::new(),
            born: Instant::now(),
        })
    }

    /// Says whether pictures in a GPU's memory are handed over, to the next socket. At first they are not.
    pub fn set_shared_pictures(&mut self, shared_pictures: SharedPictures) {
        self.shared_pictures = shared_pictures;
    }

    /// Does something with the socket, if there is one, and lets go of it when that fails.
    fn with_client(&mut self, work: impl FnOnce(&mut Self, &mut Client) -> Result<(), Error>) {
        let Some(mut client) = self.client.take() else {
            return;
        };
        match work(self, &mut client).and_then(|()| client.update_interest()) {
            Ok(()) => self.client = Some(client),
            Err(Error::Connection(msg_socket::Error::Closed)) => {
                log::debug!("the front end has closed its display socket");
                self.socket = None;
                self.lose_client();
            }
            Err(error) => {
                log::warn!("the display socket is used no longer: {}", error.chain());
                self.lose_client();
            }
        }
    }

    /// What to do once there is no socket any more: nobody waits for it.
    fn lose_client(&mut self) {
        self.edid_offered = false;
        self.modifiers_offered = false;
        self.knowledge.give_up(&mut self.events);
        self.surfaces.forget_told();
        let surfaces = std::mem::take(&mut self.refused);
        self.release(surfaces);
        self.decide();
        self.greeting = Greeting::Unneeded;
    }

    /// Has surfaces presented again whose frame was not taken.
    fn release(&mut self, surfaces: BTreeSet<SurfaceId>) {
        let ready = surfaces.into_iter();
        self.events
            .extend(ready.map(|surface| Event::Ready { surface }));
    }

    /// Has the pictures of the scanouts presented anew.
    fn redraw_scanouts(&mut self) {
        let shown = self.surfaces.shown_scanouts();
        self.events
            .extend(shown.map(|surface| Event::Redraw { surface }));
    }

    /// Has a frame wait until it is known what the front end takes, but not for long.
    fn await_greeting(&mut self, surface: SurfaceId, now: Instant) {
        self.undecided.insert(surface);
        if self.greeting == Greeting::Unneeded {
            self.greeting = Greeting::Awaited(now.checked_add(PATIENCE).unwrap_or(now));
        }
    }

    /// When the wait for the front end's greeting ends.
    fn greeting_due(&self) -> Option<Instant> {
        match self.greeting {
            Greeting::Awaited(due) if !self.undecided.is_empty() => Some(due),
            _ => None,
        }
    }

    /// It is known what the front end takes, or it does not say.
    fn decide(&mut self) {
        let surfaces = std::mem::take(&mut self.undecided);
        self.release(surfaces);
    }

    /// Notes what became of a frame.
    fn settle(&mut self, surface: SurfaceId, presented: Presented) -> Presented {
        let presented = match self.client {
            Some(_) => presented,
            None => Presented::Taken,
        };
        match presented {
            Presented::Busy => {
                self.refused.insert(surface);
            }
            Presented::Taken => self.surfaces.set_has_picture(surface),
        }
        presented
    }

    /// Sends what is left over, and what has changed since, as far as the socket takes it.
    fn send_waiting(&mut self, client: &mut Client) -> Result<(), Error> {
        client.flush()?;
        if !client.is_full() {
            self.surfaces.tell_changes(client);
            client.flush()?;
        }
        if !client.is_full() {
            let surfaces = &self.surfaces;
            let is_shown =
                |surface: &SurfaceId| match surfaces.get(*surface).map(|s| s.request.role) {
                    Ok(Role::Scanout { output }) => !client.is_asked(Question::Frame(output)),
                    _ => true,
                };
            let (shown, held) = self.refused.iter().partition(|surface| is_shown(surface));
            self.refused = held;
            self.release(shown);
        }
        Ok(())
    }

    /// Sends the damaged pixels of a frame, and whatever does not fit keeps.
    fn send_frame(
        &mut self,
        client: &mut Client,
        surface: SurfaceId,
        output: u32,
        frame: &Frame<'_>,
    ) -> Result<(), Error> {
        let Ok(request) = self.surfaces.get(surface).map(|surface| surface.request) else {
            return Ok(());
        };
        let whole = Rect::from_size(request.width, request.height);
        let announced = self.surfaces.announce(client, surface, output, &request);
        let area = |rects: &[Rect]| rects.iter().map(Rect::area).fold(0, u64::saturating_add);
        // Rectangles that overlap so much are cheaper as one.
        if announced == Announced::JustNow || area(frame.damage) >= whole.area() {
            send_rect(client, output, frame, whole)?;
        } else {
            for rect in frame.damage {
                send_rect(client, output, frame, *rect)?;
            }
        }
        client.flush()
    }
}

/// Sends one UPDATE, or packs a small one. Of a large one that is not sent straight from its buffer, each band is gone
/// before the next is packed, unless the socket is full.
fn send_rect(client: &mut Client, output: u32, frame: &Frame<'_>, rect: Rect) -> Result<(), Error> {
    let row_bytes = rect.width.saturating_mul(4);
    let update = Update {
        scanout: output,
        x: rect.x,
        y: rect.y,
        width: rect.width,
        height: rect.height,
    };
    client.message(
        Request::Update,
        &update,
        row_bytes.saturating_mul(rect.height),
    );
    if let PixelSource::Buffer(buffer) = frame.pixels
        && is_worth_keeping(buffer, frame, rect)
    {
        client.flush()?;
        if !client.is_full() {
            let rect = Rect {
                x: frame.crop.x.saturating_add(rect.x),
                y: frame.crop.y.saturating_add(rect.y),
                ..rect
            };
            return client.picture(buffer, rect);
        }
    }
    let band_rows = BAND_BYTES.checked_div(row_bytes).unwrap_or(1).max(1);
    let mut row = 0;
    while row < rect.height {
        let band = Rect {
            x: frame.crop.x.saturating_add(rect.x),
            y: frame.crop.y.saturating_add(rect.y).saturating_add(row),
            width: rect.width,
            height: band_rows.min(rect.height.saturating_sub(row)),
        };
        let out = client.bytes();
        let filled = out
            .len()
            .saturating_add(bytes(row_bytes).saturating_mul(bytes(band.height)));
        let memory = frame.pixels.memory();
        if let Err(error) = copy::read_rect(&memory, &frame.layout, band, DrmFourcc::Xrgb8888, out)
        {
            // The frame was checked, so this cannot be; but a message that has begun must have its length.
            log::error!("a checked frame cannot be read: {error}");
        }
        out.resize(filled, 0);
        // Small rectangles go together.
        if filled >= bytes(BAND_BYTES) {
            client.flush()?;
        }
        row = row.saturating_add(band.height);
    }
    Ok(())
}

/// Whether pixels should go straight out of their buffer. While they do, drawing costs a copy of the whole buffer, so
/// they must be a good part of it.
fn is_worth_keeping(buffer: &Buffer, frame: &Frame<'_>, rect: Rect) -> bool {
    let bytes = rect.area().saturating_mul(4);
    let same_layout = *buffer.layout() == frame.layout;
    same_layout
        && copy::is_same_bytes(frame.layout.format(), DrmFourcc::Xrgb8888)
        && bytes > u64::from(BAND_BYTES)
        && bytes >= frame.layout.size() / KEPT_SHARE
}

impl FrontEndSocket for RemoteDisplay {
    fn set_gpu_socket(&mut self, socket: OwnedFd) -> Option<OwnedFd> {
        self.client = None;
        self.lose_client();
        self.knowledge.forget_answers();
        let socket = Arc::new(socket);
        self.socket = Some(Arc::clone(&socket));
        match Client::new(socket, &self.poller) {
            Ok(client) => self.client = Some(client),
            Err(error) => log::warn!("the display socket is unusable: {}", error.chain()),
        }
        self.with_client(|display, client| {
            client.ask(Question::Features);
            display.send_waiting(client)
        });
        self.redraw_scanouts();
        None
    }

    fn drop_gpu_socket(&mut self) {
        self.client = None;
        self.socket = None;
        self.lose_client();
        self.knowledge = Knowledge::new();
    }
}

impl Display for RemoteDisplay {
    fn outputs(&self) -> &[Output] {
        &self.knowledge.outputs
    }

    fn refresh(&mut self, query: Query) -> Freshness {
        let mut freshness = Freshness::Current;
        self.with_client(|display, client| {
            freshness = display.ask(client, query);
            client.flush()
        });
        if self.client.is_none() {
            Freshness::Current
        } else {
            freshness
        }
    }

    fn edid(&self, output: u32) -> Option<&[u8]> {
        self.knowledge.edid(output)
    }

    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        self.surfaces.create(request)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        self.surfaces.configure(surface, request)?;
        self.with_client(Self::send_waiting);
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        self.surfaces.destroy(surface);
        self.refused.remove(&surface);
        self.undecided.remove(&surface);
        self.with_client(Self::send_waiting);
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        if let PixelSource::DmaBuf(picture) = frame.pixels {
            return self.present_shared(surface, frame, picture);
        }
        let request = self.surfaces.get(surface)?.request;
        frame.check(&request)?;
        let format = frame.layout.format();
        if channel_order(format).is_none() {
            return Err(gpu_buffer::Error::UnsupportedFormat { format }.into());
        }
        let Role::Scanout { output } = request.role else {
            self.surfaces.set_image(surface, frame)?;
            self.with_client(Self::send_waiting);
            return Ok(Presented::Taken);
        };
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&request.width) || !sides.contains(&request.height) {
            return Ok(Presented::Taken);
        }
        let mut presented = Presented::Taken;
        self.with_client(|display, client| {
            display.send_waiting(client)?;
            if client.is_full() {
                presented = Presented::Busy;
                return Ok(());
            }
            display.send_frame(client, surface, output, frame)
        });
        Ok(self.settle(surface, presented))
    }

    fn picture_memory(&self) -> PictureMemory {
        PictureMemory::Any
    }

    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError> {
        self.surfaces.set_position(surface, position)?;
        self.with_client(Self::send_waiting);
        Ok(())
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        Some(PollFd {
            fd: self.poller.as_fd(),
            interest: Interest::Readable,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        if self.events.is_empty() {
            let retry = self.client.as_ref().and_then(Client::deadline);
            [self.knowledge.deadline(), self.greeting_due(), retry]
                .into_iter()
                .flatten()
                .min()
        } else {
            // They came up outside of a dispatch, and no descriptor tells of them.
            Some(self.born)
        }
    }

    fn dispatch(&mut self, now: Instant) -> Result<(), DisplayError> {
        self.with_client(|display, client| {
            display.receive_answers(client)?;
            display.send_waiting(client)
        });
        self.knowledge.expire(now, &mut self.events);
        if self.greeting_due().is_some_and(|due| due <= now) {
            log::warn!("the front end does not say which pictures it takes, going on with pixels");
            self.greeting = Greeting::Overdue;
        }
        if self.knowledge.is_silent() || self.greeting == Greeting::Overdue {
            self.decide();
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
