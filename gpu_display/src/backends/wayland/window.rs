//! The window of an output.

use std::time::{Duration, Instant};

use super::content::Content;
use super::link::{Callback, Link};
use super::native::{Names, Native, side};
use super::shm::Owner;
use super::statistics::WaylandStatistics;
use crate::desktop::{Fit, Modes, Room, Scale, Size};
use crate::{DisplayError, Frame, Presented, SurfaceId};

/// How long the last picture stays after its surface is gone: a guest that changes its mode takes
/// its surface away and makes another.
const BLANK_DELAY: Duration = Duration::from_millis(200);

/// A window. It outlives the surface that it shows, and the connection.
#[derive(Debug)]
pub(super) struct Window {
    output: u32,
    /// The surface in it.
    pub(super) scanout: Option<SurfaceId>,
    /// Size of that surface, or of the last one.
    picture: Size,
    room: Room,
    bounds: Option<Size>,
    scale: Scale,
    pub(super) content: Content,
    /// The objects, while there is a compositor.
    native: Option<Native>,
    stage: Stage,
    /// Whether the next frame is the first of its surface, or of its size.
    fresh: bool,
    /// Whether a frame was refused.
    waiting: bool,
    /// Whether the compositor was lost while it showed the surface.
    lost: bool,
    /// When to go black.
    blank_due: Option<Instant>,
}

/// How far a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The compositor has not said how it is to be.
    New,
    /// It can be shown.
    Configured,
    /// It is shown, and can take a frame.
    Shown,
    /// It is shown, and the last frame was not yet.
    Drawing,
}

/// What the compositor asks of a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) size: Option<Size>,
    pub(super) exact: bool,
    pub(super) bounds: Option<Size>,
}

