//! What command streams draw, looked at pixel by pixel. Pixels are blue,
//! green, red, alpha.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used
)]

mod virgl_support;

use gpu_renderer::testing::stream::{
    Blit, CopyRegion, InlineWrite, ShaderStage, Stream, Target, bind, colour_triangle, format,
    slow_fragments, textured_triangle,
};
use gpu_renderer::virgl::VirglRenderer;
use gpu_renderer::{
    Box3, ContextId, Direction, FenceId, Renderer, ResourceId, Timeline, Transfer, Upload,
};
use virgl_support::{
    backing, bytes, context, guest_memory, numbered, picture, pixels, read_guest, resource,
    wait_for, with_renderer, write_guest,
};

const RED: [u8; 4] = [0, 0, 255, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const BLUE: [u8; 4] = [255, 0, 0, 255];
const NOTHING: [u8; 4] = [0; 4];

const PICTURE: u32 = 7;
const VERTICES: u32 = 8;
const OTHER: u32 = 9;

fn target(width: u32, height: u32) -> Target {
    Target {
        resource: PICTURE,
        format: format::B8G8R8A8_UNORM,
        width,
        height,
    }
}

/// A picture and a vertex buffer in a context.
fn canvas(renderer: &mut VirglRenderer, width: u32, height: u32) -> (ContextId, ResourceId) {
    let context = context(renderer, 1);
    let picture = resource(renderer, context, PICTURE, &picture(width, height));
    let args = bytes(96, bind::VERTEX_BUFFER);
    resource(renderer, context, VERTICES, &args);
    (context, picture)
}

fn submit(renderer: &mut VirglRenderer, context: ContextId, stream: Stream) {
    renderer
        .submit(context, &mut stream.into_words())
        .expect("the stream is good");
}

fn cleared(resource: u32, colour: [f32; 4]) -> Stream {
    let mut stream = Stream::new();
    stream
        .surface(resource, resource, format::B8G8R8A8_UNORM)
        .framebuffer(&[resource])
        .clear(colour);
    stream
}

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

#[test]
fn a_new_picture_is_empty() {
    with_renderer(|renderer| {
        let (_, picture) = canvas(renderer, 16, 16);

        assert_eq!(pixels(renderer, picture, 16, 16), vec![NOTHING; 256]);
    });
}

#[test]
fn a_clear_fills_the_picture() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 64, 48);

        submit(renderer, context, cleared(PICTURE, [0.0, 1.0, 0.0, 1.0]));

        assert_eq!(pixels(renderer, picture, 64, 48), vec![GREEN; 64 * 48]);
    });
}

#[test]
fn a_triangle_covers_its_half_and_nothing_else() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 16, 16);
        // The corner where x and y are least, and the two beside it.
        let red = [1.0, 0.0, 0.0, 1.0];
        let corners = [([-1.0, -1.0], red), ([1.0, -1.0], red), ([-1.0, 1.0], red)];

        submit(
            renderer,
            context,
            colour_triangle(target(16, 16), VERTICES, corners),
        );

        let pixels = pixels(renderer, picture, 16, 16);
        for (index, pixel) in pixels.into_iter().enumerate() {
            let (x, y) = (index % 16, index / 16);
            // The diagonal runs through the centres of the pixels x + y = 15.
            match x + y {
                0..15 => assert_eq!(pixel, RED, "{x} {y}"),
                15 => {}
                _ => assert_eq!(pixel, NOTHING, "{x} {y}"),
            }
        }
    });
}

#[test]
fn colours_run_from_corner_to_corner() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 64, 64);
        let corners = [
            ([-1.0, -1.0], [1.0, 0.0, 0.0, 1.0]),
            ([3.0, -1.0], [0.0, 1.0, 0.0, 1.0]),
            ([-1.0, 3.0], [0.0, 0.0, 1.0, 1.0]),
        ];

        submit(
            renderer,
            context,
            colour_triangle(target(64, 64), VERTICES, corners),
        );

        // The centre of pixel (x, y) is (x + 0.5) / 128 of the way to the
        // green corner and (y + 0.5) / 128 to the blue one.
        let pixels = pixels(renderer, picture, 64, 64);
        for (x, y) in [(0, 0), (63, 0), (0, 63), (31, 31), (10, 50)] {
            let part = |steps: u32| 255.0 * (f64::from(steps) + 0.5) / 128.0;
            let [blue, green, red, alpha] = pixels[(y * 64 + x) as usize].map(f64::from);
            let (expected_green, expected_blue) = (part(x), part(y));
            let expected_red = 255.0 - expected_green - expected_blue;
            assert!((green - expected_green).abs() <= 1.0, "{x} {y}: {green}");
            assert!((blue - expected_blue).abs() <= 1.0, "{x} {y}: {blue}");
            assert!((red - expected_red).abs() <= 1.0, "{x} {y}: {red}");
            assert_eq!(alpha, 255.0);
        }
    });
}

