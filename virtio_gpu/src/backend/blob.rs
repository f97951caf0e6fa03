//! RESOURCE_CREATE_BLOB and SET_SCANOUT_BLOB, for blobs that are the guest's
//! own memory. There is no window of host memory to map blobs into.

use gpu_buffer::ScatterList;
use gpu_display::Display;
use vm_memory::GuestMemoryMmap;

use super::Backend;
use crate::blob::Framebuffer;
use crate::error::CommandError;
use crate::protocol::{ResourceCreateBlob, ResourceId, SetScanoutBlob, Success, wire};
use crate::scanout::Shown;

/// All that a driver can want to do with a blob.
const BLOB_FLAGS: u32 =
    wire::BLOB_FLAG_USE_MAPPABLE | wire::BLOB_FLAG_USE_SHAREABLE | wire::BLOB_FLAG_USE_CROSS_DEVICE;

impl<D: Display> Backend<D> {
    /// A blob without entries gets its memory with ATTACH_BACKING.
    pub(super) fn create_blob(
        &mut self,
        create: &ResourceCreateBlob<'_>,
        memory: &GuestMemoryMmap,
    ) -> Result<Success, CommandError> {
        let id = create.resource;
        if id.0 == 0 || self.resources.get(id).is_ok() {
            return Err(CommandError::ResourceIdTaken(id));
        }
        if create.memory != wire::BLOB_MEM_GUEST {
            return Err(CommandError::BlobMemory(create.memory));
        }
        if create.flags & !BLOB_FLAGS != 0 {
            return Err(CommandError::BlobFlags(create.flags));
        }
        if create.blob_id != 0 {
            return Err(CommandError::BlobObject(create.blob_id));
        }
        if create.size == 0 {
            return Err(CommandError::EmptyBlob(id));
        }
        if create.size > self.limits.blob_bytes {
            return Err(CommandError::LimitReached {
                what: "bytes of a blob",
                limit: self.limits.blob_bytes,
            });
        }
        let list = self.resolve_entries(id, create.entries, memory)?;
        let has_backing = !create.entries.is_empty();
        if has_backing {
            check_length(id, create.size, &list)?;
        }
        self.resources.create_blob(id, create.size, &self.limits)?;
        if has_backing && let Err(error) = self.resources.attach(id, list, &self.limits) {
            self.resources.remove(id);
            return Err(error);
        }
        Ok(Success::NoData)
    }

    pub(super) fn set_scanout_blob(
        &mut self,
        request: &SetScanoutBlob,
    ) -> Result<Success, CommandError> {
        let index = self.scanout_index(request.scanout)?;
        let Some(id) = request.resource else {
            self.disable(index);
            return Ok(Success::NoData);
        };
        let Some((blob, _)) = self.resources.get(id)?.blob() else {
            return Err(CommandError::NotABlob(id));
        };
        let framebuffer = Framebuffer::new(id, request, blob.size(), self.limits.side)?;
        let rect = request.rect;
        if rect.is_empty() || !framebuffer.layout.bounds().contains(&rect) {
            return Err(CommandError::RectangleOutside {
                rect,
                width: request.width,
                height: request.height,
            });
        }
        let shown = Shown {
            resource: id,
            rect,
            framebuffer: Some(framebuffer),
        };
        self.show(request.scanout, index, shown)
    }

    /// Whether the memory of a resource that is a blob is as long as the blob.
    pub(super) fn check_blob_backing(
        &mut self,
        id: ResourceId,
        list: &ScatterList,
    ) -> Result<(), CommandError> {
        match self.resources.get(id)?.blob() {
            Some((blob, _)) => check_length(id, blob.size(), list),
            None => Ok(()),
        }
    }

    /// What the guest draws into a blob is there already. Linux sends transfers
    /// all the same.
    pub(super) fn transfer_blob(&mut self, id: ResourceId) -> Result<Success, CommandError> {
        match self.resources.get(id)?.backing() {
            Some(_) => Ok(Success::NoData),
            None => Err(CommandError::NoBacking(id)),
        }
    }

    pub(super) fn no_window(&mut self, id: ResourceId) -> Result<Success, CommandError> {
        self.resources.get(id)?;
        Err(CommandError::NotInAWindow(id))
    }
}

fn check_length(id: ResourceId, size: u64, list: &ScatterList) -> Result<(), CommandError> {
    let available = list.total();
    if available < size {
        let source = gpu_buffer::Error::SourceTooShort {
            needed: size,
            available,
        };
        return Err(CommandError::Backing(id, source));
    }
    Ok(())
}
