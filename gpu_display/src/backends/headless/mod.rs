//! The display that needs nothing: pictures in memory and, if wanted, the newest as PNG files.

mod compose;
mod encode;
mod picture;
mod screen;
mod surface;
mod writer;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gpu_buffer::{Rect, channel_order};

use crate::{
    Display, DisplayError, Event, Frame, Freshness, Interest, Output, PictureMemory, PollFd,
    Position, Presented, Query, Role, SurfaceId, SurfaceIds, SurfaceRequest,
};
use compose::Cursor;
use encode::Cancel;
use screen::Screen;
use surface::{Surface, View, take_picture};
use writer::Writer;

pub use picture::Picture;

/// How long dropping the display waits for files.
const LAST_WRITE_TIME: Duration = Duration::from_millis(300);

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
/// Files are written by a thread. One that cannot be written is a warning in the log, and tried
/// again a second later.
///
/// When the display is dropped, pictures that are not in their files yet are written if that can
/// be done in 300 milliseconds, all outputs together. What is not done by then is cancelled: its
/// file stays as it was, and no other is left behind. That takes as long as it takes to encode one
/// row, or to write 1 MiB and remove the file; a drop is over in 400 milliseconds unless the disk
/// is stuck.
///
/// An output takes memory for its pixels once, and with a directory for a second copy of them that
/// is written. While it is written there is a third, the PNG file, of at most the pixels' bytes and
/// a thousandth more (or 64 KiB). Cursors' images come on top.
#[derive(Debug)]
pub struct Headless {
    outputs: Vec<Output>,
    screens: Vec<Screen>,
    surfaces: BTreeMap<SurfaceId, Surface>,
    ids: SurfaceIds,
    writer: Option<Writer>,
    pictures: Pictures,
}

