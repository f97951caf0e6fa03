//! Resources: the images a guest names by number, and what they cost.

use std::collections::HashMap;
use std::sync::Arc;

use gpu_buffer::{Allocator, Buffer, BufferRequest, Layout, Rect, ScatterList, copy};

use vm_memory::GuestMemoryMmap;

use crate::error::{CommandError, limit_reached};
use crate::limits::Limits;
use crate::protocol::{ResourceId, ScanoutId};

/// A set of scanouts: bit n stands for scanout n. A device has at most 16.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanoutSet(u16);

impl ScanoutSet {
    fn bit(scanout: ScanoutId) -> u16 {
        1_u16.checked_shl(scanout.0).unwrap_or(0)
    }

    /// Adds a scanout.
    pub fn insert(&mut self, scanout: ScanoutId) {
        self.0 |= Self::bit(scanout);
    }

    /// Takes a scanout out.
    pub fn remove(&mut self, scanout: ScanoutId) {
        self.0 &= !Self::bit(scanout);
    }

    /// Whether no scanout is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scanouts in the set, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ScanoutId> {
        (0..16)
            .map(ScanoutId)
            .filter(move |scanout| self.0 & Self::bit(*scanout) != 0)
    }
}

/// A 2D image: host pixels, guest backing, and where it is in use.
#[derive(Debug)]
pub struct Resource {
    layout: Layout,
    /// Host storage. `None` until something is transferred or shown, so that
    /// a resource which is only created costs a table entry. A display may
    /// keep a reference for a while; then it must not be written to.
    pixels: Option<Arc<Buffer>>,
    /// Where a transfer makes the next picture while a display is busy with
    /// this one.
    next: Option<Arc<Buffer>>,
    /// An earlier picture, kept for its memory.
    spare: Option<Arc<Buffer>>,
    /// Guest memory that transfers read from.
    backing: Option<Backing>,
    /// Scanouts that show the resource.
    pub scanouts: ScanoutSet,
    /// Scanouts whose cursor has the resource's image.
    pub cursors: ScanoutSet,
}

/// Guest memory behind a resource.
#[derive(Debug)]
struct Backing {
    list: ScatterList,
    /// Entries that the guest was charged for. A change of guest memory may
    /// cut the list in other pieces.
    charge: usize,
}

impl Resource {
    /// The guest memory that transfers read from.
    pub fn backing(&self) -> Option<&ScatterList> {
        self.backing.as_ref().map(|backing| &backing.list)
    }

    /// Size, stride and format of the host pixels.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The host pixels, allocated (and zero) at first use.
    ///
    /// # Errors
    /// What the allocator says.
    pub fn pixels(
        &mut self,
        allocator: &mut dyn Allocator,
    ) -> Result<&Arc<Buffer>, gpu_buffer::Error> {
        storage(&mut self.pixels, self.layout, allocator).map(|pixels| &*pixels)
    }

    /// Makes ready for [`Resource::transfer`]s that together write all of
    /// `rect`, so that none of it is copied in vain.
    ///
    /// # Errors
    /// [`TransferError::Storage`].
    pub fn begin_transfer(
        &mut self,
        allocator: &mut dyn Allocator,
        rect: Rect,
    ) -> Result<(), TransferError> {
        let pixels =
            storage(&mut self.pixels, self.layout, allocator).map_err(TransferError::Storage)?;
        if self.next.is_some() || Arc::strong_count(pixels) == 1 {
            return Ok(());
        }
        // A display is still at it.
        let free = |spare: &Arc<Buffer>| Arc::strong_count(spare) == 1;
        self.next = self.spare.take().filter(free);
        let next =
            storage(&mut self.next, self.layout, allocator).map_err(TransferError::Storage)?;
        if rect != self.layout.bounds() {
            pixels.memory().copy_to_volatile_slice(next.memory());
        }
        Ok(())
    }

