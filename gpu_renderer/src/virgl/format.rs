//! How many bytes the texels of a format take: Gallium's format numbers, as
//! guests use them, with the sizes that their names tell.

/// The smallest piece of a picture that has bytes of its own: one texel, or a
/// block of a compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Texels across.
    pub(super) width: u32,
    /// Texels down.
    pub(super) height: u32,
    /// Size.
    pub(super) bytes: u32,
}

/// Bytes of a texel by format number, 0 where the format is none of single
/// texels or has several planes. Number 0, no format, counts as bytes.
#[rustfmt::skip]
const TEXEL_BYTES: [u8; 314] = [
    1, 4, 4, 4, 4, 2, 2, 2, 4, 1, 1, 1, 2, 2, 0, 0,
    2, 4, 4, 4, 4, 4, 4, 1, 8, 16, 24, 32, 4, 8, 12, 16,
    4, 8, 12, 16, 4, 8, 12, 16, 4, 8, 12, 16, 4, 8, 12, 16,
    2, 4, 6, 8, 2, 4, 6, 8, 2, 4, 6, 8, 2, 4, 6, 8,
    1, 2, 3, 4, 4, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 0,
    0, 0, 1, 2, 3, 4, 0, 4, 8, 12, 16, 2, 4, 6, 8, 1,
    2, 3, 4, 4, 4, 4, 4, 4, 4, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 4, 2, 4, 2, 4, 4, 4, 8, 0,
    4, 4, 1, 4, 4, 2, 4, 2, 4, 4, 8, 1, 4, 2, 2, 0,
    0, 0, 0, 1, 1, 2, 1, 2, 2, 4, 2, 2, 2, 4, 2, 4,
    4, 8, 4, 0, 0, 0, 0, 0, 1, 1, 2, 2, 4, 4, 4, 4,
    4, 1, 2, 3, 4, 1, 2, 3, 4, 2, 4, 6, 8, 2, 4, 6,
    8, 4, 8, 12, 16, 4, 8, 12, 16, 1, 1, 1, 2, 1, 1, 1,
    2, 2, 2, 2, 4, 2, 2, 2, 4, 4, 4, 4, 8, 4, 4, 4,
    8, 4, 0, 0, 0, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 16,
    16, 16, 2, 4, 4, 4, 8, 2, 2, 4, 4, 8, 8, 4, 2, 0,
    0, 0, 0, 2, 2, 2, 4, 2, 2, 4, 4, 4, 4, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 4, 0, 0, 2, 1, 2,
];

/// First and last number of compressed formats, and their blocks.
#[rustfmt::skip]
const COMPRESSED: [(u32, u32, Block); 44] = [
    (14, 15, block(2, 1, 4)),
    (105, 106, block(4, 4, 8)),
    (107, 108, block(4, 4, 16)),
    (109, 110, block(4, 4, 8)),
    (111, 112, block(4, 4, 16)),
    (113, 114, block(4, 4, 8)),
    (115, 116, block(4, 4, 16)),
    (117, 118, block(2, 1, 4)),
    (143, 144, block(4, 4, 8)),
    (145, 146, block(4, 4, 16)),
    (226, 226, block(4, 4, 8)),
    (227, 228, block(2, 1, 4)),
    (255, 258, block(4, 4, 16)),
    (269, 272, block(4, 4, 8)),
    (273, 274, block(4, 4, 16)),
    (275, 276, block(4, 4, 8)),
    (277, 279, block(4, 4, 16)),
    (280, 280, block(5, 4, 16)),
    (281, 281, block(5, 5, 16)),
    (282, 282, block(6, 5, 16)),
    (283, 283, block(6, 6, 16)),
    (284, 284, block(8, 5, 16)),
    (285, 285, block(8, 6, 16)),
    (286, 286, block(8, 8, 16)),
    (287, 287, block(10, 5, 16)),
    (288, 288, block(10, 6, 16)),
    (289, 289, block(10, 8, 16)),
    (290, 290, block(10, 10, 16)),
    (291, 291, block(12, 10, 16)),
    (292, 292, block(12, 12, 16)),
    (293, 293, block(4, 4, 16)),
    (294, 294, block(5, 4, 16)),
    (295, 295, block(5, 5, 16)),
    (296, 296, block(6, 5, 16)),
    (297, 297, block(6, 6, 16)),
    (298, 298, block(8, 5, 16)),
    (299, 299, block(8, 6, 16)),
    (300, 300, block(8, 8, 16)),
    (301, 301, block(10, 5, 16)),
    (302, 302, block(10, 6, 16)),
    (303, 303, block(10, 8, 16)),
    (304, 304, block(10, 10, 16)),
    (305, 305, block(12, 10, 16)),
    (306, 306, block(12, 12, 16)),
];

