use std::collections::BTreeSet;

use gpu_buffer::ScatterList;
use vm_memory::{GuestAddress, GuestMemoryMmap};

use super::*;
use crate::ResourceArgs;
use crate::virgl::format::Block;
use crate::virgl::iovec::Iovecs;
use crate::virgl::resources::Backing;

/// A texture of 64x32 and three levels.
const TEXTURE: u32 = 1;
/// Four layers of 16x16.
const LAYERS: u32 = 2;
/// A buffer of 256 bytes.
const BUFFER: u32 = 3;
/// 64x32 in blocks of 4x4 texels and 8 bytes.
const BLOCKS: u32 = 4;

const BGRA: u32 = 1;
const BYTES: u32 = 64;
const DXT1: u32 = 105;

const NEGATIVE: u32 = u32::MAX;
const MOST: u32 = 0x7fff_ffff;

fn made(target: u32, format: u32, [width, height, array_size, last_level]: [u32; 4]) -> Resource {
    Resource {
        args: ResourceArgs {
            target,
            format,
            bind: 0,
            width,
            height,
            depth: 1,
            array_size,
            last_level,
            samples: 0,
            flags: 0,
        },
        block: Block::of(format).expect("a known format"),
        backing: None,
        contexts: BTreeSet::new(),
    }
}

fn refused(number: u32, arguments: &[u32]) -> bool {
    let resources = [
        (TEXTURE, made(2, BGRA, [64, 32, 1, 2])),
        (LAYERS, made(7, BGRA, [16, 16, 4, 0])),
        (BUFFER, made(0, BYTES, [256, 1, 1, 0])),
        (BLOCKS, made(2, DXT1, [64, 32, 1, 4])),
    ];
    let find = |id| resources.iter().find(|(known, _)| ResourceId(*known) == id);
    check(number, arguments, |id| {
        find(id).map(|(_, resource)| resource)
    })
    .is_err()
}

fn clear_refused(resource: u32, level: u32, region: [u32; 6]) -> bool {
    let arguments = [&[resource, level], region.as_slice(), &[0; 4]].concat();
    refused(47, &arguments)
}

#[test]
fn what_is_cleared_is_within_its_level() {
    assert!(!clear_refused(TEXTURE, 0, [0, 0, 0, 64, 32, 1]));
    assert!(!clear_refused(TEXTURE, 2, [15, 7, 0, 1, 1, 1]));
    assert!(!clear_refused(LAYERS, 0, [0, 0, 3, 16, 16, 1]));

    assert!(clear_refused(TEXTURE, 0, [1, 0, 0, 64, 32, 1]));
    assert!(clear_refused(TEXTURE, 2, [16, 7, 0, 1, 1, 1]));
    assert!(clear_refused(TEXTURE, 3, [0, 0, 0, 1, 1, 1]));
    assert!(clear_refused(TEXTURE, 0, [0, NEGATIVE, 0, 1, 1, 1]));
    assert!(clear_refused(TEXTURE, 0, [0, 0, MOST, 1, 1, 1]));
    assert!(clear_refused(LAYERS, 0, [0, 0, 3, 16, 16, 2]));
    assert!(clear_refused(BUFFER, 0, [0, 0, 0, 1, 1, 1]));
}

fn blit_refused(resource: u32, level: u32, region: [u32; 6]) -> bool {
    let to_itself = [resource, level, BGRA, 0, 0, 0, 1, 1, 1];
    let side = [&[resource, level, BGRA], region.as_slice()].concat();
    let head = [0xf, 0, 0].as_slice();
    let from = refused(16, &[head, &to_itself, &side].concat());
    let to = refused(16, &[head, &side, &to_itself].concat());
    assert_eq!(from, to, "both sides are looked at");
    from
}

#[test]
fn a_blit_may_be_mirrored_and_cut_off_but_not_far() {
    assert!(!blit_refused(
        TEXTURE,
        0,
        [
            64,
            32,
            0,
            (-64_i32).cast_unsigned(),
            (-32_i32).cast_unsigned(),
            1
        ]
    ));
    assert!(!blit_refused(
        TEXTURE,
        0,
        [(-10_i32).cast_unsigned(), 0, 0, 100, 100, 1]
    ));
    assert!(!blit_refused(TEXTURE, 1, [0, 0, 0, 0x1_0000, 1, 1]));

    assert!(blit_refused(TEXTURE, 0, [0, 0, 0, 0x1_0001, 1, 1]));
    assert!(blit_refused(TEXTURE, 0, [0, MOST, 0, 1, MOST, 1]));
    assert!(blit_refused(TEXTURE, 0, [0x8000_0000, 0, 0, 1, 1, 1]));
}

#[test]
fn a_blit_stays_within_levels_and_layers_of_textures() {
    assert!(!blit_refused(LAYERS, 0, [0, 0, 0, 16, 16, 4]));

    assert!(blit_refused(LAYERS, 0, [0, 0, 1, 16, 16, 4]));
    assert!(blit_refused(LAYERS, 0, [0, 0, 0, 16, 16, MOST]));
    assert!(blit_refused(LAYERS, 0, [0, 0, NEGATIVE, 16, 16, 1]));
    assert!(blit_refused(TEXTURE, 0, [0, 0, 0, 1, 1, 0]));
    assert!(blit_refused(TEXTURE, 0x20, [0, 0, 0, 1, 1, 1]));
    assert!(blit_refused(BUFFER, 0, [0, 0, 0, 1, 1, 1]));
}

