//! Copies between scattered guest memory, linear pictures and plain bytes.
//!
//! Memory that a guest can write is only ever copied through volatile slices: there is never a
//! Rust reference to it, and nothing read from it is believed twice.

use drm_fourcc::DrmFourcc;
use vm_memory::{VolatileSlice, WriteVolatile};

use crate::scatter::Cursor;
use crate::{Buffer, ChannelOrder, Error, Layout, Rect, ScatterList, Span, channel_order};

/// Copies the rectangle `rect` into `buffer`. Its first pixel is at byte `offset` of `source`, and
/// its rows are `source_stride` bytes apart there (`TRANSFER_TO_HOST_2D`, VIRTIO 1.4 §5.7.6.8).
///
/// # Errors
/// [`Error::OutsidePicture`], [`Error::SourceTooShort`], [`Error::DestinationTooShort`]; then
/// nothing was written.
pub fn gather(
    source: &ScatterList,
    offset: u64,
    source_stride: u64,
    buffer: &Buffer,
    rect: Rect,
) -> Result<(), Error> {
    let memory = buffer.memory();
    let span = span_within(&memory, buffer.layout(), rect, Side::Destination)?;
    let available = source.total();
    let too_short = |needed| Error::SourceTooShort { needed, available };
    let end = span
        .end_at(offset, source_stride)
        .ok_or_else(|| too_short(u64::MAX))?;
    if end > available {
        return Err(too_short(end));
    }

    let mut cursor = Cursor::new(source).ok_or_else(|| too_short(end))?;
    let mut from = offset;
    let mut to = span.first;
    for run in runs(&span, source_stride) {
        let mut to_piece = to;
        let copy = |piece: VolatileSlice<'_>| {
            let target = memory
                .subslice(usize::try_from(to_piece).ok()?, piece.len())
                .ok()?;
            piece.copy_to_volatile_slice(target);
            to_piece = to_piece.saturating_add(u64::try_from(piece.len()).ok()?);
            Some(())
        };
        cursor
            .visit(from, run, copy)
            .ok_or_else(|| too_short(end))?;
        from = from.saturating_add(source_stride);
        to = to.saturating_add(span.stride);
    }
    Ok(())
}

/// Appends the pixels of `rect`, tightly packed and in the format `to`, to `out`.
///
/// Where the picture has no alpha and `to` has, alpha is 0xff. The unused byte of a target without
/// alpha means nothing: whoever reads it must not look at it.
///
/// # Errors
/// [`Error::UnsupportedFormat`], [`Error::OutsidePicture`], [`Error::SourceTooShort`],
/// [`Error::NoMemory`]; then `out` is as it was.
pub fn read_rect(
    memory: &VolatileSlice<'_>,
    layout: &Layout,
    rect: Rect,
    to: DrmFourcc,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let order = |format| channel_order(format).ok_or(Error::UnsupportedFormat { format });
    let (from, to) = (order(layout.format())?, order(to)?);
    let span = span_within(memory, layout, rect, Side::Source)?;

    let bytes = span.row_bytes.saturating_mul(u64::from(span.rows));
    out.try_reserve(usize::try_from(bytes).unwrap_or(usize::MAX))
        .map_err(|_| Error::NoMemory { bytes })?;
    let mut at = span.first;
    let old_length = out.len();
    for run in runs(&span, span.row_bytes) {
        let row = subslice(memory, at, run)?;
        // A vector takes all there is.
        let _ = out.write_volatile(&row);
        at = at.saturating_add(span.stride);
    }
    if let Some(pixels) = out.get_mut(old_length..)
        && !same_bytes(&from, &to)
    {
        reorder(pixels, &from, &to);
    }
    Ok(())
}

/// Whether the bytes of a picture in the format `from` are those of the same picture in the format
/// `to`. The unused byte of a target without alpha means nothing.
pub fn is_same_bytes(from: DrmFourcc, to: DrmFourcc) -> bool {
    match (channel_order(from), channel_order(to)) {
        (Some(from), Some(to)) => same_bytes(&from, &to),
        _ => false,
    }
}