/// Whether what is shown is kept for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pictures {
    Kept,
    Dropped,
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
            pictures: Pictures::Kept,
        })
    }

    /// A display that nobody looks at: it takes every frame and has no picture of any, so that
    /// showing one costs neither memory nor a copy.
    pub fn unseen(outputs: Vec<Output>) -> Self {
        let now = Instant::now();
        Self {
            screens: outputs.iter().map(|_| Screen::new(now)).collect(),
            outputs,
            surfaces: BTreeMap::new(),
            ids: SurfaceIds::default(),
            writer: None,
            pictures: Pictures::Dropped,
        }
    }

    /// What a monitor at this output would show, its cursors drawn and every pixel opaque. `None`
    /// if there is no such output, no frame since its scanout was made or resized, no memory for the
    /// copy, or the display is [unseen](Headless::unseen).
    pub fn picture(&self, output: u32) -> Option<Picture> {
        let view = self.view(self.screen(output).ok()?.scanout)?;
        view.picture().ok()
    }

    /// Writes [`Headless::picture`] into a PNG file, which needs memory for a copy of it and for
    /// the file. Whoever reads the file sees the old one or the new one, never a part.
    ///
    /// # Errors
    /// [`DisplayError::UnknownOutput`], [`DisplayError::NoPicture`],
    /// [`DisplayError::OutOfMemory`], [`DisplayError::WritePicture`].
    pub fn write_png(&self, output: u32, path: &Path) -> Result<(), DisplayError> {
        let view = self.view(self.screen(output)?.scanout);
        let picture = view.ok_or(DisplayError::NoPicture { output })?.picture()?;
        writer::write_file(path, &picture, &Cancel::default())
    }

    fn view(&self, scanout: Option<SurfaceId>) -> Option<View<'_>> {
        View::of(&self.surfaces, scanout)
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
        let Surface { request, image } = self.surface(surface).ok()?;
        let image = image.as_ref()?;
        match request.role {
            Role::Scanout { output } => Some(Area {
                output,
                rect: image.bounds(),
            }),
            Role::Cursor {
                parent, position, ..
            } => {
                let below = self.area_of_scanout(parent)?;
                let (rect, _) = Cursor { image, position }.covers(&below.rect)?;
                Some(Area {
                    output: below.output,
                    rect,
                })
            }
        }
    }

    fn area_of_scanout(&self, surface: SurfaceId) -> Option<Area> {
        let output = self.output_of(surface).ok()?;
        let image = self.surface(surface).ok()?.image.as_ref()?;
        Some(Area {
            output,
            rect: image.bounds(),
        })
    }

    /// Notes that what is shown in `area` has changed.
    fn damage(&mut self, area: Option<Area>) {
        if let Some(Area { output, rect }) = area
            && let Some(screen) = self.screens.get_mut(index(output))
        {
            screen.damage(rect);
        }
    }

    /// The scanout has no frame any more. Its picture stays for its file.
    fn go_blank(&mut self, output: u32, scanout: SurfaceId) {
        let picture = take_picture(&mut self.surfaces, scanout);
        if self.writer.is_some()
            && let Some(picture) = picture
            && let Some(screen) = self.screens.get_mut(index(output))
        {
            screen.blank(picture);
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
        if let (Some(_), Role::Scanout { output }) = (&fresh, request.role) {
            self.go_blank(output, surface);
        }
        let changed = self.surface_mut(surface)?;
        match fresh {
            Some(fresh) => *changed = fresh,
            None => changed.request = *request,
        }
        if let Role::Cursor { .. } = request.role {
            self.damage(before);
            self.damage(self.area_of(surface));
        }
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        let before = self.area_of(surface);
        if let Ok(output) = self.output_of(surface) {
            self.go_blank(output, surface);
            if let Ok(screen) = self.screen_mut(output) {
                screen.scanout = None;
            }
        } else {
            self.damage(before);
        }
        self.surfaces.remove(&surface);
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        let request = self.surface(surface)?.request;
        frame.check(&request)?;
        let format = frame.layout.format();
        if channel_order(format).is_none() {
            return Err(gpu_buffer::Error::UnsupportedFormat { format }.into());
        }
        if self.pictures == Pictures::Dropped {
            return Ok(Presented::Taken);
        }
        let first = self.surface(surface)?.image.is_none();
        if let Role::Scanout { output } = request.role
            && first
        {
            let size = Rect::from_size(request.width, request.height);
            self.screen_mut(output)?.light(size);
        }
        let damage = self.surface_mut(surface)?.take(frame)?;
        match request.role {
            Role::Scanout { output } if !first => {
                for &rect in damage.rects() {
                    self.damage(Some(Area { output, rect }));
                }
            }
            _ => self.damage(self.area_of(surface)),
        }
        Ok(Presented::Taken)
    }

    fn picture_memory(&self) -> PictureMemory {
        PictureMemory::Any
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
        self.damage(before);
        self.damage(self.area_of(surface));
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
        for (job, outcome) in writer.finished() {
            if let Some(screen) = self.screens.get_mut(index(job.output)) {
                screen.take_back(job, outcome);
            }
        }
        for (output, screen) in (0..).zip(&mut self.screens) {
            let view = View::of(&self.surfaces, screen.scanout);
            screen.write_due(output, view.as_ref(), writer, now);
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
        let now = Instant::now();
        let end = now.checked_add(LAST_WRITE_TIME).unwrap_or(now);
        while let Some((job, outcome)) = writer.wait(end) {
            if let Some(screen) = self.screens.get_mut(index(job.output)) {
                screen.take_back(job, outcome);
            }
        }
        for (output, screen) in (0..).zip(&mut self.screens) {
            let shown = screen
                .scanout
                .and_then(|scanout| take_picture(&mut self.surfaces, scanout));
            screen.write_last(output, shown, writer);
        }
        while writer.wait(end).is_some() {}
    }
}

fn index(output: u32) -> usize {
    usize::try_from(output).unwrap_or(usize::MAX)
}
