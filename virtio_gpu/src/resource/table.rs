//! The table of a device's resources: their numbers, their memory and what all of them cost together.

use std::collections::HashMap;

use gpu_buffer::{Layout, ScatterList};
use resource_bridge::Uuid;
use vm_memory::GuestMemoryMmap;

use super::{Backing, Resource, ScanoutSet, Store};
use crate::blob::GuestBlob;
use crate::error::{CommandError, limit_reached};
use crate::limits::Limits;
use crate::pixels::HostPixels;
use crate::promotion::{Promotee, Promotion, PromotionEnd};
use crate::protocol::ResourceId;
use crate::share::Share;

/// All resources of a device.
#[derive(Debug, Default)]
pub struct ResourceTable {
    resources: HashMap<ResourceId, Resource>,
    /// Which resource has a UUID.
    named: HashMap<Uuid, ResourceId>,
    last_generation: u64,
    host_bytes: u64,
    renderer_bytes: u64,
    backing_entries: usize,
}

impl ResourceTable {
    /// Makes a 2D resource and charges its pixels to the guest's budget.
    ///
    /// # Errors
    /// [`CommandError::ResourceIdTaken`], or [`CommandError::LimitReached`]
    /// for count and bytes.
    pub fn create(
        &mut self,
        id: ResourceId,
        layout: Layout,
        limits: &Limits,
    ) -> Result<(), CommandError> {
        self.check_id(id, limits)?;
        let charge = layout.size();
        self.host_bytes = charged(
            self.host_bytes,
            charge,
            limits.host_bytes,
            "bytes of pixels",
        )?;
        self.insert(id, Store::Host(HostPixels::new(layout)), charge);
        Ok(())
    }

    /// Notes a resource of the renderer's, with `layout` if it can be shown,
    /// and charges its bytes. Returns its generation.
    ///
    /// # Errors
    /// Those of [`ResourceTable::create`].
    pub fn create_rendered(
        &mut self,
        id: ResourceId,
        layout: Option<Layout>,
        bytes: u64,
        limits: &Limits,
    ) -> Result<u64, CommandError> {
        self.check_id(id, limits)?;
        self.renderer_bytes = charged(
            self.renderer_bytes,
            bytes,
            limits.renderer_bytes,
            "bytes of the renderer's",
        )?;
        let store = Store::Renderer {
            layout,
            promotion: None,
            share: Share::Unknown,
        };
        self.insert(id, store, bytes);
        Ok(self.last_generation)
    }

    /// Makes a guest blob, which costs the guest nothing but its entry here.
    ///
    /// # Errors
    /// Those of [`ResourceTable::create`].
    pub fn create_blob(
        &mut self,
        id: ResourceId,
        size: u64,
        limits: &Limits,
    ) -> Result<(), CommandError> {
        self.check_id(id, limits)?;
        self.insert(id, Store::Guest(GuestBlob::new(size)), 0);
        Ok(())
    }

    fn check_id(&self, id: ResourceId, limits: &Limits) -> Result<(), CommandError> {
        if id.0 == 0 || self.resources.contains_key(&id) {
            return Err(CommandError::ResourceIdTaken(id));
        }
        if self.resources.len() >= limits.resources {
            return Err(limit_reached("resources", limits.resources));
        }
        Ok(())
    }

    fn next_generation(&mut self) -> u64 {
        self.last_generation = self.last_generation.wrapping_add(1);
        self.last_generation
    }

    fn insert(&mut self, id: ResourceId, store: Store, charge: u64) {
        let generation = self.next_generation();
        self.resources.insert(
            id,
            Resource {
                generation,
                store,
                backing: None,
                charge,
                uuid: None,
                scanouts: ScanoutSet::default(),
                cursors: ScanoutSet::default(),
            },
        );
    }

    /// Takes a resource out of the table and returns its charges.
    pub fn remove(&mut self, id: ResourceId) -> Option<Resource> {
        let mut resource = self.resources.remove(&id)?;
        self.return_charge(&resource);
        self.release_backing(&mut resource);
        if let Some(uuid) = resource.uuid {
            self.named.remove(&uuid);
        }
        Some(resource)
    }

    /// Forgets all resources. Generations go on: whoever remembers one must
    /// not take a later resource for it.
    pub fn clear(&mut self) {
        *self = Self {
            last_generation: self.last_generation,
            ..Self::default()
        };
    }

    /// Gives back what a resource was charged where its contents are: while
    /// it is promoted that is on both sides.
    fn return_charge(&mut self, resource: &Resource) {
        if !matches!(
            resource.store,
            Store::Renderer {
                promotion: None,
                ..
            }
        ) {
            self.host_bytes = self.host_bytes.saturating_sub(resource.charge);
        }
        if resource.is_rendered() {
            self.renderer_bytes = self.renderer_bytes.saturating_sub(resource.charge);
        }
    }

