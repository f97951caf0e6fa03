//! The window of an output.

use std::time::{Duration, Instant};

use gpu_buffer::Rect;

use super::client::Client;
use super::content::{Content, Pace, Place};
use super::cursor::{Change, Look};
use super::native::{Names, Native};
use super::server::Server;
use super::statistics::X11Statistics;
use crate::desktop::{Modes, Size};
use crate::{DisplayError, Frame, Presented, SurfaceId};

/// How long the last picture stays after its surface is gone: a guest that changes its mode takes
/// its surface away and makes another.
const BLANK_DELAY: Duration = Duration::from_millis(200);

/// The shortest time between frames of a server that does not say when it shows one.
const SHORTEST_FRAME: Duration = Duration::from_millis(4);

/// A window. It outlives the surface that it shows, and the connection.
#[derive(Debug)]
pub(super) struct Window {
    output: u32,
    /// The surface in it.
    pub(super) scanout: Option<SurfaceId>,
    /// Size of that surface, or of the last one.
    pub(super) picture: Size,
    pub(super) content: Content,
    /// The window, while there is a server.
    pub(super) native: Option<Native>,
    /// What the pointer looks like in it, or is about to.
    pub(super) look: Look,
    pub(super) look_change: Change,
    stage: Stage,
    /// Whether the next frame is the first of its surface, or of its size.
    fresh: bool,
    /// Whether a frame was refused.
    waiting: bool,
    /// The size that its user gave it.
    chosen: Option<Size>,
    /// Whether the server was lost while it showed the surface.
    lost: bool,
    /// When to go black.
    blank_due: Option<Instant>,
}

/// How far the last frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There was none.
    Blank,
    /// It is shown.
    Shown,
    /// It is on its way since then.
    Drawing(Instant, Pace),
    /// It is shown, but the next should wait until then.
    Resting(Instant),
}

impl Window {
    pub(super) fn new(output: u32, picture: Size) -> Self {
        Self {
            output,
            scanout: None,
            picture,
            content: Content::new(),
            native: None,
            look: Look::Default,
            look_change: Change::Done,
            stage: Stage::Blank,
            fresh: true,
            waiting: false,
            chosen: None,
            lost: false,
            blank_due: None,
        }
    }

    /// Makes the window at the server, as large as its user made it, or as its picture.
    pub(super) fn open(&mut self, client: &mut Client, server: &Server, names: &Names) {
        if self.native.is_none() {
            let size = self.chosen.unwrap_or(self.picture);
            self.native = Native::new(client, server, names, size);
            self.stage = Stage::Blank;
            self.look = Look::Default;
            self.look_change = Change::Done;
            self.fresh = true;
        }
    }

    /// The server is gone, and all that it had.
    pub(super) fn close(&mut self) {
        self.lost |= self.stage != Stage::Blank;
        self.content.clear();
        self.native = None;
        self.stage = Stage::Blank;
    }

    /// Shows this surface from now on.
    pub(super) fn put(&mut self, scanout: SurfaceId) {
        self.scanout = Some(scanout);
        self.waiting = false;
        self.lost = false;
        self.blank_due = None;
        self.fresh = true;
        self.content.damage_all();
    }

    /// The picture has another size from the next frame on. One that is not what the window asks for
    /// is the guest's choice, and the window follows, as it follows back from there.
    pub(super) fn resize_picture(
        &mut self,
        client: Option<&mut Client>,
        picture: Size,
        preferred: Option<(u32, u32)>,
    ) {
        let is_answer = preferred == Some((picture.width, picture.height));
        if let (Some(native), Some(client)) = (&mut self.native, client)
            && picture != native.next_size()
            && picture != self.picture
            && (!is_answer || self.chosen.is_none())
        {
            native.resize(client, picture);
        }
        if !is_answer && picture != self.picture {
            self.chosen = None;
        }
        self.picture = picture;
        self.fresh = true;
        self.content.damage_all();
    }

    /// The surface is gone. Its picture stays for a moment.
    pub(super) fn vacate(&mut self, now: Instant) {
        self.scanout = None;
        self.waiting = false;
        self.blank_due = Some(now.checked_add(BLANK_DELAY).unwrap_or(now));
    }