fn copy_refused(to: (u32, [u32; 3]), from: (u32, [u32; 6])) -> bool {
    let level = 0;
    let target = [&[to.0, level], to.1.as_slice()].concat();
    let source = [&[from.0, level], from.1.as_slice()].concat();
    refused(17, &[target, source].concat())
}

#[test]
fn a_copy_is_within_both_resources() {
    let whole = [0, 0, 0, 16, 16, 1];
    assert!(!copy_refused((TEXTURE, [48, 16, 0]), (LAYERS, whole)));
    assert!(!copy_refused(
        (BUFFER, [128, 0, 0]),
        (BUFFER, [0, 0, 0, 128, 1, 1])
    ));

    assert!(copy_refused((TEXTURE, [49, 16, 0]), (LAYERS, whole)));
    assert!(copy_refused((TEXTURE, [0, 0, 1]), (LAYERS, whole)));
    assert!(copy_refused(
        (TEXTURE, [0, 0, 0]),
        (LAYERS, [0, 0, 4, 16, 16, 1])
    ));
    assert!(copy_refused(
        (BUFFER, [129, 0, 0]),
        (BUFFER, [0, 0, 0, 128, 1, 1])
    ));
    assert!(copy_refused(
        (BUFFER, [0, 0, 0]),
        (BUFFER, [MOST, 0, 0, MOST, 1, 1])
    ));
}

#[test]
fn a_copy_between_texels_and_blocks_counts_blocks() {
    assert!(!copy_refused(
        (BLOCKS, [0, 0, 0]),
        (LAYERS, [0, 0, 0, 16, 8, 1])
    ));
    assert!(copy_refused(
        (BLOCKS, [4, 0, 0]),
        (LAYERS, [0, 0, 0, 16, 8, 1])
    ));
    assert!(!copy_refused(
        (LAYERS, [0, 0, 0]),
        (BLOCKS, [0, 0, 0, 64, 32, 1])
    ));
    assert!(copy_refused(
        (LAYERS, [1, 0, 0]),
        (BLOCKS, [0, 0, 0, 64, 32, 1])
    ));
}

/// `TRANSFER3D` of a texture in one direction, with that many bytes behind it.
fn transfer_refused(backing: u32, region: [u32; 6], direction: u32) -> bool {
    let mut texture = made(2, BGRA, [64, 32, 1, 2]);
    texture.backing = Some(bytes(backing));
    // Resource, level, usage, stride, layer stride; box; offset, direction.
    let arguments = [
        &[TEXTURE, 0, 0, 256, 1],
        region.as_slice(),
        &[16, direction],
    ]
    .concat();
    check(43, &arguments, |_| Some(&texture)).is_err()
}

fn bytes(count: u32) -> Backing {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1_0000)]).expect("memory");
    let list = ScatterList::resolve(&memory, [(0, count)].into_iter()).expect("in memory");
    Backing {
        ranges: Iovecs::of_list(&list).expect("ranges"),
        list,
    }
}

#[test]
fn a_transfer_is_within_its_level_and_backing() {
    // 32 rows that are 256 bytes apart, from byte 16 on.
    for direction in [1, 2] {
        assert!(!transfer_refused(
            16 + 32 * 256,
            [0, 0, 0, 64, 32, 1],
            direction
        ));

        assert!(transfer_refused(
            15 + 32 * 256,
            [0, 0, 0, 64, 32, 1],
            direction
        ));
        assert!(transfer_refused(0x1_0000, [0, 1, 0, 64, 32, 1], direction));
        assert!(transfer_refused(
            0x1_0000,
            [0, 0, 0, 64, 32, MOST],
            direction
        ));
    }
}

#[test]
fn a_copied_transfer_is_within_the_backing_of_the_other() {
    let resources = [
        made(2, BGRA, [64, 32, 1, 0]),
        made(0, BYTES, [0x2000, 1, 1, 0]),
    ];
    let [texture, mut staging] = resources;
    staging.backing = Some(bytes(0x2000));
    let refused = |region: [u32; 6], offset, flags| {
        // Resource, level, usage, strides; box; staging, offset, flags.
        let tail = [BUFFER, offset, flags];
        let arguments = [&[TEXTURE, 0, 0, 0, 0], region.as_slice(), &tail].concat();
        let find = |id| match id {
            ResourceId(TEXTURE) => Some(&texture),
            _ => Some(&staging),
        };
        check(45, &arguments, find).is_err()
    };
    for flags in [0, 1, 2, 3] {
        assert!(!refused([0, 0, 0, 64, 32, 1], 0, flags));

        assert!(refused([0, 0, 0, 64, 32, 1], 1, flags));
        assert!(refused([0, 0, 0, 65, 1, 1], 0, flags));
    }
}

#[test]
fn what_is_not_known_is_left_to_the_library() {
    assert!(!clear_refused(99, 0, [0, 0, 0, MOST, 1, 1]));
    assert!(!refused(16, &[0; 21]));
    assert!(!refused(17, &[0; 13]));
    // Too short.
    assert!(!refused(47, &[TEXTURE, 9]));
    assert!(!refused(45, &[TEXTURE; 13]));
    // Another command.
    assert!(!refused(7, &[TEXTURE; 21]));
}
