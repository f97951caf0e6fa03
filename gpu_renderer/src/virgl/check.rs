//! Arguments that contradict each other are refused before the library sees
//! them: it checks many of these too, but not all, and some in 32 bits.

use super::format::Block;
use crate::{Box3, Direction, RenderError, ResourceArgs, Transfer};

/// Gallium's texture targets.
pub(super) mod target {
    pub(crate) const BUFFER: u32 = 0;
    pub(crate) const TEXTURE_1D: u32 = 1;
    pub(crate) const TEXTURE_2D: u32 = 2;
    pub(crate) const TEXTURE_3D: u32 = 3;
    pub(crate) const CUBE: u32 = 4;
    pub(crate) const RECT: u32 = 5;
    pub(crate) const ARRAY_1D: u32 = 6;
    pub(crate) const ARRAY_2D: u32 = 7;
    pub(crate) const ARRAY_CUBE: u32 = 8;
}

/// Kept in ordinary memory, for query results and the like.
pub(super) const BIND_CUSTOM: u32 = 1 << 17;

/// Kept in guest memory only.
pub(super) const BIND_STAGING: u32 = 1 << 19;

/// Bits that stand for nothing. Bit 2 does so too, but old guests set it.
const BIND_UNKNOWN: u32 = 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 23;

/// The rows that the guest transfers begin at the top; in the texture they then
/// begin at the bottom.
pub(super) const FLAG_FIRST_ROW_ON_TOP: u32 = 1 << 0;
const FLAGS_KNOWN: u32 = FLAG_FIRST_ROW_ON_TOP | 1 << 1 | 1 << 2;

/// More than any GPU has.
const MAX_SAMPLES: u32 = 32;

/// The library computes sizes in 32 bits and coordinates in 31.
const MAX_BYTES: u64 = u32::MAX as u64;
const MAX_SIDE: u32 = i32::MAX as u32;

/// Why a resource cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The arguments contradict each other.
    Impossible(&'static str),
    /// It has more bytes than any GPU would give it.
    TooBig,
}

impl Flaw {
    pub(super) fn error(self, resource: crate::ResourceId) -> RenderError {
        match self {
            Self::Impossible(what) => RenderError::Impossible(what),
            Self::TooBig => RenderError::OutOfMemory(resource),
        }
    }
}

/// Checks a resource that is to be made; its format's block if it can be.
pub(super) fn resource(args: &ResourceArgs) -> Result<Block, Flaw> {
    let sizes = [args.width, args.height, args.depth, args.array_size];
    must(!sizes.contains(&0), "a resource without texels")?;
    must(
        sizes.iter().all(|&size| size <= MAX_SIDE),
        "a side beyond 2^31",
    )?;
    must(args.bind & BIND_UNKNOWN == 0, "unknown bind bits")?;
    must(args.flags & !FLAGS_KNOWN == 0, "unknown resource flags")?;
    shape(args)?;
    must(
        args.flags & FLAG_FIRST_ROW_ON_TOP == 0
            || [target::TEXTURE_2D, target::RECT].contains(&args.target),
        "a first row on top, but no picture",
    )?;
    levels(args)?;
    samples(args)?;
    let block = Block::of(args.format).ok_or(Flaw::Impossible("an unknown format"))?;
    if size(args, block).is_none_or(|bytes| bytes > MAX_BYTES) {
        return Err(Flaw::TooBig);
    }
    Ok(block)
}

/// Each target has sizes that must be 1.
fn shape(args: &ResourceArgs) -> Result<(), Flaw> {
    let flat = args.depth == 1;
    let line = flat && args.height == 1;
    let single = args.array_size == 1;
    let fits = match args.target {
        target::BUFFER | target::TEXTURE_1D => line && single,
        target::TEXTURE_2D | target::RECT => flat && single,
        target::TEXTURE_3D => single,
        target::CUBE => flat && args.array_size == 6 && args.width == args.height,
        target::ARRAY_1D => line,
        target::ARRAY_2D => flat,
        target::ARRAY_CUBE => {
            flat && args.array_size.is_multiple_of(6) && args.width == args.height
        }
        _ => return Err(Flaw::Impossible("an unknown target")),
    };
    must(fits, "sizes that the target has not")
}

fn levels(args: &ResourceArgs) -> Result<(), Flaw> {
    let longest = args.width.max(args.height).max(args.depth);
    must(
        args.last_level <= longest.ilog2(),
        "more levels than halvings",
    )?;
    must(
        args.last_level == 0 || ![target::BUFFER, target::RECT].contains(&args.target),
        "levels of a target that has none",
    )
}

fn samples(args: &ResourceArgs) -> Result<(), Flaw> {
    if args.samples == 0 {
        return Ok(());
    }
    must(args.samples <= MAX_SAMPLES, "too many samples")?;
    must(args.last_level == 0, "levels of a multisampled texture")?;
    // An array of them has been a way to write out of bounds, CVE-2022-0135.
    must(
        args.target == target::TEXTURE_2D
            || (args.target == target::ARRAY_2D && args.array_size == 1),
        "samples of a target that has none",
    )
}