const fn block(width: u32, height: u32, bytes: u32) -> Block {
    Block {
        width,
        height,
        bytes,
    }
}

impl Block {
    /// The block of a format, `None` for one that is not known or has several
    /// planes.
    pub(super) fn of(format: u32) -> Option<Self> {
        let index = usize::try_from(format).ok()?;
        match TEXEL_BYTES.get(index) {
            Some(&bytes) if bytes > 0 => Some(block(1, 1, u32::from(bytes))),
            _ => COMPRESSED
                .iter()
                .find(|(first, last, _)| (*first..=*last).contains(&format))
                .map(|&(_, _, block)| block),
        }
    }

    /// Whether GL surely reads the format by itself: the ordinary ones of four
    /// bytes.
    pub(super) fn is_readable(format: u32) -> bool {
        matches!(format, 1 | 2 | 67 | 100 | 101 | 104 | 134)
    }

    /// Blocks that so many texels across take.
    pub(super) fn columns(self, width: u32) -> u64 {
        u64::from(width.div_ceil(self.width))
    }

    /// Blocks that so many texels down take.
    pub(super) fn rows(self, height: u32) -> u64 {
        u64::from(height.div_ceil(self.height))
    }

    /// Bytes that a row of so many texels takes.
    pub(super) fn row_bytes(self, width: u32) -> u64 {
        self.columns(width).saturating_mul(u64::from(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_the_names_tell() {
        let texel = |bytes| Some(block(1, 1, bytes));

        // B8G8R8A8_UNORM, R8G8B8A8_UNORM, A8B8G8R8_SRGB, B10G10R10A2_UNORM
        for format in [1, 67, 98, 131] {
            assert_eq!(Block::of(format), texel(4), "{format}");
        }
        // R8_UNORM, S8_UINT, R8_SRGB
        for format in [64, 23, 312] {
            assert_eq!(Block::of(format), texel(1), "{format}");
        }
        // B5G6R5_UNORM, Z16_UNORM, R16_FLOAT, R8G8_SRGB
        for format in [7, 16, 91, 313] {
            assert_eq!(Block::of(format), texel(2), "{format}");
        }
        // R8G8B8_UNORM, R16G16B16_FLOAT, R16G16B16A16_FLOAT
        assert_eq!(Block::of(66), texel(3));
        assert_eq!(Block::of(93), texel(6));
        assert_eq!(Block::of(94), texel(8));
        // R32G32B32_UINT, R32G32B32A32_SINT, R64G64B64A64_FLOAT
        assert_eq!(Block::of(195), texel(12));
        assert_eq!(Block::of(200), texel(16));
        assert_eq!(Block::of(27), texel(32));
        // Z24_UNORM_S8_UINT, Z32_FLOAT_S8X24_UINT
        assert_eq!(Block::of(19), texel(4));
        assert_eq!(Block::of(126), texel(8));
    }

    #[test]
    fn compressed_formats_have_blocks() {
        // DXT1_RGB, DXT5_RGBA, BPTC_RGBA_UNORM, ETC2_RGB8
        assert_eq!(Block::of(105), Some(block(4, 4, 8)));
        assert_eq!(Block::of(108), Some(block(4, 4, 16)));
        assert_eq!(Block::of(255), Some(block(4, 4, 16)));
        assert_eq!(Block::of(269), Some(block(4, 4, 8)));
        // ASTC_8x5, ASTC_12x12_SRGB
        assert_eq!(Block::of(284), Some(block(8, 5, 16)));
        assert_eq!(Block::of(306), Some(block(12, 12, 16)));
    }

    #[test]
    fn formats_of_several_planes_and_unknown_ones_have_no_block() {
        // YV12, NV12, P010
        for format in [163, 166, 314, 1000, u32::MAX] {
            assert_eq!(Block::of(format), None, "{format}");
        }
    }

    #[test]
    fn common_formats_are_readable() {
        // B8G8R8A8, B8G8R8X8, R8G8B8A8, R8G8B8X8; not DXT1, not R9G9B9E5
        assert!([1, 2, 67, 134].into_iter().all(Block::is_readable));
        assert!(![105, 125].into_iter().any(Block::is_readable));
    }

    #[test]
    fn a_part_of_a_block_counts_as_one() {
        let dxt1 = block(4, 4, 8);

        assert_eq!(dxt1.columns(5), 2);
        assert_eq!(dxt1.rows(1), 1);
        assert_eq!(dxt1.row_bytes(9), 24);
        assert_eq!(block(1, 1, 16).row_bytes(u32::MAX), 68_719_476_720);
    }
}
