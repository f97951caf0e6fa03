//! RESOURCE_CREATE_2D, UNREF, ATTACH_BACKING and DETACH_BACKING.

use gpu_buffer::{Layout, ScatterList};
use gpu_display::Display;
use vm_memory::GuestMemoryMmap;

use super::Backend;
use crate::error::CommandError;
use crate::protocol::wire::MemEntry;
use crate::protocol::{ResourceCreate2d, ResourceId, Success, format};

impl<D: Display> Backend<D> {
    pub(super) fn create_2d(&mut self, create: &ResourceCreate2d) -> Result<Success, CommandError> {
        let ResourceCreate2d {
            resource,
            format,
            width,
            height,
        } = *create;
        // The id first, as every peer does: a guest that uses an id twice
        // learns it whatever else is wrong.
        if resource.0 == 0 || self.resources.get(resource).is_ok() {
            return Err(CommandError::ResourceIdTaken(resource));
        }
        let fourcc = format::from_wire(format).ok_or(CommandError::UnknownFormat(format))?;
        let sides = 1..=self.limits.side;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(CommandError::ImpossibleSize { width, height });
        }
        let layout = Layout::packed(width, height, fourcc)
            .map_err(|source| CommandError::Buffer(resource, source))?;
        self.resources.create(resource, layout, &self.limits)?;
        Ok(Success::NoData)
    }

    pub(super) fn unref(&mut self, id: ResourceId) -> Result<Success, CommandError> {
        let resource = self.resources.get(id)?;
        let (scanouts, cursors) = (resource.scanouts, resource.cursors);
        for scanout in scanouts.iter() {
            if let Ok(index) = self.scanout_index(scanout) {
                self.disable(index);
            }
        }
        for scanout in cursors.iter() {
            if let Ok(index) = self.scanout_index(scanout) {
                self.hide_cursor(index);
            }
        }
        self.resources.remove(id);
        Ok(Success::NoData)
    }

    pub(super) fn attach_backing(
        &mut self,
        id: ResourceId,
        entries: &[MemEntry],
        memory: &GuestMemoryMmap,
    ) -> Result<Success, CommandError> {
        let resource = self.resources.get(id)?;
        if resource.backing().is_some() {
            return Err(CommandError::BackingAttached(id));
        }
        if entries.is_empty() {
            return Err(CommandError::NoEntries(id));
        }
        if entries.len() > self.limits.backing_entries {
            return Err(CommandError::TooManyEntries(entries.len()));
        }
        let ranges = entries
            .iter()
            .map(|entry| (entry.addr.get(), entry.length.get()));
        let backing = ScatterList::resolve(memory, ranges)
            .map_err(|source| CommandError::Backing(id, source))?;
        self.resources.attach(id, backing, &self.limits)?;
        Ok(Success::NoData)
    }

    pub(super) fn detach_backing(&mut self, id: ResourceId) -> Result<Success, CommandError> {
        self.resources.detach(id)?;
        Ok(Success::NoData)
    }
}
