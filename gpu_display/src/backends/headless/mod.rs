//! The display that needs nothing: pictures in memory and, if wanted, the newest as PNG files.

mod compose;
mod picture;
mod screen;
mod surface;
mod writer;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gpu_buffer::Rect;

use crate::{
    Display, DisplayError, Event, Frame, Freshness, Interest, Output, PollFd, Position, Presented,
    Query, Role, SurfaceId, SurfaceIds, SurfaceRequest,
};
use compose::Cursor;
use screen::Screen;
use surface::{Surface, cursors};
use writer::Writer;

pub use picture::Picture;

/// What a headless display is made of.
#[derive(Clone, Debug, Default)]
pub struct HeadlessConfig {
    /// The outputs it offers.
    pub outputs: Vec<Output>,
    /// Where it writes the newest picture of each output as `scanout-N.png`, at most once a second
    /// and only if it changed; `None` for nowhere. The directory is made if need be.
    pub directory: Option<PathBuf>,
}

/// A display without a screen. It takes every frame at once and keeps what a monitor would show.
///
/// Files are written by a thread, and a last time when the display is dropped. One that cannot be
/// written is a warning in the log; the display goes on.
#[derive(Debug)]
pub struct Headless {
    outputs: Vec<Output>,
    screens: Vec<Screen>,
    surfaces: BTreeMap<SurfaceId, Surface>,
    ids: SurfaceIds,
    writer: Option<Writer>,
}

/// Part of an output's picture.
struct Area {
    output: u32,
    rect: Rect,
}

impl Headless {
    /// A display with blank outputs.
    ///
    /// # Errors
    /// [`DisplayError::Directory`], [`DisplayError::EventFd`].
    pub fn new(config: HeadlessConfig) -> Result<Self, DisplayError> {
        let now = Instant::now();
        Ok(Self {
            screens: config.outputs.iter().map(|_| Screen::new(now)).collect(),
            outputs: config.outputs,
            surfaces: BTreeMap::new(),
            ids: SurfaceIds::default(),
            writer: config.directory.map(Writer::new).transpose()?,
        })
    }

    /// What a monitor at this output would show, its cursors drawn and every pixel opaque. `None`
    /// if there is no such output, or no frame since its scanout was made or resized.
    pub fn picture(&self, output: u32) -> Option<Picture> {
        self.screen(output).ok()?.picture().cloned()
    }

    /// Writes [`Headless::picture`] into a PNG file. Whoever reads the file sees the old one or
    /// the new one, never a part.
    ///
    /// # Errors
    /// [`DisplayError::UnknownOutput`], [`DisplayError::NoPicture`],
    /// [`DisplayError::WritePicture`].
    pub fn write_png(&self, output: u32, path: &Path) -> Result<(), DisplayError> {
        let picture = self.screen(output)?.picture();
        writer::write_file(path, picture.ok_or(DisplayError::NoPicture { output })?)
    }

    fn screen(&self, output: u32) -> Result<&Screen, DisplayError> {
        self.screens
            .get(index(output))
            .ok_or(DisplayError::UnknownOutput { output })
    }

    fn screen_mut(&mut self, output: u32) -> Result<&mut Screen, DisplayError> {
        self.screens
            .get_mut(index(output))
            .ok_or(DisplayError::UnknownOutput { output })
    }

    fn surface(&self, surface: SurfaceId) -> Result<&Surface, DisplayError> {
        self.surfaces
            .get(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })
    }

    fn surface_mut(&mut self, surface: SurfaceId) -> Result<&mut Surface, DisplayError> {
        self.surfaces
            .get_mut(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })
    }

    /// The output of a scanout surface.
    fn output_of(&self, surface: SurfaceId) -> Result<u32, DisplayError> {
        match self.surface(surface)?.request.role {
            Role::Scanout { output } => Ok(output),
            Role::Cursor { .. } => Err(DisplayError::NotAScanout { surface }),
        }
    }

    /// The pixels that a surface covers now, `None` if it is not to be seen.
    fn area_of(&self, surface: SurfaceId) -> Option<Area> {
        let Surface { request, image, .. } = self.surface(surface).ok().filter(|s| s.shown)?;
        match request.role {
            Role::Scanout { output } => Some(Area {
                output,
                rect: image.bounds(),
            }),
            Role::Cursor {
                parent, position, ..
            } => {
                let output = self.output_of(parent).ok()?;
                let bounds = self.screen(output).ok()?.picture()?.bounds();
                let (rect, _) = Cursor { image, position }.covers(&bounds)?;
                Some(Area { output, rect })
            }
        }
    }

    fn redraw(&mut self, area: Option<Area>) {
        let Some(Area { output, rect }) = area else {
            return;
        };
        let Some(screen) = self.screens.get_mut(index(output)) else {
            return;
        };
        let Some(id) = screen.scanout else {
            return;
        };
        if let Some(scanout) = self.surfaces.get(&id) {
            screen.draw(&rect, &scanout.image, cursors(&self.surfaces, id));
        }
    }
}