    /// When [`Window::do_due_work`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let blank = self.blank_due.filter(|_| self.stage != Stage::Blank);
        let rested = match self.stage {
            Stage::Resting(until) if self.waiting => Some(until),
            _ => None,
        };
        blank.into_iter().chain(rested).min()
    }

    /// Goes black, or takes the next frame, if it is time.
    pub(super) fn do_due_work(&mut self, client: &mut Client, now: Instant) {
        self.rest(now);
        if self.blank_due.is_some_and(|due| due <= now) {
            self.blank_due = None;
            if self.stage != Stage::Blank {
                self.clear(client);
            }
        }
        self.content.prune();
    }

    fn clear(&mut self, client: &mut Client) {
        if let Some(native) = &self.native {
            native.clear(client, Rect::default());
        }
        self.content.clear();
        self.stage = Stage::Blank;
        self.fresh = true;
    }

    fn rest(&mut self, now: Instant) {
        if let Stage::Resting(until) = self.stage
            && until <= now
        {
            self.stage = Stage::Shown;
        }
    }

    /// Whether a frame would be taken now.
    fn can_take(&self) -> bool {
        self.native.as_ref().is_some_and(|native| native.mapped)
            && matches!(self.stage, Stage::Blank | Stage::Shown)
            && self.content.has_room()
    }

    /// The surface whose picture was lost, once.
    pub(super) fn take_lost(&mut self) -> Option<SurfaceId> {
        self.scanout.filter(|_| std::mem::take(&mut self.lost))
    }

    /// The surface whose frame was refused and would be taken now, once.
    pub(super) fn take_ready(&mut self) -> Option<SurfaceId> {
        let ready = self.waiting && self.can_take();
        self.waiting = self.waiting && !ready;
        self.scanout.filter(|_| ready)
    }

    /// A frame has to wait.
    pub(super) fn refuse(&mut self) -> Presented {
        self.waiting = true;
        Presented::Busy
    }

    /// Shows a checked frame of its surface.
    ///
    /// # Errors
    /// Those of [`Content::show`]; nothing was taken.
    pub(super) fn present(
        &mut self,
        client: &mut Client,
        server: &Server,
        frame: &Frame<'_>,
        statistics: &mut X11Statistics,
    ) -> Result<Presented, DisplayError> {
        let now = Instant::now();
        self.rest(now);
        if !self.can_take() {
            return Ok(self.refuse());
        }
        let Some(native) = &self.native else {
            return Ok(Presented::Busy);
        };
        let whole = [Rect::from_size(self.picture.width, self.picture.height)];
        let place = Place {
            output: self.output,
            native,
            picture: self.picture,
            damage: match self.fresh {
                true => &whole,
                false => frame.damage,
            },
        };
        let shown = self
            .content
            .show(client, server, frame, &place, statistics)?;
        let Some(pace) = shown else {
            return Ok(self.refuse());
        };
        self.stage = Stage::Drawing(now, pace);
        self.fresh = false;
        self.waiting = false;
        statistics.frames = statistics.frames.saturating_add(1);
        Ok(Presented::Taken)
    }

    /// The last frame is shown. A server that does not wait for its screen is given a rest, as long as
    /// the screen takes.
    pub(super) fn frame_is_shown(&mut self, refresh_millihertz: u32) {
        let Stage::Drawing(since, pace) = self.stage else {
            return;
        };
        if pace == Pace::Server {
            self.stage = Stage::Shown;
            return;
        }
        let frame = 1_000_000_000_000_u64.checked_div(u64::from(refresh_millihertz));
        let frame = Duration::from_nanos(frame.unwrap_or(0)).max(SHORTEST_FRAME);
        self.stage = Stage::Resting(since.checked_add(frame).unwrap_or(since));
        self.rest(Instant::now());
    }

    /// The server shows the window, or no longer.
    pub(super) fn set_mapped(&mut self, mapped: bool) {
        if let Some(native) = &mut self.native {
            native.mapped = mapped;
        }
    }

    /// The window has this size. If nobody but its user can have wanted it, the output follows.
    pub(super) fn set_size(&mut self, width: u32, height: u32, modes: &mut Modes, now: Instant) {
        let Some(native) = &mut self.native else {
            return;
        };
        let size = Size::new(width, height);
        if native.size == size {
            return;
        }
        if !native.take_size(size) {
            self.chosen = Some(size);
            modes.prefer(self.output, width, height, now);
        }
    }

    /// The server has lost what the window shows; the surface that has to be shown again.
    pub(super) fn expose(&mut self) -> Option<SurfaceId> {
        let was_shown = self.stage != Stage::Blank;
        self.fresh = true;
        self.scanout.filter(|_| was_shown)
    }

    /// The way to the server is another: all of it has to be sent again.
    pub(super) fn start_over(&mut self) -> Option<SurfaceId> {
        self.content.clear();
        let was_shown = self.stage != Stage::Blank;
        self.stage = match was_shown {
            true => Stage::Shown,
            false => Stage::Blank,
        };
        self.fresh = true;
        self.scanout.filter(|_| was_shown)
    }
}
