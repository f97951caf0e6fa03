//! A display that writes down what it is told.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use gpu_buffer::{DrmFourcc, Rect, copy};
use gpu_display::{
    Display, DisplayError, Event, Frame, Freshness, Mode, Output, PictureMemory, PollFd, Position,
    Presented, Query, SurfaceId, SurfaceIds, SurfaceRequest,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Created(SurfaceId, SurfaceRequest),
    Configured(SurfaceId, SurfaceRequest),
    Destroyed(SurfaceId),
    Moved(SurfaceId, Position),
    Presented {
        surface: SurfaceId,
        format: DrmFourcc,
        damage: Vec<Rect>,
        /// The whole surface as XRGB words.
        pixels: Vec<u32>,
    },
}

pub struct Recorder {
    pub outputs: Vec<Output>,
    pub records: Vec<Record>,
    pub surfaces: HashMap<SurfaceId, SurfaceRequest>,
    /// What `present` says.
    pub answer: Presented,
    /// What `refresh` says.
    pub freshness: Freshness,
    /// How many frames are taken before the display is busy.
    pub frames_taken: Option<usize>,
    pub fails_to_present: bool,
    /// Whether a surface can be made.
    pub refuses_surfaces: bool,
    pub edid: Option<Vec<u8>>,
    pub events: VecDeque<Event>,
    ids: SurfaceIds,
}

impl Recorder {
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
            records: Vec::new(),
            surfaces: HashMap::new(),
            answer: Presented::Taken,
            freshness: Freshness::Current,
            frames_taken: None,
            fails_to_present: false,
            refuses_surfaces: false,
            edid: None,
            events: VecDeque::new(),
            ids: SurfaceIds::default(),
        }
    }

    /// Frames among the records.
    pub fn frames(&self) -> usize {
        let frame = |record: &&Record| matches!(record, Record::Presented { .. });
        self.records.iter().filter(frame).count()
    }

    /// The only surface there is.
    pub fn only_surface(&self) -> SurfaceId {
        assert_eq!(self.surfaces.len(), 1);
        *self.surfaces.keys().next().unwrap()
    }
}

impl Display for Recorder {
    fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    fn refresh(&mut self, _: Query) -> Freshness {
        self.freshness
    }

    fn edid(&self, _: u32) -> Option<&[u8]> {
        self.edid.as_deref()
    }

    fn create_surface(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        if self.refuses_surfaces {
            return Err(DisplayError::OutOfSurfaceIds);
        }
        let surface = self.ids.allocate()?;
        self.surfaces.insert(surface, *request);
        self.records.push(Record::Created(surface, *request));
        Ok(surface)
    }

    fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let known = self
            .surfaces
            .get_mut(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })?;
        *known = *request;
        self.records.push(Record::Configured(surface, *request));
        Ok(())
    }

    fn destroy_surface(&mut self, surface: SurfaceId) {
        self.surfaces.remove(&surface).expect("a known surface");
        self.records.push(Record::Destroyed(surface));
    }

    fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        let request = self
            .surfaces
            .get(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })?;
        frame.check(request)?;
        if self.fails_to_present {
            return Err(DisplayError::OutOfMemory { bytes: 1 });
        }
        if self.answer == Presented::Busy || self.frames_taken == Some(0) {
            return Ok(Presented::Busy);
        }
        self.frames_taken = self.frames_taken.map(|frames| frames - 1);
        let memory = frame.pixels.memory();
        let mut bytes = Vec::new();
        copy::read_rect(
            &memory,
            &frame.layout,
            frame.crop,
            DrmFourcc::Xrgb8888,
            &mut bytes,
        )?;
        let pixels = bytes
            .chunks_exact(4)
            .map(|pixel| u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]))
            .collect();
        self.records.push(Record::Presented {
            surface,
            format: frame.layout.format(),
            damage: frame.damage.to_vec(),
            pixels,
        });
        Ok(Presented::Taken)
    }

    fn picture_memory(&self) -> PictureMemory {
        PictureMemory::Any
    }

    fn set_position(&mut self, surface: SurfaceId, position: Position) -> Result<(), DisplayError> {
        if !self.surfaces.contains_key(&surface) {
            return Err(DisplayError::UnknownSurface { surface });
        }
        self.records.push(Record::Moved(surface, position));
        Ok(())
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