    /// Gives a resource its backing; returns the backing's generation.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`], [`CommandError::BackingAttached`],
    /// [`CommandError::LimitReached`] for the entries of all backings.
    pub fn attach(
        &mut self,
        id: ResourceId,
        backing: ScatterList,
        limits: &Limits,
    ) -> Result<u64, CommandError> {
        let generation = self.next_generation();
        let resource = self
            .resources
            .get_mut(&id)
            .ok_or(CommandError::UnknownResource(id))?;
        if resource.backing.is_some() {
            return Err(CommandError::BackingAttached(id));
        }
        let charge = backing.ranges();
        self.backing_entries = self
            .backing_entries
            .checked_add(charge)
            .filter(|sum| *sum <= limits.total_backing_entries)
            .ok_or_else(|| limit_reached("backing entries", limits.total_backing_entries))?;
        resource.backing = Some(Backing {
            list: backing,
            generation,
            charge,
        });
        Ok(generation)
    }

    /// Takes a resource's backing away.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`], [`CommandError::NoBacking`].
    pub fn detach(&mut self, id: ResourceId) -> Result<(), CommandError> {
        let resource = self
            .resources
            .get_mut(&id)
            .ok_or(CommandError::UnknownResource(id))?;
        let backing = resource.backing.take().ok_or(CommandError::NoBacking(id))?;
        self.backing_entries = self.backing_entries.saturating_sub(backing.charge);
        Ok(())
    }

    /// Takes a resource's backing away if it is still the one of `generation`.
    pub fn detach_generation(&mut self, id: ResourceId, generation: u64) {
        let backing = self.resources.get(&id).and_then(|r| r.backing.as_ref());
        if backing.is_some_and(|backing| backing.generation == generation) {
            let _ = self.detach(id);
        }
    }

    fn release_backing(&mut self, resource: &mut Resource) {
        if let Some(backing) = resource.backing.take() {
            self.backing_entries = self.backing_entries.saturating_sub(backing.charge);
        }
    }

    /// Hands the contents of a 2D resource over to the renderer, as another
    /// generation where others have the memory of its pixels. It is charged
    /// on both sides until [`ResourceTable::end_promotion_job`] says which it
    /// is. `None` if there is no such resource, or it is the renderer's.
    ///
    /// # Errors
    /// [`CommandError::LimitReached`]; nothing changed.
    pub fn begin_promotion(
        &mut self,
        id: ResourceId,
        limits: &Limits,
    ) -> Result<Option<Promotee>, CommandError> {
        let next_generation = self.last_generation.wrapping_add(1);
        let Some(resource) = self.resources.get_mut(&id) else {
            return Ok(None);
        };
        let Store::Host(pixels) = &resource.store else {
            return Ok(None);
        };
        self.renderer_bytes = charged(
            self.renderer_bytes,
            resource.charge,
            limits.renderer_bytes,
            "bytes of the renderer's",
        )?;
        if pixels.is_shared() {
            // Who has their memory finds nothing new there from now on.
            self.last_generation = next_generation;
            resource.generation = next_generation;
        }
        let backing = resource.backing.as_ref().map(|backing| &backing.list);
        let promotee = Promotee {
            generation: resource.generation,
            layout: *pixels.layout(),
            pixels: pixels.drawn().cloned(),
            backing: backing.filter(|list| list.is_mapped()).cloned(),
        };
        let renderer = Store::Renderer {
            layout: Some(promotee.layout),
            promotion: None,
            share: Share::Unknown,
        };
        let host = std::mem::replace(&mut resource.store, renderer);
        if let (Store::Renderer { promotion, .. }, Store::Host(pixels)) =
            (&mut resource.store, host)
        {
            *promotion = Some(Promotion::new(pixels, promotee.jobs()));
        }
        Ok(Some(promotee))
    }

    /// Notes the end of a job of a promotion, if the resource is still the one
    /// of `generation`; `Some` if the promotion is over.
    pub fn end_promotion_job<E>(
        &mut self,
        id: ResourceId,
        generation: u64,
        result: &Result<(), E>,
    ) -> Option<PromotionEnd> {
        let resource = self.resources.get_mut(&id)?;
        let Store::Renderer { promotion, .. } = &mut resource.store else {
            return None;
        };
        if resource.generation != generation {
            return None;
        }
        let end = promotion.as_mut()?.end_job(result)?;
        let pixels = promotion.take()?.into_pixels();
        let returned = match end {
            PromotionEnd::Done => &mut self.host_bytes,
            PromotionEnd::Refused | PromotionEnd::Spoilt => {
                resource.store = Store::Host(pixels);
                &mut self.renderer_bytes
            }
        };
        *returned = returned.saturating_sub(resource.charge);
        Some(end)
    }