    /// Copies a rectangle from the backing. The guest's rows are as far apart
    /// as the resource's, and `offset` is where the rectangle's first pixel is
    /// in the backing. It may not be in [`Resource::pixels`] before
    /// [`Resource::end_transfer`].
    ///
    /// # Errors
    /// See [`TransferError`].
    pub fn transfer(
        &mut self,
        allocator: &mut dyn Allocator,
        offset: u64,
        rect: Rect,
    ) -> Result<(), TransferError> {
        self.begin_transfer(allocator, rect)?;
        let backing = match &self.backing {
            Some(backing) if backing.list.is_mapped() => &backing.list,
            _ => return Err(TransferError::NoBacking),
        };
        let target = match &mut self.next {
            Some(next) => next,
            None => {
                storage(&mut self.pixels, self.layout, allocator).map_err(TransferError::Storage)?
            }
        };
        let stride = u64::from(self.layout.stride());
        copy::gather(backing, offset, stride, target, rect).map_err(TransferError::Copy)
    }

    /// Shows what was transferred, or forgets it where that failed.
    pub fn end_transfer(&mut self, end: TransferEnd) {
        let Some(next) = self.next.take() else {
            return;
        };
        let spare = match end {
            TransferEnd::Done => self.pixels.replace(next),
            TransferEnd::Failed => Some(next),
        };
        self.spare = spare.filter(|_| !self.scanouts.is_empty());
    }

    /// Lets go of memory that only speeds up drawing while a display is busy
    /// with the picture.
    pub fn release_spare(&mut self) {
        self.spare = None;
    }
}

/// What became of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEnd {
    /// All of it was copied.
    Done,
    /// It was given up.
    Failed,
}

/// Why a transfer failed.
#[derive(Debug)]
pub enum TransferError {
    /// The resource has no backing.
    NoBacking,
    /// There is no memory for the host pixels.
    Storage(gpu_buffer::Error),
    /// The backing does not contain the rectangle.
    Copy(gpu_buffer::Error),
}

fn storage<'a>(
    pixels: &'a mut Option<Arc<Buffer>>,
    layout: Layout,
    allocator: &mut dyn Allocator,
) -> Result<&'a mut Arc<Buffer>, gpu_buffer::Error> {
    match pixels {
        Some(buffer) => Ok(buffer),
        empty => {
            let buffer = allocator.allocate(&BufferRequest { layout })?;
            Ok(empty.insert(Arc::new(buffer)))
        }
    }
}

/// All resources of a device.
#[derive(Debug, Default)]
pub struct ResourceTable {
    resources: HashMap<ResourceId, Resource>,
    host_bytes: u64,
    backing_entries: usize,
}

impl ResourceTable {
    /// Makes a resource and charges its pixels to the guest's budget.
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
        if id.0 == 0 || self.resources.contains_key(&id) {
            return Err(CommandError::ResourceIdTaken(id));
        }
        if self.resources.len() >= limits.resources {
            return Err(limit_reached("resources", limits.resources));
        }
        let host_bytes = self
            .host_bytes
            .checked_add(layout.size())
            .filter(|sum| *sum <= limits.host_bytes)
            .ok_or(CommandError::LimitReached {
                what: "bytes of pixels",
                limit: limits.host_bytes,
            })?;
        self.host_bytes = host_bytes;
        self.resources.insert(
            id,
            Resource {
                layout,
                pixels: None,
                next: None,
                spare: None,
                backing: None,
                scanouts: ScanoutSet::default(),
                cursors: ScanoutSet::default(),
            },
        );
        Ok(())
    }

    /// Takes a resource out of the table and returns its charges.
    pub fn remove(&mut self, id: ResourceId) -> Option<Resource> {
        let mut resource = self.resources.remove(&id)?;
        self.host_bytes = self.host_bytes.saturating_sub(resource.layout.size());
        self.release_backing(&mut resource);
        Some(resource)
    }

    /// Gives a resource its backing.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`], [`CommandError::BackingAttached`],
    /// [`CommandError::LimitReached`] for the entries of all backings.
    pub fn attach(
        &mut self,
        id: ResourceId,
        backing: ScatterList,
        limits: &Limits,
    ) -> Result<(), CommandError> {
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
            charge,
        });
        Ok(())
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

    fn release_backing(&mut self, resource: &mut Resource) {
        if let Some(backing) = resource.backing.take() {
            self.backing_entries = self.backing_entries.saturating_sub(backing.charge);
        }
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

    /// A resource by its id.
    ///
    /// # Errors
    /// [`CommandError::UnknownResource`].
    pub fn get(&mut self, id: ResourceId) -> Result<&mut Resource, CommandError> {
        self.resources
            .get_mut(&id)
            .ok_or(CommandError::UnknownResource(id))
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
}
