//! Private memory, for pictures that no other process looks at.

use vm_memory::MmapRegion;

use super::{addressable, map_error};
use crate::{Allocator, Buffer, BufferRequest, Error};

/// Makes buffers of private pages, which cost memory only once they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnonymousAllocator;

impl Allocator for AnonymousAllocator {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        let bytes = request.layout.size();
        let mapping =
            MmapRegion::new(addressable(bytes)?).map_err(|error| map_error(bytes, error))?;
        Ok(Buffer::new(request.layout, mapping))
    }
}
