//! RESOURCE_CREATE_2D, UNREF, ATTACH_BACKING and DETACH_BACKING.

use gpu_buffer::{Layout, ScatterList};
use gpu_display::Display;
use gpu_renderer::{When, Work};
use vm_memory::GuestMemoryMmap;

use super::rendering::{Expected, resource_id};
use super::{Backend, Outcome};
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

    pub(super) fn unref(&mut self, id: ResourceId) -> Outcome {
        match self.resources.get(id) {
            Err(error) => Outcome::Done(Err(error)),
            Ok(resource) if resource.is_rendered() => {
                self.release(id);
                // The guest may use the pages of the backing for something
                // else as soon as it is answered.
                let resource = resource_id(id);
                self.render(
                    Work::DestroyResource { resource },
                    When::Taken,
                    Expected::Command,
                )
            }
            Ok(_) => {
                self.release(id);
                Outcome::Done(Ok(Success::NoData))
            }
        }
    }

    /// Undoes every use of a resource and forgets it.
    pub(super) fn release(&mut self, id: ResourceId) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
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
        self.contexts.forget(id);
        self.resources.remove(id);
    }

    pub(super) fn attach_backing(
        &mut self,
        id: ResourceId,
        entries: &[MemEntry],
        memory: &GuestMemoryMmap,
    ) -> Outcome {
        let list = match self.resolve_backing(id, entries, memory) {
            Ok(list) => list,
            Err(error) => return Outcome::Done(Err(error)),
        };
        if let Err(error) = self.check_blob_backing(id, &list) {
            return Outcome::Done(Err(error));
        }
        let rendered = self.resources.is_rendered(id);
        let for_renderer = rendered.then(|| list.clone());
        let generation = match self.resources.attach(id, list, &self.limits) {
            Ok(generation) => generation,
            Err(error) => return Outcome::Done(Err(error)),
        };
        let Some(backing) = for_renderer else {
            self.blob_is_back(id);
            return Outcome::Done(Ok(Success::NoData));
        };
        let work = Work::AttachBacking {
            resource: resource_id(id),
            backing,
        };
        self.render(work, When::Taken, |ticket| Expected::Backing {
            ticket,
            resource: id,
            generation,
        })
    }

    fn resolve_backing(
        &mut self,
        id: ResourceId,
        entries: &[MemEntry],
        memory: &GuestMemoryMmap,
    ) -> Result<ScatterList, CommandError> {
        let resource = self.resources.get(id)?;
        if resource.backing().is_some() {
            return Err(CommandError::BackingAttached(id));
        }
        if entries.is_empty() {
            return Err(CommandError::NoEntries(id));
        }
        self.resolve_entries(id, entries, memory)
    }

    /// The guest memory that a list of entries names.
    pub(super) fn resolve_entries(
        &self,
        id: ResourceId,
        entries: &[MemEntry],
        memory: &GuestMemoryMmap,
    ) -> Result<ScatterList, CommandError> {
        if entries.len() > self.limits.backing_entries {
            return Err(CommandError::TooManyEntries(entries.len()));
        }
        let ranges = entries
            .iter()
            .map(|entry| (entry.addr.get(), entry.length.get()));
        ScatterList::resolve(memory, ranges).map_err(|source| CommandError::Backing(id, source))
    }

    pub(super) fn detach_backing(&mut self, id: ResourceId) -> Outcome {
        self.let_go_of_pages(id);
        if let Err(error) = self.resources.detach(id) {
            return Outcome::Done(Err(error));
        }
        if !self.resources.is_rendered(id) {
            return Outcome::Done(Ok(Success::NoData));
        }
        let resource = resource_id(id);
        self.render(
            Work::DetachBacking { resource },
            When::Taken,
            Expected::Command,
        )
    }
}
