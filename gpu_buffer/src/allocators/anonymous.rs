//! Private memory, for pictures that no other process looks at.

use crate::allocator::grant;
use crate::memory::Memory;
use crate::{Allocator, Buffer, BufferRequest, Error, Image, ImageLayout, ImageRequest, Usage};

/// Makes buffers of private pages, which cost memory only once they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnonymousAllocator;

impl Allocator for AnonymousAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let memory = Memory::private(request.layout.size())?;
        Ok(Buffer::new(request.layout, memory))
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        let usage = grant("private memory", Usage::LINEAR, request)?;
        let layout = ImageLayout::packed(request.width, request.height, request.format)?;
        let memory = Memory::private(layout.size())?;
        Ok(Image::of_memory(layout, usage, memory))
    }
}
