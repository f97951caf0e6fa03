//! Pixels in memory of ours: the contents of a 2D resource.

use std::sync::Arc;

use gpu_buffer::{
    Allocator, Buffer, BufferRequest, Layout, MemfdAllocator, Rect, ScatterList, copy,
};
use gpu_display::Damage;

/// Earlier pictures that are kept for their memory. A display that shows a
/// picture until the next one is there has two when a third is drawn: the one
/// that it shows, and the one that is on its way to it.
const MAX_SPARES: usize = 2;

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
    next: Option<Next>,
    /// Earlier pictures, the newest last. A display may still be busy with them.
    spares: Vec<Spare>,
    home: Home,
    /// Bytes copied since somebody asked.
    copied_bytes: u64,
}

/// A picture that is being made.
#[derive(Debug)]
struct Next {
    pixels: Arc<Buffer>,
    /// Where it may differ from the current one.
    drawn: Damage,
}

/// A picture that is not shown any more.
#[derive(Debug)]
struct Spare {
    pixels: Arc<Buffer>,
    /// Where it may differ from the current one.
    stale: Damage,
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
            spares: Vec::new(),
            home: Home::Private,
            copied_bytes: 0,
        }
    }

    /// Bytes that were copied into the picture's memory since the last call.
    pub fn take_copied_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.copied_bytes)
    }

    fn note_copy(&mut self, bytes: u64) {
        self.copied_bytes = self.copied_bytes.saturating_add(bytes);
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
            self.note_copy(layout.size());
        }
        self.current = Some(Arc::new(file));
        self.spares.clear();
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
        self.spares.clear();
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
        let may_write = self.home == Home::Shared || is_free(current);
        if self.next.is_some() || may_write {
            return Ok(());
        }
        // A display is still at it.
        let free = self.spares.iter().rposition(|spare| is_free(&spare.pixels));
        let Spare { pixels, stale } = match free {
            Some(index) => self.spares.remove(index),
            None => Spare {
                pixels: allocate(self.layout, self.home, allocator)
                    .map_err(TransferError::Storage)?,
                stale: damage(self.layout.bounds()),
            },
        };
        let mut copied_bytes = 0_u64;
        for stale in stale.rects().iter().filter(|stale| !rect.contains(stale)) {
            copy_rect(current, &pixels, *stale).map_err(TransferError::Storage)?;
            copied_bytes = copied_bytes.saturating_add(bytes_of(*stale));
        }
        self.note_copy(copied_bytes);
        let drawn = damage(rect);
        self.next = Some(Next { pixels, drawn });
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
            Some(next) => {
                next.drawn.add(rect);
                &next.pixels
            }
            None => {
                for spare in &mut self.spares {
                    spare.stale.add(rect);
                }
                storage(&mut self.current, self.layout, self.home, allocator)
                    .map_err(TransferError::Storage)?
            }
        };
        let stride = u64::from(self.layout.stride());
        copy::gather(backing, offset, stride, target, rect).map_err(TransferError::Copy)?;
        self.note_copy(bytes_of(rect));
        Ok(())
    }

    /// Shows what was transferred, or forgets it where that failed. The
    /// memory of earlier pictures is kept if more of them will come.
    pub fn end_transfer(&mut self, end: TransferEnd, keep: Keep) {
        if let Some(next) = self.next.take() {
            self.replace(next, end);
        }
        if keep == Keep::Nothing {
            self.spares.clear();
        }
    }

    fn replace(&mut self, next: Next, end: TransferEnd) {
        let Next { pixels, drawn } = next;
        let pixels = match (end, self.home, &self.current) {
            (TransferEnd::Done, Home::Shared, Some(current)) => {
                // Shared since the transfer began.
                pixels.memory().copy_to_volatile_slice(current.memory());
                self.note_copy(self.layout.size());
                return;
            }
            (TransferEnd::Done, ..) => {
                for spare in &mut self.spares {
                    drawn.rects().iter().for_each(|rect| spare.stale.add(*rect));
                }
                match self.current.replace(pixels) {
                    Some(before) => before,
                    None => return,
                }
            }
            (TransferEnd::Failed, ..) => pixels,
        };
        // The oldest one goes; a display that has it keeps it until it has done with it.
        if self.spares.len() >= MAX_SPARES {
            self.spares.remove(0);
        }
        let stale = drawn;
        self.spares.push(Spare { pixels, stale });
    }

    /// Lets go of memory that only speeds up drawing while a display is busy
    /// with the picture.
    pub fn release_spare(&mut self) {
        self.spares.clear();
    }
}

/// What becomes of a picture's memory when there is a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is kept for those that come.
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
        empty => Ok(empty.insert(allocate(layout, home, allocator)?)),
    }
}

/// A picture of zeros.
fn allocate(
    layout: Layout,
    home: Home,
    allocator: &mut dyn Allocator,
) -> Result<Arc<Buffer>, gpu_buffer::Error> {
    let request = BufferRequest { layout };
    let file = match home {
        Home::Private => None,
        Home::File | Home::Shared => MemfdAllocator.allocate(&request).ok(),
    };
    let buffer = match file {
        Some(file) => file,
        None => allocator.allocate(&request)?,
    };
    Ok(Arc::new(buffer))
}

/// Whether no display has the picture.
fn is_free(pixels: &Arc<Buffer>) -> bool {
    Arc::strong_count(pixels) == 1
}

fn bytes_of(rect: Rect) -> u64 {
    rect.area().saturating_mul(4)
}

fn damage(rect: Rect) -> Damage {
    let mut damage = Damage::new();
    damage.add(rect);
    damage
}

/// Copies a part of a picture to the same place in another one.
fn copy_rect(from: &Buffer, to: &Buffer, rect: Rect) -> Result<(), gpu_buffer::Error> {
    let (source, target) = (from.memory(), to.memory());
    let source = copy::slices(&source, from.layout(), rect, 0)?;
    let target = copy::slices(&target, to.layout(), rect, 0)?;
    for (from, to) in source.zip(target) {
        from.copy_to_volatile_slice(to);
    }
    Ok(())
}
