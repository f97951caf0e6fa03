//! Copies between resources, guest memory and buffers: the right bytes, and
//! no others.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used
)]

mod virgl_support;

use std::sync::Arc;

use gpu_buffer::Rect;
use gpu_renderer::testing::stream::{Stream, bind, format};
use gpu_renderer::virgl::VirglRenderer;
use gpu_renderer::{
    Box3, Direction, ReadBack, RenderError, Renderer, ResourceArgs, ResourceId, Transfer, Upload,
};
use virgl_support::{
    backing, buffer, bytes, contents, context, guest_memory, numbered, picture, pixels, read_guest,
    resource, with_renderer, write_guest,
};

const CANARY: u8 = 0xc5;

fn area(x: u32, y: u32, width: u32, height: u32) -> Box3 {
    Box3 {
        x,
        y,
        z: 0,
        width,
        height,
        depth: 1,
    }
}

fn to_host(resource: ResourceId, region: Box3) -> Transfer {
    Transfer {
        direction: Direction::ToHost,
        context: None,
        resource,
        level: 0,
        stride: 0,
        layer_stride: 0,
        region,
        offset: 0,
    }
}

fn from_host(resource: ResourceId, region: Box3) -> Transfer {
    Transfer {
        direction: Direction::FromHost,
        ..to_host(resource, region)
    }
}

/// `bytes` of guest memory in pieces of 48 bytes, each followed by 16 others.
fn scattered(bytes: u64) -> Vec<(u64, u32)> {
    (0..bytes / 48).map(|piece| (piece * 64, 48)).collect()
}

/// Writes to a list of ranges as if it were one.
fn write_ranges(memory: &vm_memory::GuestMemoryMmap, ranges: &[(u64, u32)], bytes: &[u8]) {
    let mut rest = bytes;
    for &(address, length) in ranges {
        let (now, later) = rest.split_at(rest.len().min(length as usize));
        write_guest(memory, address, now);
        rest = later;
    }
}

fn read_ranges(memory: &vm_memory::GuestMemoryMmap, ranges: &[(u64, u32)]) -> Vec<u8> {
    ranges
        .iter()
        .flat_map(|&(address, length)| read_guest(memory, address, length as usize))
        .collect()
}

/// A resource that no context uses, with a backing.
fn backed(
    renderer: &mut VirglRenderer,
    args: &ResourceArgs,
    memory: &vm_memory::GuestMemoryMmap,
    ranges: &[(u64, u32)],
) -> ResourceId {
    let resource = ResourceId(1);
    renderer.create_resource(resource, args).expect("resource");
    renderer
        .attach_backing(resource, backing(memory, ranges))
        .expect("backing");
    resource
}

#[test]
fn bytes_go_to_the_host_and_come_back_in_one_range_and_in_many() {
    with_renderer(|renderer| {
        for ranges in [vec![(64, 768)], scattered(768)] {
            let memory = guest_memory(0x1000);
            let resource = backed(renderer, &picture(12, 16), &memory, &ranges);
            write_ranges(&memory, &ranges, &numbered(768));
            let whole = area(0, 0, 12, 16);

            renderer.transfer(&to_host(resource, whole)).expect("there");
            assert_eq!(
                pixels(renderer, resource, 12, 16).as_flattened(),
                numbered(768)
            );
            write_guest(&memory, 0, &[CANARY; 0x1000]);
            renderer
                .transfer(&from_host(resource, whole))
                .expect("back");

            assert_eq!(read_ranges(&memory, &ranges), numbered(768));
            let canaries = read_guest(&memory, 0, 0x1000)
                .into_iter()
                .filter(|&byte| byte == CANARY)
                .count();
            let own = numbered(768)
                .into_iter()
                .filter(|&byte| byte == CANARY)
                .count();
            assert_eq!(canaries, 0x1000 - 768 + own, "bytes beside the ranges");
            renderer.destroy_resource(resource).expect("destroyed");
        }
    });
}

#[test]
fn a_part_is_written_with_its_stride_and_offset() {
    with_renderer(|renderer| {
        for ranges in [vec![(0, 768)], scattered(768)] {
            let memory = guest_memory(0x1000);
            let resource = backed(renderer, &picture(8, 8), &memory, &ranges);
            write_ranges(&memory, &ranges, &numbered(768));

            renderer
                .transfer(&Transfer {
                    offset: 100,
                    stride: 20,
                    ..to_host(resource, area(2, 3, 3, 2))
                })
                .expect("transferred");

            let mut expected = vec![0; 256];
            // Rows of 12 bytes that begin at bytes 100 and 120: the numbers
            // are one more. Row 3 begins at 96, row 4 at 128.
            expected[96 + 8..96 + 20].copy_from_slice(&numbered(768)[100..112]);
            expected[128 + 8..128 + 20].copy_from_slice(&numbered(768)[120..132]);
            assert_eq!(pixels(renderer, resource, 8, 8).as_flattened(), expected);
            renderer.destroy_resource(resource).expect("destroyed");
        }
    });
}

