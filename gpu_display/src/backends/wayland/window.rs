//! The window of an output.

use std::time::{Duration, Instant};

use super::content::Content;
use super::fit::Scale;
use super::geometry::{Geometry, Scaling};
use super::link::{Callback, Link};
use super::native::{Names, Native, side};
use super::presentation::WaylandPresentation;
use super::shm::Owner;
use super::statistics::WaylandStatistics;
use super::surface::Asked;
use crate::desktop::{Modes, Size};
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
    pub(super) geometry: Geometry,
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
    /// Whether cursors may be changed.
    cursors: Cursors,
    /// When to go black.
    blank_due: Option<Instant>,
    /// How the newest frame that was seen came on the screen.
    pub(super) presentation: Option<WaylandPresentation>,
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

/// Whether cursors over a window may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursors {
    /// They may.
    Settled,
    /// The last change is not shown yet.
    Changing,
    /// And there is another.
    Outdated,
}

impl Window {
    pub(super) fn new(output: u32, picture: Size) -> Self {
        Self {
            output,
            scanout: None,
            geometry: Geometry::new(output, picture),
            content: Content::new(Owner::Window(output)),
            native: None,
            stage: Stage::New,
            fresh: true,
            waiting: false,
            lost: false,
            cursors: Cursors::Settled,
            blank_due: None,
            presentation: None,
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
            let free = self.native.as_ref().is_some_and(Native::can_scale);
            self.geometry.start_over(match free {
                true => Scaling::Free,
                false => Scaling::Whole,
            });
            self.stage = Stage::New;
            self.fresh = true;
        }
    }

    /// The compositor is gone, and all that it had.
    pub(super) fn close(&mut self) {
        self.lost |= self.is_shown();
        self.content.clear();
        self.native = None;
        self.presentation = None;
        self.stage = Stage::New;
        self.geometry.start_over(Scaling::Free);
        self.cursors = Cursors::Settled;
    }

    /// Shows this surface from now on.
    pub(super) fn put(&mut self, scanout: SurfaceId, picture: Size, preferred: Option<(u32, u32)>) {
        self.scanout = Some(scanout);
        self.waiting = false;
        self.lost = false;
        self.blank_due = None;
        self.resize_picture(picture, preferred);
    }

    /// The picture has another size from the next frame on.
    pub(super) fn resize_picture(&mut self, picture: Size, preferred: Option<(u32, u32)>) {
        self.geometry.set_picture(picture, preferred);
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
            false => self.geometry.picture(),
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
        link.ask_when_shown(&native.surface, output);
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
        self.geometry.give_room(asked, modes, now);
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

    /// The window is on a screen with another scale.
    pub(super) fn set_scale(&mut self, scale: Scale, modes: &mut Modes, now: Instant) {
        if self.geometry.set_scale(scale, modes, now) && self.is_shown() {
            self.commit_size();
        }
    }

    /// Whether the exact scale is told, so that monitors do not matter.
    pub(super) fn is_told_scale(&self) -> bool {
        self.native.as_ref().is_some_and(Native::is_told_scale)
    }

    fn apply_size(&mut self) {
        let (size, scale) = (self.geometry.size(), self.geometry.buffer_scale());
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

    /// The objects, while there is a compositor.
    pub(super) fn native(&self) -> Option<&Native> {
        self.native.as_ref()
    }

    /// Whether cursors may be changed now. If not, it is remembered that they are to be.
    pub(super) fn may_change_cursors(&mut self) -> bool {
        if !self.is_shown() {
            return false;
        }
        match self.cursors {
            Cursors::Settled => true,
            Cursors::Changing | Cursors::Outdated => {
                self.cursors = Cursors::Outdated;
                false
            }
        }
    }

    /// Has the changed cursors shown.
    pub(super) fn commit_cursors(&mut self, link: &mut Link) {
        let output = self.output;
        if let Some(native) = &mut self.native {
            let callback = native
                .surface
                .frame(&link.queue, Callback::Cursors { output });
            link.count(&callback);
            native.commit();
            self.cursors = Cursors::Changing;
        }
    }

    /// The changed cursors are shown; whether there are newer changes.
    pub(super) fn cursors_are_shown(&mut self) -> bool {
        std::mem::replace(&mut self.cursors, Cursors::Settled) == Cursors::Outdated
    }
}
