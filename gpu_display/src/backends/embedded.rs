//! The display of a program that shows pictures itself: each frame is handed over as it is, with its
//! damage, and not copied.

use std::time::Instant;

use crate::news::News;
use crate::surfaces::{Configured, Surfaces};
use crate::{
    Display, DisplayError, Event, Frame, Freshness, Hotspot, Output, PictureMemory, PollFd,
    Position, Presented, Query, Role, SurfaceId, SurfaceRequest,
};

/// A cursor as it is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorView {
    /// Number of the output that it is over.
    pub output: u32,
    /// Where its image's top-left pixel is, in the output's pixels.
    pub position: Position,
    /// Which pixel of the image points.
    pub hotspot: Hotspot,
}

/// Whoever looks at the frames. Its methods are called by the thread that uses the display, and
/// should not take long.
pub trait Viewer {
    /// An output shows this frame. All that it promises was checked, and it may be a dma-buf. Memory may
    /// be looked at until this returns; of a buffer, a reference may be kept for as long as its
    /// pixels are needed. After [`Presented::Busy`] the frame comes again when
    /// [`Embedded::ready`] says so, with more damage if there is more.
    ///
    /// # Errors
    /// Those of [`Display::present`]: nothing was taken.
    fn show(&mut self, output: u32, frame: &Frame<'_>) -> Result<Presented, DisplayError>;

    /// An output shows nothing any more.
    fn blank(&mut self, output: u32);

    /// A cursor has this image now, with colours that were multiplied by their alpha.
    ///
    /// # Errors
    /// Those of [`Display::present`]: nothing was taken.
    fn show_cursor(
        &mut self,
        cursor: SurfaceId,
        view: &CursorView,
        image: &Frame<'_>,
    ) -> Result<Presented, DisplayError>;

    /// A cursor is somewhere else now.
    fn move_cursor(&mut self, cursor: SurfaceId, view: &CursorView);

    /// A cursor is not to be seen until it has another image.
    fn hide_cursor(&mut self, cursor: SurfaceId);
}

/// A display that hands each frame to a [`Viewer`].
#[derive(Debug)]
pub struct Embedded<V> {
    viewer: V,
    outputs: Vec<Output>,
    surfaces: Surfaces,
    news: News,
}

impl<V: Viewer> Embedded<V> {
    /// A display with these outputs, whose number does not change.
    pub fn new(outputs: Vec<Output>, viewer: V) -> Self {
        let count = u32::try_from(outputs.len()).unwrap_or(u32::MAX);
        Self {
            viewer,
            surfaces: Surfaces::new(count, u32::MAX),
            outputs,
            news: News::default(),
        }
    }

    /// Who looks at the frames.
    pub fn viewer(&self) -> &V {
        &self.viewer
    }

    /// Who looks at the frames.
    pub fn viewer_mut(&mut self) -> &mut V {
        &mut self.viewer
    }

    /// An output is another now: plugged in, unplugged, moved or resized.
    ///
    /// # Errors
    /// [`DisplayError::UnknownOutput`].
    pub fn set_output(&mut self, output: u32, changed: Output) -> Result<(), DisplayError> {
        let known = usize::try_from(output)
            .ok()
            .and_then(|index| self.outputs.get_mut(index));
        let known = known.ok_or(DisplayError::UnknownOutput { output })?;
        if *known != changed {
            *known = changed;
            self.news.outputs_changed();
        }
        Ok(())
    }

    /// After [`Presented::Busy`], the output takes a frame again.
    pub fn ready(&mut self, output: u32) {
        if let Some(surface) = self.surfaces.scanout(output) {
            self.news.ready(surface);
        }
    }

    /// After [`Presented::Busy`], a cursor takes an image again.
    pub fn cursor_ready(&mut self, cursor: SurfaceId) {
        if self.surfaces.get(cursor).is_ok() {
            self.news.ready(cursor);
        }
    }

    /// What the output showed is lost: all of it has to be shown again.
    pub fn redraw(&mut self, output: u32) {
        if let Some(surface) = self.surfaces.scanout(output) {
            self.news.redraw(surface);
        }
    }

    /// The user wants the output's window closed.
    pub fn request_close(&mut self, output: u32) {
        if let Some(surface) = self.surfaces.scanout(output) {
            self.news.close_requested(surface);
        }
    }

    /// How a cursor is to be seen; `None` for one whose scanout is gone, and for a scanout.
    fn view_of(&self, cursor: SurfaceId) -> Option<CursorView> {
        let Role::Cursor {
            hotspot, position, ..
        } = self.surfaces.get(cursor).ok()?.role
        else {
            return None;
        };
        Some(CursorView {
            output: self.surfaces.output_of(cursor)?,
            position,
            hotspot,
        })
    }
}

impl<V: Viewer> Display for Embedded<V> {
    fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    fn refresh(&mut self, _query: Query) -> Freshness {
        Freshness::Current
    }

    fn edid(&self, _output: u32) -> Option<&[u8]> {
        None
    }

    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        self.surfaces.create(request)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let configured = self.surfaces.configure(surface, request)?;
        match (request.role, configured) {
            (Role::Scanout { output }, Configured::Resized) => self.viewer.blank(output),
            (Role::Scanout { .. }, Configured::Placed) => {}
            (Role::Cursor { .. }, Configured::Resized) => self.viewer.hide_cursor(surface),
            (Role::Cursor { .. }, Configured::Placed) => {
                if let Some(view) = self.view_of(surface) {
                    self.viewer.move_cursor(surface, &view);
                }
            }
        }
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        self.news.forget(surface);
        let over = |request: &SurfaceRequest| matches!(request.role, Role::Cursor { parent, .. } if parent == surface);
        let cursors = self.surfaces.iter();
        let cursors: Vec<SurfaceId> = cursors
            .filter(|(_, request)| over(request))
            .map(|(cursor, _)| cursor)
            .collect();
        match self.surfaces.destroy(surface).map(|request| request.role) {
            None => {}
            Some(Role::Cursor { .. }) => self.viewer.hide_cursor(surface),
            Some(Role::Scanout { output }) => {
                for cursor in cursors {
                    self.viewer.hide_cursor(cursor);
                }
                self.viewer.blank(output);
            }
        }
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        let request = self.surfaces.get(surface)?;
        match request.role {
            Role::Scanout { output } => {
                frame.check_shape(request)?;
                if !frame.pixels.is_dma_buf() {
                    frame.check(request)?;
                }
                self.viewer.show(output, frame)
            }
            Role::Cursor { .. } => {
                frame.check(request)?;
                match self.view_of(surface) {
                    Some(view) => self.viewer.show_cursor(surface, &view, frame),
                    None => Ok(Presented::Taken),
                }
            }
        }
    }

    fn picture_memory(&self) -> PictureMemory {
        PictureMemory::Any
    }

    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError> {
        self.surfaces.set_position(surface, position)?;
        if let Some(view) = self.view_of(surface) {
            self.viewer.move_cursor(surface, &view);
        }
        Ok(())
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn dispatch(&mut self, _now: Instant) -> Result<(), DisplayError> {
        Ok(())
    }

    fn next_event(&mut self) -> Option<Event> {
        self.news.next()
    }
}
