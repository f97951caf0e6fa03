//! Pixels in memory of ours: the contents of a 2D resource.

use std::sync::Arc;

use gpu_buffer::{
    Allocator, Buffer, BufferRequest, Layout, MemfdAllocator, Rect, ScatterList, copy,
};

/// The contents of a 2D resource.
#[derive(Debug)]
pub struct HostPixels {
    layout: Layout,
    /// `None` until something is transferred or shown, so that a resource
    /// which is only created costs a table entry. A display may keep a
    /// reference for a while; then it must not be written to.
    current: Option<Arc<Buffer>>,
    /// Where a transfer makes the next picture while a display is busy with
    /// this one.
    next: Option<Arc<Buffer>>,
    /// An earlier picture, kept for its memory.
    spare: Option<Arc<Buffer>>,
    home: Home,
}

/// Where the memory of a picture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// The device's allocator.
    Private,
    /// Memory files, as far as there are any.
    File,
    /// One memory file, which others draw into or look at: the picture stays
    /// where it is, even while a display is busy with it.
    Shared,
}

impl HostPixels {
    /// A picture without memory.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            current: None,
            next: None,
            spare: None,
            home: Home::Private,
        }
    }

    /// Size, stride and format.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The picture, allocated (and zero) at first use.
    ///
    /// # Errors
    /// What the allocator says.
    pub fn current(
        &mut self,
        allocator: &mut dyn Allocator,
    ) -> Result<&Arc<Buffer>, gpu_buffer::Error> {
        storage(&mut self.current, self.layout, self.home, allocator).map(|pixels| &*pixels)
    }

    /// Moves the picture into a memory file, and has all further memory be such
    /// files where they can be had.
    ///
    /// # Errors
    /// What the kernel says; then all stays as it was.
    pub fn move_to_file(&mut self) -> Result<(), gpu_buffer::Error> {
        let layout = self.layout;
        let file = MemfdAllocator.allocate(&BufferRequest { layout })?;
        if let Some(current) = &self.current {
            current.memory().copy_to_volatile_slice(file.memory());
        }
        self.current = Some(Arc::new(file));
        self.spare = None;
        self.home = Home::File;
        Ok(())
    }

    /// Whether [`HostPixels::move_to_file`] was done.
    pub fn is_in_file(&self) -> bool {
        self.home != Home::Private
    }

    /// The picture, if anything was ever put into it.
    pub fn drawn(&self) -> Option<&Arc<Buffer>> {
        self.current.as_ref()
    }

    /// Whether others have the picture's memory.
    pub fn is_shared(&self) -> bool {
        self.home == Home::Shared
    }

    /// The picture in memory that others can be given. It moves there the
    /// first time, and then stays where it is.
    ///
    /// # Errors
    /// What the kernel says; then all stays as it was.
    pub fn share(&mut self) -> Result<&Arc<Buffer>, gpu_buffer::Error> {
        let is_file = |pixels: &Arc<Buffer>| pixels.shared_fd().is_some();
        if !self.current.as_ref().is_some_and(is_file) {
            self.move_to_file()?;
        }
        self.home = Home::Shared;
        self.spare = None;
        let home = self.home;
        storage(&mut self.current, self.layout, home, &mut MemfdAllocator).map(|pixels| &*pixels)
    }

    /// Makes ready for [`HostPixels::transfer`]s that together write all of
    /// `rect`, so that none of it is copied in vain.
    ///
    /// # Errors
    /// [`TransferError::Storage`].
    pub fn begin_transfer(
        &mut self,
        allocator: &mut dyn Allocator,
        rect: Rect,
    ) -> Result<(), TransferError> {
        let current = storage(&mut self.current, self.layout, self.home, allocator)
            .map_err(TransferError::Storage)?;
        let may_write = self.home == Home::Shared || Arc::strong_count(current) == 1;
        if self.next.is_some() || may_write {
            return Ok(());
        }
        // A display is still at it.
        let free = |spare: &Arc<Buffer>| Arc::strong_count(spare) == 1;
        self.next = self.spare.take().filter(free);
        let next = storage(&mut self.next, self.layout, self.home, allocator)
            .map_err(TransferError::Storage)?;
        if rect != self.layout.bounds() {
            current.memory().copy_to_volatile_slice(next.memory());
        }
        Ok(())
    }

    /// Copies a rectangle from `backing`. The guest's rows are as far apart
    /// as the picture's, and `offset` is where the rectangle's first pixel is
    /// in the backing. It may not be in [`HostPixels::current`] before
    /// [`HostPixels::end_transfer`].
    ///
    /// # Errors
    /// See [`TransferError`].
    pub fn transfer(
        &mut self,
        allocator: &mut dyn Allocator,
        backing: &ScatterList,
        offset: u64,
        rect: Rect,
    ) -> Result<(), TransferError> {
        self.begin_transfer(allocator, rect)?;
        let target = match &mut self.next {
            Some(next) => next,
            None => storage(&mut self.current, self.layout, self.home, allocator)
                .map_err(TransferError::Storage)?,
        };
        let stride = u64::from(self.layout.stride());
        copy::gather(backing, offset, stride, target, rect).map_err(TransferError::Copy)
    }

    /// Shows what was transferred, or forgets it where that failed. The
    /// memory of the picture before is kept if more of them will come.
    pub fn end_transfer(&mut self, end: TransferEnd, keep: Keep) {
        let Some(next) = self.next.take() else {
            return;
        };
        let spare = match (end, self.home, &self.current) {
            (TransferEnd::Done, Home::Shared, Some(current)) => {
                // Shared since the transfer began.
                next.memory().copy_to_volatile_slice(current.memory());
                None
            }
            (TransferEnd::Done, ..) => self.current.replace(next),
            (TransferEnd::Failed, ..) => Some(next),
        };
        self.spare = spare.filter(|_| keep == Keep::Spare);
    }

    /// Lets go of memory that only speeds up drawing while a display is busy
    /// with the picture.
    pub fn release_spare(&mut self) {
        self.spare = None;
    }
}

/// What becomes of a picture's memory when there is a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is kept for the next.
    Spare,
    /// It goes.
    Nothing,
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
    /// There is no memory for the pixels.
    Storage(gpu_buffer::Error),
    /// The backing does not contain the rectangle.
    Copy(gpu_buffer::Error),
}

fn storage<'a>(
    pixels: &'a mut Option<Arc<Buffer>>,
    layout: Layout,
    home: Home,
    allocator: &mut dyn Allocator,
) -> Result<&'a mut Arc<Buffer>, gpu_buffer::Error> {
    match pixels {
        Some(buffer) => Ok(buffer),
        empty => {
            let request = BufferRequest { layout };
            let file = match home {
                Home::Private => None,
                Home::File | Home::Shared => MemfdAllocator.allocate(&request).ok(),
            };
            let buffer = match file {
                Some(file) => file,
                None => allocator.allocate(&request)?,
            };
            Ok(empty.insert(Arc::new(buffer)))
        }
    }
}
