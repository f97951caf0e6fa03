//! Reading a scatter list: its memory piece by piece, from any byte on.

use std::ops::Range;

use vm_memory::{VolatileMemory, VolatileSlice};

use super::{Piece, ScatterList};

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
    /// The piece at which it is.
    piece: usize,
    /// The extent that was read last, the pieces of that, and its mapping.
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
            extent: 0,
            pieces: 0..0,
            memory: None,
        })
    }

    /// The memory from byte `at` on: up to `end` or to the end of a piece, whichever comes first.
    /// `None` if there is nothing.
    #[inline]
    pub(crate) fn slice(&mut self, at: u64, end: u64) -> Option<VolatileSlice<'a>> {
        if at >= end {
            return None;
        }
        let piece = self.seek(at)?;
        self.part_of(piece, at, end)
    }

    /// Hands the memory of `length` bytes from `at` on to `each`, piece by piece, with the bytes
    /// before the piece. `None` if there are not so many, or `each` says so; then some pieces may
    /// have been handed over.
    ///
    /// Most copies are of pages and parts of pages, and what happens between two of them can be
    /// measured: this is as little as possible.
    #[inline]
    pub(crate) fn visit(
        &mut self,
        at: u64,
        length: u64,
        mut each: impl FnMut(VolatileSlice<'a>) -> Option<()>,
    ) -> Option<()> {
        let end = at.checked_add(length)?;
        let mut piece = self.seek(at)?;
        let mut at = at;
        while at < end {
            let part = self.part_of(piece, at, end)?;
            at = at.checked_add(u64::try_from(part.len()).ok()?)?;
            each(part)?;
            piece = piece.checked_add(1)?;
        }
        Some(())
    }

    /// The memory of a piece from byte `at` of the list on, up to `end` at most.
    #[inline]
    fn part_of(&mut self, piece: usize, at: u64, end: u64) -> Option<VolatileSlice<'a>> {
        let list = self.list;
        if !self.pieces.contains(&piece) {
            self.enter(piece)?;
        }
        let Piece { start, offset } = list.pieces.get(piece)?;
        let end = end.min(list.start_of(piece.checked_add(1)?));
        let offset = at.checked_sub(*start)?.checked_add(*offset)?;
        let length = end.checked_sub(at)?;
        let memory = self.memory.as_ref()?;
        memory
            .subslice(usize::try_from(offset).ok()?, usize::try_from(length).ok()?)
            .ok()
    }

    /// Goes to the piece that has byte `at`, which is behind the end in no piece but the last.
    #[inline]
    fn seek(&mut self, at: u64) -> Option<usize> {
        let piece = last_where(&self.list.pieces, self.piece, |piece| piece.start <= at)?;
        self.piece = piece;
        Some(piece)
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