/// Bytes of all levels.
fn size(args: &ResourceArgs, block: Block) -> Option<u64> {
    let samples = u64::from(args.samples.max(1));
    (0..=args.last_level).try_fold(0u64, |sum, level| {
        let [width, height, layers] = level_sides(args, level);
        block
            .row_bytes(width)
            .checked_mul(block.rows(height))?
            .checked_mul(u64::from(layers))?
            .checked_mul(samples)?
            .checked_add(sum)
    })
}

/// Width, height, and slices or layers of a level.
pub(super) fn level_sides(args: &ResourceArgs, level: u32) -> [u32; 3] {
    let minify = |side: u32| side.checked_shr(level).unwrap_or(0).max(1);
    let layers = match args.target {
        target::TEXTURE_3D => minify(args.depth),
        _ => args.array_size,
    };
    [minify(args.width), minify(args.height), layers]
}

/// Where the texels of a transfer are in its backing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Bytes of a row of the region.
    pub(super) row_bytes: u64,
    /// Rows of blocks of a layer.
    pub(super) rows: u64,
    /// Bytes from row to row.
    pub(super) stride: u64,
    /// Bytes from layer to layer.
    pub(super) layer_stride: u64,
}

/// Checks a transfer against the resource and the `backing` bytes that it
/// has.
pub(super) fn transfer(
    args: &ResourceArgs,
    block: Block,
    transfer: &Transfer,
    backing: u64,
) -> Result<Span, RenderError> {
    let impossible = RenderError::Impossible;
    if args.samples > 0 {
        // GL cannot read or write them so, and the library does not notice.
        return Err(impossible("a transfer of a multisampled texture"));
    }
    if transfer.level > args.last_level {
        return Err(impossible("a level that is not there"));
    }
    let sides = level_sides(args, transfer.level);
    let region = &transfer.region;
    if !contains(sides, region) {
        return Err(impossible("a region that leaves the resource"));
    }
    if !region.x.is_multiple_of(block.width) || !region.y.is_multiple_of(block.height) {
        return Err(impossible("a region that cuts a block"));
    }
    let span = span(sides, block, transfer).ok_or(impossible("a stride that is too short"))?;
    let end = end(&span, transfer).ok_or(impossible("a region that leaves the address space"))?;
    if end > backing {
        return Err(impossible("a region that leaves the backing"));
    }
    if args.target == target::BUFFER {
        buffer(args, block, transfer, backing)?;
    }
    Ok(span)
}

/// The library counts the region of a buffer in bytes, but copies blocks
/// from it.
fn buffer(
    args: &ResourceArgs,
    block: Block,
    transfer: &Transfer,
    backing: u64,
) -> Result<(), RenderError> {
    let first = u64::from(transfer.region.x);
    let copied = match transfer.direction {
        Direction::ToHost => u64::from(transfer.region.width),
        Direction::FromHost => block.row_bytes(transfer.region.width),
    };
    let end = first.saturating_add(copied);
    // Those of guest memory are copied within their backing.
    let limit = match args.bind {
        BIND_CUSTOM | BIND_STAGING => backing.min(u64::from(args.width)),
        _ => u64::from(args.width),
    };
    if end > limit {
        return Err(RenderError::Impossible("a region that leaves the buffer"));
    }
    Ok(())
}

/// Whether a region has texels and all of them are there.
pub(super) fn contains(sides: [u32; 3], region: &Box3) -> bool {
    let ranges = [
        (region.x, region.width),
        (region.y, region.height),
        (region.z, region.depth),
    ];
    ranges.into_iter().zip(sides).all(|((first, count), side)| {
        let end = u64::from(first).saturating_add(u64::from(count));
        count > 0 && end <= u64::from(side)
    })
}

/// `None` if a stride is shorter than what it has to pass over.
fn span(sides: [u32; 3], block: Block, transfer: &Transfer) -> Option<Span> {
    let region = &transfer.region;
    let [level_width, level_height, _] = sides;
    let row_bytes = block.row_bytes(region.width);
    let rows = block.rows(region.height);
    let stride = match transfer.stride {
        0 => block.row_bytes(level_width),
        stride => u64::from(stride),
    };
    if stride < row_bytes {
        return None;
    }
    let layer_stride = match transfer.layer_stride {
        0 => stride.checked_mul(block.rows(level_height))?,
        layer_stride => u64::from(layer_stride),
    };
    if layer_stride < stride.checked_mul(rows)? {
        return None;
    }
    Some(Span {
        row_bytes,
        rows,
        stride,
        layer_stride,
    })
}

/// One past the last byte of a transfer.
fn end(span: &Span, transfer: &Transfer) -> Option<u64> {
    let layers = u64::from(transfer.region.depth).checked_sub(1)?;
    let rows = span.rows.checked_sub(1)?;
    transfer
        .offset
        .checked_add(layers.checked_mul(span.layer_stride)?)?
        .checked_add(rows.checked_mul(span.stride)?)?
        .checked_add(span.row_bytes)
}

fn must(holds: bool, otherwise: &'static str) -> Result<(), Flaw> {
    if holds {
        Ok(())
    } else {
        Err(Flaw::Impossible(otherwise))
    }
}

#[cfg(test)]
mod tests;
