//! Resources: the images a guest names by number.

mod table;

use gpu_buffer::{Allocator, Layout, Rect, ScatterList};
use resource_bridge::Uuid;

use crate::blob::{Framebuffer, GuestBlob};
use crate::error::CommandError;
use crate::pixels::HostPixels;
use crate::promotion::Promotion;
use crate::protocol::{ResourceId, ScanoutId};
use crate::share::Share;

pub use table::ResourceTable;

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

/// A resource: pixels of ours or an object of the renderer, guest backing,
/// and where it is in use.
#[derive(Debug)]
pub struct Resource {
    /// Tells it from earlier resources with the same id, and from what it was
    /// while its pixels were elsewhere.
    generation: u64,
    store: Store,
    /// Guest memory that transfers copy from and to.
    backing: Option<Backing>,
    /// Bytes charged to the guest's budget of pixels, or of the renderer's
    /// memory.
    charge: u64,
    /// Its name for other devices, if the guest asked for one.
    uuid: Option<Uuid>,
    /// Scanouts that show the resource.
    pub scanouts: ScanoutSet,
    /// Scanouts whose cursor has the resource's image.
    pub cursors: ScanoutSet,
}

/// Where a resource's contents are.
#[derive(Debug)]
enum Store {
    /// In memory of ours: a 2D resource that no context has used yet.
    Host(HostPixels),
    /// In the backing: a guest blob.
    Guest(GuestBlob),
    /// With the renderer, whose copy is the truth.
    Renderer {
        /// The picture that it is, if it is one that can be shown.
        layout: Option<Layout>,
        /// What it is promoted from, until that has worked.
        promotion: Option<Promotion>,
        /// Its memory, as far as it is shared.
        share: Share,
    },
}

/// Guest memory behind a resource.
#[derive(Debug)]
struct Backing {
    list: ScatterList,
    /// Tells it from earlier ones.
    generation: u64,
    /// Entries that the guest was charged for. A change of guest memory may
    /// cut the list in other pieces.
    charge: usize,
}

impl Resource {
    /// Tells it from earlier resources with the same id.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The guest memory that transfers copy from and to.
    pub fn backing(&self) -> Option<&ScatterList> {
        self.backing.as_ref().map(|backing| &backing.list)
    }

    /// Size, stride and format of the picture that the resource is; `None`
    /// for a buffer or a texture that cannot be shown, and for a blob, which is
    /// no picture until somebody says where in it one is.
    pub fn layout(&self) -> Option<&Layout> {
        match &self.store {
            Store::Host(pixels) => Some(pixels.layout()),
            Store::Guest(_) => None,
            Store::Renderer { layout, .. } => layout.as_ref(),
        }
    }

    /// The pixels of a resource that is not the renderer's.
    pub fn host(&mut self) -> Option<&mut HostPixels> {
        match &mut self.store {
            Store::Host(pixels) => Some(pixels),
            Store::Guest(_) | Store::Renderer { .. } => None,
        }
    }

    /// The blob that the resource is, and the memory behind it as far as there
    /// is any; `None` for other resources.
    pub fn blob(&mut self) -> Option<(&mut GuestBlob, Option<&ScatterList>)> {
        let backing = self.backing.as_ref().map(|backing| &backing.list);
        match &mut self.store {
            Store::Guest(blob) => Some((blob, backing.filter(|list| list.is_mapped()))),
            Store::Host(_) | Store::Renderer { .. } => None,
        }
    }

    /// The picture that the resource is as a cursor; `None` if it is none.
    pub fn cursor_layout(&self) -> Option<Layout> {
        match &self.store {
            Store::Guest(blob) => Some(Framebuffer::cursor(blob.size())?.layout),
            Store::Host(_) | Store::Renderer { .. } => self.layout().map(|l| l.with_alpha()),
        }
    }

    /// Copies a rectangle from the backing into pixels of ours, see
    /// [`HostPixels::transfer`].
    ///
    /// # Errors
    /// [`CommandError::NoBacking`] and what the copy says; `id` is for them.
    pub fn transfer(
        &mut self,
        id: ResourceId,
        allocator: &mut dyn Allocator,
        offset: u64,
        rect: Rect,
    ) -> Result<(), CommandError> {
        let Store::Host(pixels) = &mut self.store else {
            return Err(CommandError::NotAPicture(id));
        };
        let backing = match &self.backing {
            Some(backing) if backing.list.is_mapped() => &backing.list,
            _ => return Err(CommandError::NoBacking(id)),
        };
        pixels
            .transfer(allocator, backing, offset, rect)
            .map_err(|error| CommandError::transfer(id, error))
    }

    /// Its name for other devices, if the guest asked for one.
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuid
    }

    /// Whether others have the memory of its pixels.
    pub fn is_shared(&self) -> bool {
        match &self.store {
            Store::Host(pixels) => pixels.is_shared(),
            Store::Guest(blob) => blob.is_shared(),
            Store::Renderer { share, .. } => matches!(share, Share::Asked(_) | Share::Given(_)),
        }
    }

    /// Whether the resource is a guest blob.
    pub fn is_blob(&self) -> bool {
        matches!(self.store, Store::Guest(_))
    }

    /// Whether the renderer has the contents.
    pub fn is_rendered(&self) -> bool {
        matches!(self.store, Store::Renderer { .. })
    }
}