#[test]
fn a_texture_from_guest_memory_is_drawn_as_it_is() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 8, 8);
        let texture = resource(renderer, context, OTHER, &virgl_support::picture(8, 8));
        let memory = guest_memory(0x1000);
        write_guest(&memory, 0x100, &numbered(256));
        renderer
            .attach_backing(texture, backing(&memory, &[(0x100, 256)]))
            .expect("attached");

        renderer
            .transfer(&Transfer {
                direction: Direction::ToHost,
                context: Some(context),
                resource: texture,
                level: 0,
                stride: 0,
                layer_stride: 0,
                region: area(0, 0, 8, 8),
                offset: 0,
            })
            .expect("transferred");
        submit(
            renderer,
            context,
            textured_triangle(target(8, 8), VERTICES, OTHER),
        );

        let drawn = pixels(renderer, picture, 8, 8);
        assert_eq!(drawn.as_flattened(), numbered(256));
    });
}

#[test]
fn an_uploaded_picture_can_be_sampled_and_read_back() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 8, 8);
        let texture = resource(renderer, context, OTHER, &virgl_support::picture(8, 8));
        let buffer = virgl_support::buffer(8, 8, 0);
        buffer.memory().copy_from(&numbered(256));

        let pixels_of_it = Upload {
            resource: texture,
            pixels: buffer,
        };
        renderer.upload(&pixels_of_it).expect("uploaded");
        submit(
            renderer,
            context,
            textured_triangle(target(8, 8), VERTICES, OTHER),
        );

        assert_eq!(
            pixels(renderer, texture, 8, 8).as_flattened(),
            numbered(256)
        );
        assert_eq!(
            pixels(renderer, picture, 8, 8).as_flattened(),
            numbered(256)
        );
    });
}

#[test]
fn a_blit_scales() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 8, 8);
        let source = resource(renderer, context, OTHER, &virgl_support::picture(2, 1));
        let buffer = virgl_support::buffer(2, 1, 0);
        buffer.memory().copy_from([RED, BLUE].as_flattened());
        let upload = Upload {
            resource: source,
            pixels: buffer,
        };
        renderer.upload(&upload).expect("uploaded");
        let mut stream = Stream::new();
        stream.blit(&Blit {
            target: PICTURE,
            target_format: format::B8G8R8A8_UNORM,
            target_region: area(0, 0, 8, 4),
            source: OTHER,
            source_format: format::B8G8R8A8_UNORM,
            source_region: area(0, 0, 2, 1),
        });

        submit(renderer, context, stream);

        let row = [RED, RED, RED, RED, BLUE, BLUE, BLUE, BLUE];
        let mut expected = [row; 4].concat();
        expected.extend([NOTHING; 32]);
        assert_eq!(pixels(renderer, picture, 8, 8), expected);
    });
}

#[test]
fn a_region_is_copied_between_pictures() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 4, 4);
        resource(renderer, context, OTHER, &virgl_support::picture(4, 4));
        let mut stream = cleared(OTHER, [0.0, 0.0, 1.0, 1.0]);
        stream.copy_region(&CopyRegion {
            target: PICTURE,
            at: [1, 2, 0],
            source: OTHER,
            source_region: area(0, 0, 2, 1),
        });

        submit(renderer, context, stream);

        let mut expected = vec![NOTHING; 16];
        expected[9] = BLUE;
        expected[10] = BLUE;
        assert_eq!(pixels(renderer, picture, 4, 4), expected);
    });
}