#[test]
fn a_part_is_read_and_the_rest_of_the_backing_stays() {
    with_renderer(|renderer| {
        for ranges in [vec![(0, 768)], scattered(768)] {
            let memory = guest_memory(0x1000);
            let resource = backed(renderer, &picture(8, 8), &memory, &ranges);
            write_ranges(&memory, &ranges, &numbered(256));
            let whole = to_host(resource, area(0, 0, 8, 8));
            renderer.transfer(&whole).expect("there");
            write_guest(&memory, 0, &[CANARY; 0x1000]);

            renderer
                .transfer(&Transfer {
                    offset: 200,
                    stride: 100,
                    ..from_host(resource, area(2, 3, 3, 2))
                })
                .expect("back");

            let mut expected = vec![CANARY; 768];
            expected[200..212].copy_from_slice(&numbered(256)[104..116]);
            expected[300..312].copy_from_slice(&numbered(256)[136..148]);
            assert_eq!(read_ranges(&memory, &ranges), expected);
            renderer.destroy_resource(resource).expect("destroyed");
        }
    });
}

#[test]
fn every_layer_of_every_target_is_copied() {
    let targets = [
        // 3D, cube, 1D array, 2D array, cube array.
        (3, 4, 4, 6, 1),
        (4, 4, 4, 1, 6),
        (6, 16, 1, 1, 6),
        (7, 4, 4, 1, 6),
        (8, 4, 4, 1, 6),
    ];
    with_renderer(|renderer| {
        for (target, width, height, depth, array_size) in targets {
            for ranges in [vec![(0, 384)], scattered(384)] {
                let args = ResourceArgs {
                    target,
                    depth,
                    array_size,
                    ..picture(width, height)
                };
                let memory = guest_memory(0x1000);
                let resource = backed(renderer, &args, &memory, &ranges);
                write_ranges(&memory, &ranges, &numbered(384));
                let whole = Box3 {
                    depth: 6,
                    ..area(0, 0, width, height)
                };

                renderer.transfer(&to_host(resource, whole)).expect("there");
                write_guest(&memory, 0, &[CANARY; 0x1000]);
                renderer
                    .transfer(&from_host(resource, whole))
                    .expect("back");

                let found = read_ranges(&memory, &ranges);
                assert_eq!(found, numbered(384), "target {target}");
                renderer.destroy_resource(resource).expect("destroyed");
            }
        }
    });
}

#[test]
fn a_level_is_a_picture_of_its_own() {
    with_renderer(|renderer| {
        let args = ResourceArgs {
            last_level: 2,
            ..picture(16, 8)
        };
        let memory = guest_memory(0x1000);
        let resource = backed(renderer, &args, &memory, &[(0, 0x1000)]);
        write_guest(&memory, 0, &numbered(128));
        let level = |transfer| Transfer {
            level: 1,
            ..transfer
        };
        let whole = area(0, 0, 8, 4);

        renderer
            .transfer(&level(to_host(resource, whole)))
            .expect("there");
        write_guest(&memory, 0, &[CANARY; 0x1000]);
        renderer
            .transfer(&level(from_host(resource, whole)))
            .expect("back");

        assert_eq!(read_guest(&memory, 0, 128), numbered(128));
        assert_eq!(pixels(renderer, resource, 16, 8), [[0; 4]; 128]);
    });
}

#[test]
fn compressed_blocks_come_back_as_they_went() {
    const DXT1_RGB: u32 = 105;
    with_renderer(|renderer| {
        let args = ResourceArgs {
            format: DXT1_RGB,
            bind: bind::SAMPLER_VIEW,
            ..picture(8, 8)
        };
        for ranges in [vec![(0, 48)], vec![(0, 10), (64, 38)]] {
            let memory = guest_memory(0x1000);
            let resource = backed(renderer, &args, &memory, &ranges);
            write_ranges(&memory, &ranges, &numbered(32));
            let whole = area(0, 0, 8, 8);

            renderer.transfer(&to_host(resource, whole)).expect("there");
            write_guest(&memory, 0, &[CANARY; 0x1000]);
            renderer
                .transfer(&from_host(resource, whole))
                .expect("back");

            let found = read_ranges(&memory, &ranges);
            assert_eq!(found[..32], numbered(32));
            assert_eq!(found[32..], [CANARY; 16]);
            renderer.destroy_resource(resource).expect("destroyed");
        }
    });
}

