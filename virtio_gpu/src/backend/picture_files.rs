//! Pictures of ours in memory files, for a display that shows them there.

use gpu_buffer::{Allocator, Buffer, BufferRequest, Image, ImageRequest, MemfdAllocator};
use gpu_display::{Display, PictureMemory};

use super::{Backend, refused};
use crate::protocol::ResourceId;
use crate::resource::ResourceTable;

/// Makes the buffers that pictures are read back into: memory files where the
/// display shows those and there are any, and what `otherwise` has elsewhere.
#[derive(Debug)]
pub(super) struct ReadBackAllocator<'a> {
    pub(super) memory: PictureMemory,
    pub(super) otherwise: &'a mut dyn Allocator,
}

impl Allocator for ReadBackAllocator<'_> {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, gpu_buffer::Error> {
        let file = match self.memory {
            PictureMemory::Any => None,
            PictureMemory::Shared => MemfdAllocator.allocate(request).ok(),
        };
        match file {
            Some(file) => Ok(file),
            None => self.otherwise.allocate(request),
        }
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, gpu_buffer::Error> {
        self.otherwise.create(request)
    }
}

impl<D: Display> Backend<D> {
    /// Has a resource of a screen's size begin in a memory file when its first
    /// pixels come: it is going to be shown, and need not move then, which
    /// takes a while for a large one.
    pub(super) fn begin_in_file(&mut self, id: ResourceId) {
        if self.display.picture_memory() == PictureMemory::Any {
            return;
        }
        let resource = self.resources.get(id).ok();
        let Some(pixels) = resource.and_then(|resource| resource.host()) else {
            return;
        };
        let layout = *pixels.layout();
        let is_new = pixels.drawn().is_none();
        let mut modes = self.display.outputs().iter().map(|output| output.mode);
        if is_new
            && modes.any(|mode| (mode.width, mode.height) == (layout.width(), layout.height()))
        {
            self.move_to_file(id, 0);
        }
    }

    /// Moves the pixels of a resource that is to be shown on a scanout into a
    /// memory file, once, if the display shows them there without a copy.
    /// Where that cannot be they stay where they are, and are copied when they
    /// are shown.
    pub(super) fn move_to_file(&mut self, id: ResourceId, scanout: usize) {
        if self.display.picture_memory() == PictureMemory::Any
            || is_in_file(&mut self.resources, id)
        {
            return;
        }
        let resources = &mut self.resources;
        self.in_files.retain(|id| is_in_file(resources, *id));
        if self.in_files.len() >= self.limits.picture_files {
            return;
        }
        let Ok(Some(pixels)) = self.resources.get(id).map(|resource| resource.host()) else {
            return;
        };
        match pixels.move_to_file() {
            Ok(()) => {
                self.in_files.push(id);
                self.count_copies(id);
            }
            Err(error) => refused(&mut self.throttle, "no memory file", scanout, &error),
        }
    }
}

fn is_in_file(resources: &mut ResourceTable, id: ResourceId) -> bool {
    let pixels = resources.get(id).ok().and_then(|resource| resource.host());
    pixels.is_some_and(|pixels| pixels.is_in_file())
}