    /// The blobs that are not in `memory` where they were before. Their pages
    /// are given to nobody any more.
    pub fn move_blobs(&mut self, memory: &GuestMemoryMmap) -> Vec<ResourceId> {
        let mut moved = Vec::new();
        for (id, resource) in &mut self.resources {
            let backing = resource.backing.as_ref();
            if let Store::Guest(blob) = &mut resource.store
                && backing.is_some_and(|backing| !backing.list.is_mapped_in(memory))
            {
                blob.forget_pages();
                moved.push(*id);
            }
        }
        moved
    }

    /// Looks every backing up in `memory`; returns how many are not there.
    pub fn remap_backing(&mut self, memory: &GuestMemoryMmap) -> usize {
        self.resources
            .values_mut()
            .filter_map(|resource| resource.backing.as_mut())
            .map(|backing| backing.list.remap(memory))
            .filter(|mapped| !mapped)
            .count()
    }

    /// The UUID of a resource, which `new` makes when it is asked for the first
    /// time. It goes with the resource.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`], and what `new` says.
    pub fn assign_uuid(
        &mut self,
        id: ResourceId,
        new: impl FnOnce() -> Result<Uuid, CommandError>,
    ) -> Result<Uuid, CommandError> {
        let resource = self.resources.get_mut(&id);
        let resource = resource.ok_or(CommandError::UnknownResource(id))?;
        if let Some(uuid) = resource.uuid {
            return Ok(uuid);
        }
        let uuid = new()?;
        resource.uuid = Some(uuid);
        self.named.insert(uuid, id);
        Ok(uuid)
    }

    /// The resource with a UUID.
    pub fn named(&self, uuid: &Uuid) -> Option<ResourceId> {
        self.named.get(uuid).copied()
    }

    /// The picture that a resource is.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`], [`CommandError::NotAPicture`].
    pub fn layout(&self, id: ResourceId) -> Result<Layout, CommandError> {
        let resource = self.resources.get(&id);
        let resource = resource.ok_or(CommandError::UnknownResource(id))?;
        resource
            .layout()
            .copied()
            .ok_or(CommandError::NotAPicture(id))
    }

    /// The picture that a resource is as a cursor.
    ///
    /// # Errors
    /// Those of [`ResourceTable::layout`].
    pub fn cursor_layout(&self, id: ResourceId) -> Result<Layout, CommandError> {
        let resource = self.resources.get(&id);
        let resource = resource.ok_or(CommandError::UnknownResource(id))?;
        resource
            .cursor_layout()
            .ok_or(CommandError::NotAPicture(id))
    }

    /// The backings of the renderer's resources that are in guest memory.
    pub fn rendered_backings(&self) -> impl Iterator<Item = (ResourceId, &ScatterList)> {
        self.resources
            .iter()
            .filter(|(_, resource)| resource.is_rendered())
            .filter_map(|(id, resource)| Some((*id, resource.backing()?)))
            .filter(|(_, backing)| backing.is_mapped())
    }

    /// Whether a resource is still the one of `generation`.
    pub fn is_generation(&self, id: ResourceId, generation: u64) -> bool {
        self.resources
            .get(&id)
            .is_some_and(|resource| resource.generation == generation)
    }

    /// Whether a resource is a guest blob.
    pub fn is_blob(&self, id: ResourceId) -> bool {
        self.resources.get(&id).is_some_and(Resource::is_blob)
    }

    /// Whether the renderer has the contents of a resource.
    pub fn is_rendered(&self, id: ResourceId) -> bool {
        self.resources.get(&id).is_some_and(Resource::is_rendered)
    }

    /// The memory of a resource of the renderer's; `None` for others.
    pub(crate) fn share(&mut self, id: ResourceId) -> Option<&mut Share> {
        match &mut self.resources.get_mut(&id)?.store {
            Store::Host(_) | Store::Guest(_) => None,
            Store::Renderer { share, .. } => Some(share),
        }
    }

    /// A resource by its id.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`].
    pub fn get(&mut self, id: ResourceId) -> Result<&mut Resource, CommandError> {
        self.resources
            .get_mut(&id)
            .ok_or(CommandError::UnknownResource(id))
    }

    /// Number of resources whose pixels others have.
    pub fn shared(&self) -> usize {
        let shared = |resource: &&Resource| resource.is_shared();
        self.resources.values().filter(shared).count()
    }

    /// Number of live resources.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there is no resource.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Pieces of guest memory that all backings together refer to.
    pub fn backing_entries(&self) -> usize {
        self.backing_entries
    }

    /// Bytes charged for pixels.
    pub fn host_bytes(&self) -> u64 {
        self.host_bytes
    }

    /// Bytes charged for the renderer's resources.
    pub fn renderer_bytes(&self) -> u64 {
        self.renderer_bytes
    }
}

/// The sum after a charge.
fn charged(sum: u64, charge: u64, limit: u64, what: &'static str) -> Result<u64, CommandError> {
    sum.checked_add(charge)
        .filter(|sum| *sum <= limit)
        .ok_or(CommandError::LimitReached { what, limit })
}
