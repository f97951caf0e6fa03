//! A display that writes down what it is told.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use gpu_buffer::{
    Access, Buffer, DrmFourcc, DrmModifier, ExportedImage, ExportedPlane, ImportOptions, Layout,
    PlanePlace, Rect, Unsealed, copy, import,
};
use gpu_display::{
    Display, DisplayError, DmaBuf, Event, Frame, Freshness, Mode, Output, PictureMemory,
    PixelSource, PollFd, Position, Presented, Query, SurfaceId, SurfaceIds, SurfaceRequest,
};
use vm_memory::VolatileSlice;

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
    /// A frame in a dma-buf.
    PresentedShared {
        surface: SurfaceId,
        damage: Vec<Rect>,
        /// What is to be seen in the dma-buf, as XRGB words.
        pixels: Vec<u32>,
    },
}

/// Whether a display takes pictures in dma-bufs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmaBufs {
    Refused,
    Taken,
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
    pub dma_bufs: DmaBufs,
    /// The dma-buf that was presented last, which is kept.
    pub held: Option<Arc<DmaBuf>>,
    /// Whether a surface can be made.
    pub refuses_surfaces: bool,
    pub edid: Option<Vec<u8>>,
    pub events: VecDeque<Event>,
    /// What `picture_memory` says.
    pub memory: PictureMemory,
    /// The buffers of the frames.
    pub buffers: Vec<Weak<Buffer>>,
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
            dma_bufs: DmaBufs::Refused,
            held: None,
            refuses_surfaces: false,
            edid: None,
            events: VecDeque::new(),
            memory: PictureMemory::Any,
            buffers: Vec::new(),
            ids: SurfaceIds::default(),
        }
    }

    /// Frames among the records.
    pub fn frames(&self) -> usize {
        let frame = |record: &&Record| matches!(record, Record::Presented { .. });
        self.records.iter().filter(frame).count()
    }

    /// Takes a frame in a dma-buf, which is linear and may be a memory file.
    fn present_shared(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
        picture: &Arc<DmaBuf>,
    ) -> Result<Presented, DisplayError> {
        let plane = &picture.planes[0];
        let size = (picture.width, picture.height);
        let layout = Layout::with_stride(size.0, size.1, plane.stride, picture.format)?;
        assert_eq!((frame.layout.width(), frame.layout.height()), size);
        assert_eq!(picture.modifier, 0);
        let pixels = read_shared(picture, &layout, frame.crop)?;
        self.held = Some(Arc::clone(picture));
        self.records.push(Record::PresentedShared {
            surface,
            damage: frame.damage.to_vec(),
            pixels,
        });
        Ok(Presented::Taken)
    }

    /// The only surface there is.
    pub fn only_surface(&self) -> SurfaceId {
        assert_eq!(self.surfaces.len(), 1);
        *self.surfaces.keys().next().unwrap()
    }
}

/// All of a picture in a dma-buf, as XRGB words.
pub fn read_whole(picture: &DmaBuf) -> Vec<u32> {
    let (width, height) = (picture.width, picture.height);
    let stride = picture.planes[0].stride;
    let layout = Layout::with_stride(width, height, stride, picture.format).unwrap();
    read_shared(picture, &layout, layout.bounds()).unwrap()
}

/// A part of a picture in a dma-buf, as XRGB words.
fn read_shared(picture: &DmaBuf, layout: &Layout, crop: Rect) -> Result<Vec<u32>, DisplayError> {
    let plane = &picture.planes[0];
    let mut bytes = vec![0; layout.size() as usize];
    let file = File::from(plane.fd.try_clone().unwrap());
    if file.read_exact_at(&mut bytes, plane.offset.into()).is_ok() {
        let memory = VolatileSlice::from(&mut bytes[..]);
        return words(&memory, layout, crop);
    }
    // A real one is mapped, not read.
    let options = ImportOptions {
        access: Access::Read,
        unsealed: Unsealed::Refuse,
    };
    let imported = import(exported(picture), options)?;
    let mapped = imported.map(0, layout.bounds(), Access::Read)?;
    words(&mapped.memory(), layout, crop)
}

/// A picture in one plane as a compositor imports it.
fn exported(picture: &DmaBuf) -> ExportedImage {
    let plane = &picture.planes[0];
    ExportedImage {
        width: picture.width,
        height: picture.height,
        format: picture.format,
        modifier: DrmModifier::Linear,
        planes: vec![ExportedPlane {
            fd: plane.fd.try_clone().unwrap(),
            place: PlanePlace {
                offset: plane.offset.into(),
                stride: plane.stride,
            },
        }],
    }
}

/// A part of a picture as XRGB words.
fn words(
    memory: &VolatileSlice<'_>,
    layout: &Layout,
    crop: Rect,
) -> Result<Vec<u32>, DisplayError> {
    let mut bytes = Vec::new();
    copy::read_rect(memory, layout, crop, DrmFourcc::Xrgb8888, &mut bytes)?;
    let word = |pixel: &[u8]| u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]);
    Ok(bytes.chunks_exact(4).map(word).collect())
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
        let shared = match frame.pixels {
            PixelSource::DmaBuf(picture) if self.dma_bufs == DmaBufs::Taken => {
                frame.check_shape(request)?;
                Some(picture)
            }
            _ => {
                frame.check(request)?;
                None
            }
        };
        if self.fails_to_present {
            return Err(DisplayError::OutOfMemory { bytes: 1 });
        }
        if self.answer == Presented::Busy || self.frames_taken == Some(0) {
            return Ok(Presented::Busy);
        }
        self.frames_taken = self.frames_taken.map(|frames| frames - 1);
        if let Some(picture) = shared {
            return self.present_shared(surface, frame, picture);
        }
        if let PixelSource::Buffer(buffer) = frame.pixels {
            self.buffers.push(Arc::downgrade(buffer));
        }
        let pixels = words(&frame.pixels.memory(), &frame.layout, frame.crop)?;
        self.records.push(Record::Presented {
            surface,
            format: frame.layout.format(),
            damage: frame.damage.to_vec(),
            pixels,
        });
        Ok(Presented::Taken)
    }

    fn picture_memory(&self) -> PictureMemory {
        self.memory
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
