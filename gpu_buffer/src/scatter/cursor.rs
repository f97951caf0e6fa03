//! Reading a scatter list: its memory piece by piece, from any byte on.

use std::ops::Range;

use vm_memory::{VolatileMemory, VolatileSlice};

use super::ScatterList;

/// So far ahead a piece is looked for one by one, further with a search: a row of a picture is about
/// two pages behind the one before.
const STEPS: usize = 8;

/// The pieces of memory that [`ScatterList::slices_at`] found, in order, none of them empty.
#[derive(Clone, Debug)]
pub struct Slices<'a> {
    cursor: Cursor<'a>,
    at: u64,
    end: u64,
}

impl<'a> Slices<'a> {
    /// Those of the bytes from `at` to `end`; `None` if there are not so many.
    pub(super) fn new(list: &'a ScatterList, at: u64, end: u64) -> Option<Self> {
        let cursor = Cursor::new(list)?;
        (end <= list.total).then_some(Self { cursor, at, end })
    }
}

impl<'a> Iterator for Slices<'a> {
    type Item = VolatileSlice<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let slice = self.cursor.slice(self.at, self.end)?;
        self.at = self.at.checked_add(u64::try_from(slice.len()).ok()?)?;
        Some(slice)
    }
}

/// A place in a list that is mapped. What is not far behind it is found without a search of the
/// whole list, so that the rows of a picture may be read one by one.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    list: &'a ScatterList,
    /// The piece at which it is, and the bytes of the list that this has.
    piece: usize,
    bytes: Range<u64>,
    /// Bytes of `memory` before the piece.
    offset: u64,
    /// The extent that the piece is in, the pieces of that, and its mapping.
    extent: usize,
    pieces: Range<usize>,
    memory: Option<VolatileSlice<'a>>,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte; `None` if the list is not mapped.
    pub(crate) fn new(list: &'a ScatterList) -> Option<Self> {
        list.is_mapped().then_some(Self {
            list,
            piece: 0,
            bytes: 0..0,
            offset: 0,
            extent: 0,
            pieces: 0..0,
            memory: None,
        })
    }

    /// The memory from byte `at` on: up to `end` or to the end of a piece, whichever comes first.
    /// `None` if there is nothing.
    #[inline]
    pub(crate) fn slice(&mut self, at: u64, end: u64) -> Option<VolatileSlice<'a>> {
        self.seek(at)?;
        let length = end
            .min(self.bytes.end)
            .checked_sub(at)
            .filter(|&bytes| bytes > 0)?;
        self.within_piece(at, usize::try_from(length).ok()?)
    }

    /// Hands the memory of `length` bytes from `at` on to `each`, piece by piece, with the bytes
    /// before the piece. `None` if there are not so many, or `each` says so; then some pieces may
    /// have been handed over.
    #[inline]
    pub(crate) fn visit(
        &mut self,
        at: u64,
        length: usize,
        mut each: impl FnMut(VolatileSlice<'a>, usize) -> Option<()>,
    ) -> Option<()> {
        self.seek(at)?;
        if at.checked_add(u64::try_from(length).ok()?)? <= self.bytes.end {
            return each(self.within_piece(at, length)?, 0);
        }
        let mut done = 0_usize;
        while done < length {
            let at = at.checked_add(u64::try_from(done).ok()?)?;
            self.seek(at)?;
            let before = done;
            done = self.visit_extent(at, before..length, &mut each)?;
            if done == before {
                return None;
            }
        }
        Some(())
    }

    #[inline]
    fn within_piece(&self, at: u64, length: usize) -> Option<VolatileSlice<'a>> {
        let offset = at.checked_sub(self.bytes.start)?.checked_add(self.offset)?;
        self.memory?
            .subslice(usize::try_from(offset).ok()?, length)
            .ok()
    }

    /// Visits what the extent has from `at` on, and says how many bytes were visited then. Most
    /// copies are of pages, and what happens between two of them can be measured: this is as
    /// little as possible.
    #[inline]
    fn visit_extent(
        &mut self,
        at: u64,
        wanted: Range<usize>,
        each: &mut impl FnMut(VolatileSlice<'a>, usize) -> Option<()>,
    ) -> Option<usize> {
        let memory = self.memory?;
        let end = self.list.start_of(self.pieces.end);
        let mut pieces = self.list.pieces.get(self.piece..self.pieces.end)?;
        let mut skip = at.checked_sub(self.bytes.start)?;
        let mut done = wanted.start;
        while let [piece, behind @ ..] = pieces {
            let end = behind.first().map_or(end, |next| next.start);
            let available = end.checked_sub(piece.start)?.checked_sub(skip)?;
            let left = wanted.end.checked_sub(done)?;
            let length = left.min(usize::try_from(available).ok()?);
            let offset = usize::try_from(piece.offset.checked_add(skip)?).ok()?;
            each(memory.subslice(offset, length).ok()?, done)?;
            done = done.checked_add(length)?;
            if length == left {
                break;
            }
            skip = 0;
            pieces = behind;
        }
        Some(done)
    }

    /// Goes to the piece that has byte `at`.
    #[inline]
    fn seek(&mut self, at: u64) -> Option<()> {
        if self.bytes.contains(&at) {
            return Some(());
        }
        let list = self.list;
        self.piece = last_where(&list.pieces, self.piece, |piece| piece.start <= at)?;
        let piece = list.pieces.get(self.piece)?;
        self.bytes = piece.start..list.start_of(self.piece.checked_add(1)?);
        self.offset = piece.offset;
        if !self.pieces.contains(&self.piece) {
            self.enter(self.piece)?;
        }
        Some(())
    }

    /// Goes to the extent of `piece`.
    #[cold]
    fn enter(&mut self, piece: usize) -> Option<()> {
        let extents = &self.list.extents;
        self.extent = last_where(extents, self.extent, |extent| extent.first_piece <= piece)?;
        let extent = extents.get(self.extent)?;
        let next = extents.get(self.extent.checked_add(1)?);
        self.pieces =
            extent.first_piece..next.map_or(self.list.pieces.len(), |next| next.first_piece);
        let mapping = extent.mapping.as_ref()?;
        self.memory = Some(mapping.get_slice(0, mapping.size()).ok()?);
        Some(())
    }
}

/// The last of the `items` that `holds` is true of; it is of none behind the first that it is false
/// of. The way there is short if it is soon behind `near`.
#[inline]
fn last_where<T>(items: &[T], near: usize, holds: impl Fn(&T) -> bool) -> Option<usize> {
    let mut found = near;
    if items.get(near).is_some_and(&holds) {
        for _ in 0..STEPS {
            let next = found.checked_add(1)?;
            if !items.get(next).is_some_and(&holds) {
                return Some(found);
            }
            found = next;
        }
    }
    items.partition_point(holds).checked_sub(1)
}