#[test]
fn the_first_row_of_a_picture_with_its_top_first_is_its_top() {
    with_renderer(|renderer| {
        let args = ResourceArgs {
            flags: 1,
            ..picture(4, 4)
        };
        for ranges in [vec![(0, 96)], scattered(96)] {
            let memory = guest_memory(0x1000);
            let resource = backed(renderer, &args, &memory, &ranges);
            write_ranges(&memory, &ranges, &numbered(64));
            let whole = area(0, 0, 4, 4);

            renderer.transfer(&to_host(resource, whole)).expect("there");
            assert_eq!(
                pixels(renderer, resource, 4, 4).as_flattened(),
                numbered(64)
            );
            write_guest(&memory, 0, &[CANARY; 0x1000]);
            let second_row = area(0, 1, 4, 1);
            renderer
                .transfer(&from_host(resource, second_row))
                .expect("back");

            assert_eq!(read_ranges(&memory, &ranges)[..16], numbered(32)[16..]);
            renderer.destroy_resource(resource).expect("destroyed");
        }
    });
}

#[test]
fn a_read_back_leaves_the_rest_of_the_target_alone() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let source = resource(renderer, context, 1, &picture(16, 16));
        let full = buffer(16, 16, 0);
        full.memory().copy_from(&numbered(1024));
        renderer
            .upload(&Upload {
                resource: source,
                pixels: full,
            })
            .expect("uploaded");
        let target = buffer(10, 8, CANARY);

        renderer
            .read_back(&ReadBack {
                resource: source,
                x: 4,
                y: 6,
                rects: vec![Rect::new(1, 1, 2, 3), Rect::new(7, 5, 3, 3)],
                target: Arc::clone(&target),
            })
            .expect("read");

        let mut expected = vec![CANARY; 10 * 8 * 4];
        for (x, y, width, height) in [(1, 1, 2, 3), (7, 5, 3, 3)] {
            for row in y..y + height {
                let to = (row * 10 + x) * 4;
                let from = ((row + 6) * 16 + x + 4) * 4;
                expected[to..to + width * 4]
                    .copy_from_slice(&numbered(1024)[from..from + width * 4]);
            }
        }
        assert_eq!(contents(&target), expected);
    });
}

#[test]
fn a_read_back_of_what_is_not_there_is_refused() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let source = resource(renderer, context, 1, &picture(16, 16));
        let bytes = resource(renderer, context, 2, &bytes(64, bind::VERTEX_BUFFER));
        let target = buffer(32, 32, CANARY);
        let read = |resource, x, rect| ReadBack {
            resource,
            x,
            y: 0,
            rects: vec![rect],
            target: Arc::clone(&target),
        };
        let pixel = Rect::new(0, 0, 1, 1);

        for refused in [
            read(source, 0, Rect::new(0, 0, 17, 1)),
            read(source, 16, pixel),
            read(source, u32::MAX, Rect::new(1, 0, 1, 1)),
            read(source, 0, Rect::new(32, 0, 1, 1)),
            read(source, 0, Rect::new(0, 0, 0, 1)),
            read(bytes, 0, pixel),
        ] {
            let result = renderer.read_back(&refused);
            assert!(
                matches!(result, Err(RenderError::Impossible(_))),
                "{refused:?}: {result:?}"
            );
        }
        let unknown = ResourceId(99);
        assert_eq!(
            renderer.read_back(&read(unknown, 0, pixel)),
            Err(RenderError::UnknownResource(unknown))
        );
        assert_eq!(contents(&target), vec![CANARY; 32 * 32 * 4]);
    });
}

#[test]
fn an_upload_has_the_size_of_its_resource() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let picture = resource(renderer, context, 1, &picture(16, 16));

        let result = renderer.upload(&Upload {
            resource: picture,
            pixels: buffer(16, 15, 1),
        });

        assert!(matches!(result, Err(RenderError::Impossible(_))));
        assert_eq!(pixels(renderer, picture, 16, 16), [[0; 4]; 256]);
    });
}

#[test]
fn what_another_context_drew_is_read_back_at_once() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let target = resource(renderer, context, 1, &picture(256, 256));
        let mut stream = Stream::new();
        stream
            .surface(1, 1, format::B8G8R8A8_UNORM)
            .framebuffer(&[1]);
        renderer
            .submit(context, &mut stream.into_words())
            .expect("submit");

        for round in 0..8u8 {
            let mut stream = Stream::new();
            stream.clear([f32::from(round) / 255.0, 0.0, 0.0, 0.0]);
            renderer
                .submit(context, &mut stream.into_words())
                .expect("submit");

            let pixels = pixels(renderer, target, 256, 256);
            assert_eq!(pixels, vec![[0, 0, round, 0]; 256 * 256]);
        }
    });
}
