//! A display that can be looked at: it keeps what it was shown and nothing else.
//!
//! Only damaged pixels are taken from a frame, so that damage which is too small is seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use gpu_buffer::{DrmFourcc, Rect, copy};
use gpu_display::{
    Display, DisplayError, Event, Frame, Freshness, Hotspot, Mode, Output, PictureMemory, PollFd,
    Position, Presented, Query, Role, SurfaceId, SurfaceIds, SurfaceRequest,
};

use crate::picture::Picture;

/// Whether the screen takes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// At once.
    Ready,
    /// It says busy.
    Busy,
    /// It says that it is out of memory, also when a surface is to be made.
    Refusing,
}

/// A surface.
#[derive(Debug)]
struct Surface {
    request: SurfaceRequest,
    picture: Picture,
    shown: bool,
}

/// A cursor as the screen was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCursor {
    /// The image.
    pub image: Picture,
    /// Which pixel of it points.
    pub hotspot: Hotspot,
    /// Where that pixel is.
    pub position: Position,
}

/// The display.
#[derive(Debug)]
pub struct Screen {
    outputs: Vec<Output>,
    surfaces: BTreeMap<SurfaceId, Surface>,
    waiting: BTreeSet<SurfaceId>,
    events: VecDeque<Event>,
    mood: Mood,
    ids: SurfaceIds,
}

impl Screen {
    /// A screen with so many outputs; the first has a monitor.
    pub fn new(outputs: u32) -> Self {
        let output = |index: u32| Output {
            enabled: index == 0,
            x: 0,
            y: 0,
            mode: Mode {
                width: 1280,
                height: 800,
                refresh_millihertz: 60_000,
            },
            width_mm: 0,
            height_mm: 0,
        };
        Self {
            outputs: (0..outputs).map(output).collect(),
            surfaces: BTreeMap::new(),
            waiting: BTreeSet::new(),
            events: VecDeque::new(),
            mood: Mood::Ready,
            ids: SurfaceIds::default(),
        }
    }

    /// The outputs, to be changed.
    pub fn outputs_mut(&mut self) -> &mut [Output] {
        &mut self.outputs
    }

    /// Has the screen tell that its outputs changed.
    pub fn announce_outputs(&mut self) {
        self.events.push_back(Event::OutputsChanged);
    }

    /// Changes whether the screen takes frames. Surfaces that were told that it is busy learn that
    /// it no longer is.
    pub fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        if mood == Mood::Ready {
            let waiting = std::mem::take(&mut self.waiting);
            let ready = waiting.into_iter().map(|surface| Event::Ready { surface });
            self.events.extend(ready);
        }
    }

    /// Number of surfaces.
    pub fn surfaces(&self) -> usize {
        self.surfaces.len()
    }

    /// What an output shows.
    pub fn scanout(&self, output: u32) -> Option<&Picture> {
        self.scanout_surface(output)
            .map(|(_, surface)| &surface.picture)
    }

    /// The cursor over an output, if it has been shown.
    pub fn cursor(&self, output: u32) -> Option<ShownCursor> {
        let (scanout, _) = self.scanout_surface(output)?;
        self.surfaces
            .values()
            .filter(|surface| surface.shown)
            .find_map(|surface| match surface.request.role {
                Role::Cursor {
                    parent,
                    hotspot,
                    position,
                } if parent == *scanout => Some(ShownCursor {
                    image: surface.picture.clone(),
                    hotspot,
                    position,
                }),
                _ => None,
            })
    }

    fn scanout_surface(&self, output: u32) -> Option<(&SurfaceId, &Surface)> {
        let role = Role::Scanout { output };
        self.surfaces
            .iter()
            .find(|(_, surface)| surface.request.role == role)
    }

    fn surface(&mut self, surface: SurfaceId) -> Result<&mut Surface, DisplayError> {
        self.surfaces
            .get_mut(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })
    }
}

impl Display for Screen {
    fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    fn refresh(&mut self, _: Query) -> Freshness {
        Freshness::Current
    }

    fn edid(&self, _: u32) -> Option<&[u8]> {
        None
    }

    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        if self.mood == Mood::Refusing {
            return Err(DisplayError::OutOfMemory { bytes: 0 });
        }
        if let Role::Scanout { output } = request.role
            && self.scanout_surface(output).is_some()
        {
            return Err(DisplayError::OutputTaken { output });
        }
        let id = self.ids.allocate()?;
        let surface = Surface {
            request: *request,
            picture: Picture::black(request.width, request.height),
            shown: false,
        };
        self.surfaces.insert(id, surface);
        Ok(id)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let known = self.surface(surface)?;
        let size = (known.request.width, known.request.height);
        if size != (request.width, request.height) {
            known.picture = Picture::black(request.width, request.height);
            known.shown = false;
        }
        known.request = *request;
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        self.surfaces
            .remove(&surface)
            .expect("the device destroys surfaces that it has");
        self.waiting.remove(&surface);
    }

    fn present(&mut self, id: SurfaceId, frame: &Frame<'_>) -> Result<Presented, DisplayError> {
        let mood = self.mood;
        let surface = self.surface(id)?;
        frame.check(&surface.request)?;
        match mood {
            Mood::Ready => {}
            Mood::Busy => {
                self.waiting.insert(id);
                return Ok(Presented::Busy);
            }
            Mood::Refusing => return Err(DisplayError::OutOfMemory { bytes: 0 }),
        }
        let memory = frame.pixels.memory();
        for damage in frame.damage {
            let source = Rect {
                x: frame.crop.x + damage.x,
                y: frame.crop.y + damage.y,
                ..*damage
            };
            let mut bytes = Vec::new();
            copy::read_rect(
                &memory,
                &frame.layout,
                source,
                DrmFourcc::Xrgb8888,
                &mut bytes,
            )?;
            put(&mut surface.picture, damage, &bytes);
        }
        surface.shown = true;
        Ok(Presented::Taken)
    }

    fn picture_memory(&self) -> PictureMemory {
        PictureMemory::Any
    }

    fn set_position(&mut self, surface: SurfaceId, to: Position) -> Result<(), DisplayError> {
        match &mut self.surface(surface)?.request.role {
            Role::Cursor { position, .. } => {
                *position = to;
                Ok(())
            }
            Role::Scanout { .. } => Err(DisplayError::NotACursor { surface }),
        }
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn dispatch(&mut self, _: Instant) -> Result<(), DisplayError> {
        Ok(())
    }

    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

/// Writes packed B8G8R8X8 rows into a rectangle of a picture.
pub(crate) fn put(picture: &mut Picture, rect: &Rect, bytes: &[u8]) {
    let width = picture.width as usize;
    let rows = bytes.chunks_exact(rect.width as usize * 4);
    for (y, row) in (rect.y as usize..).zip(rows) {
        let start = y * width + rect.x as usize;
        let targets = &mut picture.pixels[start..start + rect.width as usize];
        for (target, [blue, green, red, _]) in targets.iter_mut().zip(row.as_chunks::<4>().0) {
            *target = u32::from_le_bytes([*blue, *green, *red, 0]);
        }
    }
}