#[test]
fn bytes_are_written_in_the_stream_and_copied_between_buffers() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let from = resource(renderer, context, 1, &bytes(64, bind::VERTEX_BUFFER));
        let to = resource(renderer, context, 2, &bytes(64, bind::VERTEX_BUFFER));
        let memory = guest_memory(0x1000);
        for (resource, address) in [(from, 0), (to, 0x100)] {
            renderer
                .attach_backing(resource, backing(&memory, &[(address, 64)]))
                .expect("attached");
        }
        let mut stream = Stream::new();
        stream
            .inline_write(&InlineWrite {
                target: from.0,
                region: area(4, 0, 8, 1),
                stride: 0,
                bytes: &[1, 2, 3, 4, 5, 6, 7, 8],
            })
            .copy_region(&CopyRegion {
                target: to.0,
                at: [16, 0, 0],
                source: from.0,
                source_region: area(6, 0, 4, 1),
            });

        submit(renderer, context, stream);
        for resource in [from, to] {
            renderer
                .transfer(&Transfer {
                    direction: Direction::FromHost,
                    context: Some(context),
                    resource,
                    level: 0,
                    stride: 0,
                    layer_stride: 0,
                    region: area(0, 0, 64, 1),
                    offset: 0,
                })
                .expect("transferred");
        }

        let written = read_guest(&memory, 0, 64);
        assert_eq!(written[..4], [0; 4]);
        assert_eq!(written[4..12], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(written[12..], [0; 52]);
        let copied = read_guest(&memory, 0x100, 64);
        assert_eq!(copied[..16], [0; 16]);
        assert_eq!(copied[16..20], [3, 4, 5, 6]);
        assert_eq!(copied[20..], [0; 44]);
    });
}

#[test]
fn constants_reach_a_shader() {
    const FRAGMENTS: &str = "FRAG
DCL OUT[0], COLOR
DCL CONST[0]
MOV OUT[0], CONST[0]
END
";
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 4, 4);
        let anything = [0.0; 4];
        let corners = [[-1.0, -1.0], [3.0, -1.0], [-1.0, 3.0]].map(|at| (at, anything));
        let mut stream = colour_triangle(target(4, 4), VERTICES, corners);
        stream
            .shader(1, ShaderStage::Fragment, FRAGMENTS)
            .constants(ShaderStage::Fragment, &[1.0, 0.0, 0.0, 1.0])
            .draw_triangles(3);

        submit(renderer, context, stream);

        assert_eq!(pixels(renderer, picture, 4, 4), [RED; 16]);
    });
}

#[test]
fn contexts_have_objects_of_their_own_and_share_resources() {
    with_renderer(|renderer| {
        let first = context(renderer, 1);
        let second = context(renderer, 2);
        let shared = resource(renderer, first, PICTURE, &picture(4, 4));
        let own = resource(renderer, second, OTHER, &picture(4, 4));
        renderer.attach_resource(second, shared).expect("attached");

        // The same handle in both.
        let mut red = Stream::new();
        red.surface(1, PICTURE, format::B8G8R8A8_UNORM)
            .framebuffer(&[1])
            .clear([1.0, 0.0, 0.0, 1.0]);
        let mut green = Stream::new();
        green
            .surface(1, OTHER, format::B8G8R8A8_UNORM)
            .framebuffer(&[1])
            .clear([0.0, 1.0, 0.0, 1.0])
            .copy_region(&CopyRegion {
                target: OTHER,
                at: [0, 0, 0],
                source: PICTURE,
                source_region: area(0, 0, 1, 1),
            });
        submit(renderer, first, red);
        submit(renderer, second, green);
        let mut blue = Stream::new();
        blue.clear([0.0, 0.0, 1.0, 1.0]);
        submit(renderer, first, blue);

        assert_eq!(pixels(renderer, shared, 4, 4), [BLUE; 16]);
        let mut expected = [GREEN; 16];
        expected[0] = RED;
        assert_eq!(pixels(renderer, own, 4, 4), expected);
    });
}

#[test]
fn a_slow_drawing_is_finished_when_its_fence_has_passed() {
    with_renderer(|renderer| {
        let (context, picture) = canvas(renderer, 64, 64);

        submit(
            renderer,
            context,
            slow_fragments(target(64, 64), VERTICES, 20_000),
        );
        let begun = std::time::Instant::now();
        renderer
            .create_fence(Timeline::Global, FenceId(1))
            .expect("fence");
        wait_for(renderer, Timeline::Global, FenceId(1));

        let took = begun.elapsed();
        println!("{took:?}");
        assert!(took > std::time::Duration::from_millis(50), "{took:?}");
        assert_eq!(pixels(renderer, picture, 64, 64), [GREEN; 64 * 64]);
    });
}