impl Window {
    pub(super) fn new(output: u32, picture: Size) -> Self {
        Self {
            output,
            scanout: None,
            picture,
            room: Room::Own,
            bounds: None,
            scale: Scale::ONE,
            content: Content::new(Owner::Window(output)),
            native: None,
            stage: Stage::New,
            fresh: true,
            waiting: false,
            lost: false,
            blank_due: None,
        }
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

    /// Makes the objects.
    pub(super) fn open(&mut self, link: &Link, names: &Names) {
        if self.native.is_none() {
            self.native = Native::new(link, self.output, names);
            self.stage = Stage::New;
            self.fresh = true;
        }
    }

    /// The compositor is gone, and all that it had.
    pub(super) fn close(&mut self) {
        self.lost |= self.is_shown();
        self.content.clear();
        self.native = None;
        self.stage = Stage::New;
        self.bounds = None;
    }

    /// Shows this surface from now on.
    pub(super) fn put(&mut self, scanout: SurfaceId, picture: Size, preferred: Option<(u32, u32)>) {
        self.scanout = Some(scanout);
        self.waiting = false;
        self.lost = false;
        self.blank_due = None;
        self.resize_picture(picture, preferred);
    }

    /// The picture has another size from the next frame on. One that is not what the window asks for
    /// is the guest's choice, and the window follows.
    pub(super) fn resize_picture(&mut self, picture: Size, preferred: Option<(u32, u32)>) {
        let is_answer = preferred == Some((picture.width, picture.height));
        if let Room::AtMost(_) = self.room
            && picture != self.picture
            && !is_answer
        {
            self.room = Room::Own;
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

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.blank_due.filter(|_| self.is_shown())
    }

    /// Goes black if it is time.
    pub(super) fn blank_if_due(&mut self, link: &mut Link, now: Instant) {
        if self.deadline().is_some_and(|due| due <= now) {
            self.blank(link);
        }
    }

    fn blank(&mut self, link: &mut Link) {
        self.blank_due = None;
        let size = match self.native.as_ref().is_some_and(Native::can_scale) {
            true => Size::new(1, 1),
            false => self.picture,
        };
        match self.content.black(link, size) {
            Ok(black) => {
                self.fresh = true;
                self.apply_size();
                if let Some(native) = &mut self.native {
                    native.attach(&black, None);
                    native.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
                    native.commit();
                }
                if self.stage == Stage::Configured {
                    self.stage = Stage::Shown;
                }
                self.content.forget_picture();
            }
            Err(error) => log::warn!("a window keeps its last picture: {error}"),
        }
    }

    /// Whether a frame would be taken now.
    pub(super) fn can_take(&self) -> bool {
        self.native.is_some()
            && matches!(self.stage, Stage::Configured | Stage::Shown)
            && self.content.has_room()
    }

    fn is_shown(&self) -> bool {
        matches!(self.stage, Stage::Shown | Stage::Drawing)
    }

    /// Shows a checked frame of its surface.
    ///
    /// # Errors
    /// Those of [`Content::take`]; nothing was taken.
    pub(super) fn present(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        statistics: &mut WaylandStatistics,
    ) -> Result<Presented, DisplayError> {
        let taken = match self.can_take() {
            true => self.content.take(link, frame, statistics)?,
            false => None,
        };
        let (Some(attachment), Some(native)) = (taken, &mut self.native) else {
            return Ok(self.refuse());
        };
        native.attach(&attachment.proxy, attachment.source);
        if std::mem::take(&mut self.fresh) {
            native.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        } else {
            let (x, y) = attachment.source.map_or((0, 0), |part| (part.x, part.y));
            for rect in frame.damage {
                native.surface.damage_buffer(
                    side(rect.x.saturating_add(x)),
                    side(rect.y.saturating_add(y)),
                    side(rect.width),
                    side(rect.height),
                );
            }
        }
        let output = self.output;
        let callback = native
            .surface
            .frame(&link.queue, Callback::Frame { output });
        link.count(&callback);
        self.apply_size();
        if let Some(native) = &mut self.native {
            native.commit();
        }
        self.stage = Stage::Drawing;
        self.waiting = false;
        statistics.frames = statistics.frames.saturating_add(1);
        Ok(Presented::Taken)
    }

    /// The last frame was shown, or replaced.
    pub(super) fn frame_is_shown(&mut self) {
        if self.stage == Stage::Drawing {
            self.stage = Stage::Shown;
        }
    }

    /// The compositor says how the window is to be.
    pub(super) fn configure(
        &mut self,
        link: &mut Link,
        serial: u32,
        asked: &Asked,
        modes: &mut Modes,
        now: Instant,
    ) {
        let Some(native) = &mut self.native else {
            return;
        };
        native.ack = Some(serial);
        self.bounds = asked.bounds;
        if native.can_scale() {
            self.give_room(asked, modes, now);
        }
        match self.stage {
            Stage::New => {
                self.stage = Stage::Configured;
                if self.scanout.is_none() {
                    self.blank(link);
                }
            }
            Stage::Configured => {}
            Stage::Shown | Stage::Drawing => self.commit_size(),
        }
    }

    fn give_room(&mut self, asked: &Asked, modes: &mut Modes, now: Instant) {
        let room = |size| match asked.exact {
            true => Room::Exactly(size),
            false => Room::AtMost(size),
        };
        match asked.size {
            Some(size) if size != self.size() => {
                self.room = room(size);
                self.prefer(size, modes, now);
            }
            Some(size) if asked.exact => self.room = room(size),
            // It is as large as the compositor wants it already.
            Some(_) => {
                if let Room::Exactly(size) = self.room {
                    self.room = Room::AtMost(size);
                }
            }
            None => {
                if let Room::Exactly(_) = self.room {
                    self.room = Room::Own;
                }
            }
        }
    }

    fn prefer(&self, size: Size, modes: &mut Modes, now: Instant) {
        let (width, height) = self.scale.pixels(size);
        modes.prefer(self.output, width, height, now);
    }

    /// The window is on a screen with another scale.
    pub(super) fn set_scale(&mut self, scale: Scale, modes: &mut Modes, now: Instant) {
        if self.scale == scale {
            return;
        }
        self.scale = scale;
        if let Room::AtMost(size) | Room::Exactly(size) = self.room {
            self.prefer(size, modes, now);
        }
        if self.is_shown() {
            self.commit_size();
        }
    }

    /// Whether the exact scale is told, so that monitors do not matter.
    pub(super) fn is_told_scale(&self) -> bool {
        self.native.as_ref().is_some_and(Native::is_told_scale)
    }

    /// The size of the window, in the compositor's units.
    pub(super) fn size(&self) -> Size {
        if self
            .native
            .as_ref()
            .is_some_and(|native| !native.can_scale())
        {
            let scale = self.buffer_scale();
            let part = |side: u32| side.checked_div(scale).unwrap_or(side);
            return Size::new(part(self.picture.width), part(self.picture.height));
        }
        let fit = Fit {
            picture: self.picture,
            room: self.room,
            bounds: self.bounds,
            scale: self.scale,
        };
        fit.window()
    }

    /// The scale of a window that cannot be of another size than its picture.
    fn buffer_scale(&self) -> u32 {
        let scale = self.scale.ceil();
        let divides = |side: u32| side.is_multiple_of(scale);
        match divides(self.picture.width) && divides(self.picture.height) {
            true => scale,
            false => 1,
        }
    }

    fn apply_size(&mut self) {
        let (size, scale) = (self.size(), self.buffer_scale());
        if let Some(native) = &mut self.native {
            if !native.can_scale() {
                native.set_buffer_scale(side(scale));
            }
            native.set_size(size);
        }
    }

    /// Commits the picture that is shown with the size that it is to have.
    fn commit_size(&mut self) {
        // The picture that is shown may be of the size before.
        let settled = !self.fresh || self.native.as_ref().is_some_and(Native::can_scale);
        if settled {
            self.apply_size();
        }
        if let Some(native) = &mut self.native {
            native.commit();
        }
    }
}
