//! A transfer in pieces: one layer and some rows at a time.
//!
//! The library writes all layers of some targets at once, of others only the
//! first, and reads no other. Where a backing is in several ranges it reads
//! into memory that it allocates; in pieces, ours can stay small.

use gpu_buffer::ScatterList;

use super::check::Span;
use super::format::Block;
use super::iovec::Iovecs;
use crate::{Box3, Transfer};

/// A part of one layer of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The texels; one layer.
    pub(super) region: Box3,
    /// Byte of the backing where it begins.
    pub(super) offset: u64,
    /// Rows of blocks.
    pub(super) rows: u64,
}

/// The pieces of a checked transfer, of at most so many rows of blocks each,
/// at least one.
pub(super) fn pieces(
    transfer: &Transfer,
    block: Block,
    span: Span,
    most_rows: u64,
) -> impl Iterator<Item = Piece> {
    let whole = transfer.region;
    let offset = transfer.offset;
    let most_rows = most_rows.max(1);
    (0..whole.depth).flat_map(move |layer| {
        let mut done = 0u64;
        std::iter::from_fn(move || {
            let rows = span.rows.checked_sub(done)?.min(most_rows);
            if rows == 0 {
                return None;
            }
            let above = u32::try_from(done.checked_mul(u64::from(block.height))?).ok()?;
            let texels = rows.checked_mul(u64::from(block.height))?;
            let height = u64::from(whole.height.checked_sub(above)?).min(texels);
            let piece = Piece {
                region: Box3 {
                    y: whole.y.checked_add(above)?,
                    z: whole.z.checked_add(layer)?,
                    height: u32::try_from(height).ok()?,
                    depth: 1,
                    ..whole
                },
                offset: offset
                    .checked_add(u64::from(layer).checked_mul(span.layer_stride)?)?
                    .checked_add(done.checked_mul(span.stride)?)?,
                rows,
            };
            done = done.saturating_add(rows);
            Some(piece)
        })
    })
}

/// Memory for one piece at a time, its rows without gaps.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
}

impl Scratch {
    /// Rows of a piece that keeps the memory small enough for a cache.
    pub(super) fn rows(span: Span) -> u64 {
        const PIECE_BYTES: u64 = 1 << 20;
        PIECE_BYTES.checked_div(span.row_bytes).unwrap_or(1)
    }

    /// Makes room for a piece.
    pub(super) fn make_room(&mut self, piece: &Piece, span: Span) {
        let needed = piece.rows.saturating_mul(span.row_bytes);
        self.bytes.resize(usize::try_from(needed).unwrap_or(0), 0);
    }

    /// Where the room is, for one call of the library.
    pub(super) fn ranges(&mut self) -> Iovecs {
        Iovecs::of_bytes(&mut self.bytes)
    }

    /// Copies the room to the backing.
    pub(super) fn scatter(&mut self, list: &ScatterList, piece: &Piece, span: Span) {
        for (offset, bytes) in self.runs(piece, span) {
            let mut rest: &[u8] = bytes;
            for slice in list.slices_at(offset, length(rest)).into_iter().flatten() {
                slice.copy_from(rest);
                rest = rest.get(slice.len()..).unwrap_or_default();
            }
        }
    }

    /// The bytes of each row with their place in the backing; all at once
    /// where there are no gaps.
    fn runs(&mut self, piece: &Piece, span: Span) -> impl Iterator<Item = (u64, &mut [u8])> {
        let run = if span.stride == span.row_bytes {
            self.bytes.len()
        } else {
            usize::try_from(span.row_bytes).unwrap_or(usize::MAX)
        };
        let offset = piece.offset;
        (0u64..)
            .zip(self.bytes.chunks_mut(run.max(1)))
            .map_while(move |(row, bytes)| {
                let before = row.checked_mul(span.stride)?;
                Some((offset.checked_add(before)?, bytes))
            })
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;
    use crate::{Direction, ResourceId};

    const TEXEL: Block = Block {
        width: 1,
        height: 1,
        bytes: 4,
    };

    fn transfer(region: Box3, offset: u64) -> Transfer {
        Transfer {
            direction: Direction::FromHost,
            context: None,
            resource: ResourceId(1),
            level: 0,
            stride: 0,
            layer_stride: 0,
            region,
            offset,
        }
    }

    #[test]
    fn layers_and_rows_follow_each_other() {
        let region = Box3 {
            x: 3,
            y: 10,
            z: 5,
            width: 2,
            height: 5,
            depth: 2,
        };
        let span = Span {
            row_bytes: 8,
            rows: 5,
            stride: 100,
            layer_stride: 1000,
        };

        let found: Vec<_> = pieces(&transfer(region, 7), TEXEL, span, 2)
            .map(|piece| {
                let region = piece.region;
                assert_eq!((region.x, region.width, region.depth), (3, 2, 1));
                (region.z, region.y, region.height, piece.rows, piece.offset)
            })
            .collect();

        assert_eq!(
            found,
            [
                (5, 10, 2, 2, 7),
                (5, 12, 2, 2, 207),
                (5, 14, 1, 1, 407),
                (6, 10, 2, 2, 1007),
                (6, 12, 2, 2, 1207),
                (6, 14, 1, 1, 1407),
            ]
        );
    }

    #[test]
    fn rows_of_blocks_stay_whole() {
        let block = Block {
            width: 4,
            height: 4,
            bytes: 8,
        };
        let region = Box3 {
            width: 8,
            height: 10,
            depth: 1,
            ..Box3::default()
        };
        let span = Span {
            row_bytes: 16,
            rows: 3,
            stride: 16,
            layer_stride: 48,
        };

        let found: Vec<_> = pieces(&transfer(region, 0), block, span, 2)
            .map(|piece| {
                (
                    piece.region.y,
                    piece.region.height,
                    piece.rows,
                    piece.offset,
                )
            })
            .collect();

        assert_eq!(found, [(0, 8, 2, 0), (8, 2, 1, 32)]);
    }

    #[test]
    fn a_row_longer_than_the_memory_is_one_piece() {
        let span = Span {
            row_bytes: 4 << 20,
            rows: 2,
            stride: 4 << 20,
            layer_stride: 8 << 20,
        };
        let region = Box3 {
            width: 1 << 20,
            height: 2,
            depth: 1,
            ..Box3::default()
        };

        let count = pieces(&transfer(region, 0), TEXEL, span, Scratch::rows(span)).count();

        assert_eq!(count, 2);
    }
}
