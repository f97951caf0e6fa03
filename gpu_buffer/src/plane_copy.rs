//! Copies of the samples of a plane, which a driver may put anywhere: between scattered guest
//! memory or a piece of memory, and a rectangle of a plane. Nothing is written when a side is too
//! short.

use vm_memory::VolatileSlice;

use crate::{Error, Layout, Rect, ScatterList, Span};

/// Copies scattered memory into the rectangle `rect` of `memory`, which lies as `layout` says. The
/// first sample is at byte `offset` of `source`, rows are `source_stride` bytes apart there.
///
/// # Errors
/// [`Error::OutsidePicture`], [`Error::SourceTooShort`], [`Error::DestinationTooShort`].
pub fn write_plane(
    source: &Scattered<'_>,
    memory: &VolatileSlice<'_>,
    layout: &Layout,
    rect: Rect,
) -> Result<(), Error> {
    let span = span_of(layout, rect)?;
    let available = source.list.total();
    let too_short = |needed| Error::SourceTooShort { needed, available };
    let end = span.end_at(source.offset, source.stride);
    if end.is_none_or(|end| end > available) {
        return Err(too_short(end.unwrap_or(u64::MAX)));
    }
    let beyond = || beyond(&span, memory);
    let whole = piece(memory, 0, span.end).ok_or_else(beyond)?;
    for row in 0..u64::from(span.rows) {
        let from = at(source.offset, row, source.stride);
        let to = at(span.first, row, span.stride);
        let mut rest = piece(&whole, to, span.row_bytes).ok_or_else(beyond)?;
        let pieces = source.list.slices_at(from, span.row_bytes);
        for slice in pieces.ok_or_else(|| too_short(u64::MAX))? {
            slice.copy_to_volatile_slice(rest);
            rest = rest.offset(slice.len()).map_err(|_| beyond())?;
        }
    }
    Ok(())
}

/// Where a rectangle's rows are in scattered memory.
#[derive(Clone, Copy, Debug)]
pub struct Scattered<'a> {
    /// The memory.
    pub list: &'a ScatterList,
    /// Byte of the first sample.
    pub offset: u64,
    /// Bytes from the start of one row to the start of the next.
    pub stride: u64,
}

/// Copies the rectangle `rect` of `memory`, which lies as `layout` says, to the start of
/// `destination`, its rows `stride` bytes apart there.
///
/// # Errors
/// [`Error::OutsidePicture`], [`Error::SourceTooShort`], [`Error::DestinationTooShort`].
pub fn read_plane(
    memory: &VolatileSlice<'_>,
    layout: &Layout,
    rect: Rect,
    destination: &VolatileSlice<'_>,
    stride: u64,
) -> Result<(), Error> {
    let span = span_of(layout, rect)?;
    let source_short = || Error::SourceTooShort {
        needed: span.end,
        available: length(memory),
    };
    let needed = span.end_at(0, stride).unwrap_or(u64::MAX);
    let destination_short = || Error::DestinationTooShort {
        needed,
        available: length(destination),
    };
    let whole = piece(memory, 0, span.end).ok_or_else(source_short)?;
    let target = piece(destination, 0, needed).ok_or_else(destination_short)?;
    for row in 0..u64::from(span.rows) {
        let from = piece(&whole, at(span.first, row, span.stride), span.row_bytes);
        let to = piece(&target, at(0, row, stride), span.row_bytes);
        let from = from.ok_or_else(source_short)?;
        from.copy_to_volatile_slice(to.ok_or_else(destination_short)?);
    }
    Ok(())
}

fn span_of(layout: &Layout, rect: Rect) -> Result<Span, Error> {
    layout.span(&rect).ok_or(Error::OutsidePicture {
        rect,
        width: layout.width(),
        height: layout.height(),
    })
}

fn at(first: u64, row: u64, stride: u64) -> u64 {
    first.saturating_add(row.saturating_mul(stride))
}

fn piece<'a>(memory: &VolatileSlice<'a>, offset: u64, bytes: u64) -> Option<VolatileSlice<'a>> {
    let offset = usize::try_from(offset).ok()?;
    memory.subslice(offset, usize::try_from(bytes).ok()?).ok()
}

fn length(memory: &VolatileSlice<'_>) -> u64 {
    u64::try_from(memory.len()).unwrap_or(u64::MAX)
}

fn beyond(span: &Span, memory: &VolatileSlice<'_>) -> Error {
    Error::DestinationTooShort {
        needed: span.end,
        available: length(memory),
    }
}