impl Display for Headless {
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
        match request.role {
            Role::Scanout { output } if self.screen(output)?.scanout.is_some() => {
                return Err(DisplayError::OutputTaken { output });
            }
            Role::Scanout { .. } => {}
            Role::Cursor { parent, .. } => {
                self.output_of(parent)?;
            }
        }
        let surface = Surface::new(request)?;
        let id = self.ids.allocate()?;
        if let Role::Scanout { output } = request.role {
            self.screen_mut(output)?.scanout = Some(id);
        }
        self.surfaces.insert(id, surface);
        Ok(id)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let old = self.surface(surface)?.request;
        match (old.role, request.role) {
            (Role::Scanout { output: old }, Role::Scanout { output: new }) if old == new => {}
            (Role::Cursor { .. }, Role::Cursor { parent, .. }) => {
                self.output_of(parent)?;
            }
            _ => return Err(DisplayError::RoleChange { surface }),
        }
        let resized = (old.width, old.height) != (request.width, request.height);
        let fresh = resized.then(|| Surface::new(request)).transpose()?;

        let before = self.area_of(surface);
        match (fresh, request.role) {
            (Some(fresh), Role::Scanout { output }) => {
                *self.surface_mut(surface)? = fresh;
                self.screen_mut(output)?.blank();
            }
            (Some(fresh), Role::Cursor { .. }) => *self.surface_mut(surface)? = fresh,
            (None, _) => self.surface_mut(surface)?.request = *request,
        }
        self.redraw(before);
        self.redraw(self.area_of(surface));
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        let before = self.area_of(surface);
        let Some(Surface { request, .. }) = self.surfaces.remove(&surface) else {
            return;
        };
        match request.role {
            Role::Scanout { output } => {
                if let Ok(screen) = self.screen_mut(output) {
                    screen.scanout = None;
                    screen.blank();
                }
            }
            Role::Cursor { .. } => self.redraw(before),
        }
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        let request = self.surface(surface)?.request;
        frame.check(&request)?;
        if let Role::Scanout { output } = request.role {
            self.screen_mut(output)?
                .light(request.width, request.height)?;
        }
        let target = self.surface_mut(surface)?;
        let first = !target.shown;
        let damage = target.take(frame)?;
        match request.role {
            Role::Scanout { output } if !first => {
                for &rect in damage.rects() {
                    self.redraw(Some(Area { output, rect }));
                }
            }
            _ => self.redraw(self.area_of(surface)),
        }
        Ok(Presented::Taken)
    }

    fn set_position(
        &mut self,
        surface: SurfaceId,
        new_position: Position,
    ) -> Result<(), DisplayError> {
        let before = self.area_of(surface);
        match &mut self.surface_mut(surface)?.request.role {
            Role::Cursor { position, .. } => *position = new_position,
            Role::Scanout { .. } => return Err(DisplayError::NotACursor { surface }),
        }
        self.redraw(before);
        self.redraw(self.area_of(surface));
        Ok(())
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        self.writer.as_ref().map(|writer| PollFd {
            fd: writer.ready().as_fd(),
            interest: Interest::Readable,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        self.writer.as_ref()?;
        self.screens.iter().filter_map(Screen::deadline).min()
    }

    fn dispatch(&mut self, now: Instant) -> Result<(), DisplayError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for job in writer.finished() {
            if let Some(screen) = self.screens.get_mut(index(job.output)) {
                screen.take_back(job);
            }
        }
        for (output, screen) in (0..).zip(&mut self.screens) {
            screen.write_due(output, writer, now);
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<Event> {
        None
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        writer.stop();
        for (output, screen) in (0..).zip(&self.screens) {
            if let Some(picture) = screen.unwritten() {
                writer.write_now(output, picture);
            }
        }
    }
}

fn index(output: u32) -> usize {
    usize::try_from(output).unwrap_or(usize::MAX)
}