/// The memory of the pixels of `rect`, row by row, without its first `skip` bytes; all in one piece
/// where there are no gaps between the rows.
///
/// # Errors
/// [`Error::OutsidePicture`], [`Error::SourceTooShort`].
pub fn slices<'a>(
    memory: &VolatileSlice<'a>,
    layout: &Layout,
    rect: Rect,
    skip: u64,
) -> Result<impl Iterator<Item = VolatileSlice<'a>>, Error> {
    let span = span_within(memory, layout, rect, Side::Source)?;
    let run = runs(&span, span.row_bytes).next().unwrap_or(span.row_bytes);
    let pieces = match run == span.row_bytes {
        true => u64::from(span.rows),
        false => 1,
    };
    let memory = *memory;
    let whole = skip.checked_div(run).unwrap_or(0);
    let within = skip.checked_rem(run).unwrap_or(0);
    Ok((whole..pieces).map_while(move |piece| {
        let cut = if piece == whole { within } else { 0 };
        let at = piece.checked_mul(span.stride)?.checked_add(span.first)?;
        subslice(&memory, at.checked_add(cut)?, run.checked_sub(cut)?).ok()
    }))
}

/// Which end of a copy a piece of memory is.
enum Side {
    Source,
    Destination,
}

/// The span of `rect`, all of which is really inside `memory`.
fn span_within(
    memory: &VolatileSlice<'_>,
    layout: &Layout,
    rect: Rect,
    side: Side,
) -> Result<Span, Error> {
    let span = layout.span(&rect).ok_or(Error::OutsidePicture {
        rect,
        width: layout.width(),
        height: layout.height(),
    })?;
    let needed = span.end;
    let available = u64::try_from(memory.len()).unwrap_or(u64::MAX);
    match side {
        _ if needed <= available => Ok(span),
        Side::Source => Err(Error::SourceTooShort { needed, available }),
        Side::Destination => Err(Error::DestinationTooShort { needed, available }),
    }
}

/// The lengths of the contiguous runs to copy between `span` and rows that are `other_stride`
/// apart: all rows at once where neither side has gaps.
fn runs(span: &Span, other_stride: u64) -> impl Iterator<Item = u64> {
    let gapless = span.stride == span.row_bytes && other_stride == span.row_bytes;
    let (run, count) = if gapless {
        (span.end.saturating_sub(span.first), 1)
    } else {
        (span.row_bytes, span.rows)
    };
    (0..count).map(move |_| run)
}

fn subslice<'a>(
    memory: &VolatileSlice<'a>,
    offset: u64,
    length: u64,
) -> Result<VolatileSlice<'a>, Error> {
    let available = u64::try_from(memory.len()).unwrap_or(u64::MAX);
    let beyond = || Error::DestinationTooShort {
        needed: offset.saturating_add(length),
        available,
    };
    let offset = usize::try_from(offset).map_err(|_| beyond())?;
    let length = usize::try_from(length).map_err(|_| beyond())?;
    memory.subslice(offset, length).map_err(|_| beyond())
}

/// Whether pixels of `from` are already pixels of `to`.
fn same_bytes(from: &ChannelOrder, to: &ChannelOrder) -> bool {
    let same_color = (from.red, from.green, from.blue) == (to.red, to.green, to.blue);
    same_color && (to.alpha.is_none() || from.alpha.is_some())
}

fn reorder(pixels: &mut [u8], from: &ChannelOrder, to: &ChannelOrder) {
    let moves = [
        (shift(from.red), shift(to.red)),
        (shift(from.green), shift(to.green)),
        (shift(from.blue), shift(to.blue)),
    ];
    let alpha_to = shift(fourth_byte(to));
    let alpha_from = from.alpha.map(shift);
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let word = u32::from_le_bytes(*pixel);
        let channel = |from: u32, to: u32| (word.wrapping_shr(from) & 0xff).wrapping_shl(to);
        let alpha = match alpha_from {
            Some(from) => channel(from, alpha_to),
            None => 0xff_u32.wrapping_shl(alpha_to),
        };
        let colors = moves
            .iter()
            .fold(0, |sum, &(from, to)| sum | channel(from, to));
        *pixel = (colors | alpha).to_le_bytes();
    }
}

/// The byte that the three colours leave free.
fn fourth_byte(order: &ChannelOrder) -> usize {
    let colors = [order.red, order.green, order.blue];
    (0..4).find(|byte| !colors.contains(byte)).unwrap_or(3)
}

fn shift(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(0).saturating_mul(8)
}
