//! Command streams that make no sense.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used
)]

mod virgl_support;

use gpu_renderer::testing::stream::{Stream, bind, format};
use gpu_renderer::{RenderError, Renderer};
use virgl_support::{
    backing, bytes, context, guest_memory, picture, resource, still_works, with_renderer,
};

#[test]
fn garbage_streams_give_errors() {
    with_renderer(|renderer| {
        let mut noise = vec![0u32; 4096];
        let mut state = 1u32;
        for word in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *word = state;
        }
        let streams: [&[u32]; 5] = [
            // A command that is not there.
            &[0x0000_00ff],
            // One that leaves the stream.
            &[0x0005_0007, 0],
            // An unknown object.
            &[0x0001_ff01, 1],
            // A clear without its arguments.
            &[0x0000_0007],
            &noise,
        ];
        for (id, stream) in (1..).zip(streams) {
            let context = context(renderer, id);
            let result = renderer.submit(context, &mut stream.to_vec());
            assert!(
                matches!(
                    result,
                    Err(RenderError::Refused { .. } | RenderError::Impossible(_))
                ),
                "{id}: {result:?}"
            );
        }
        still_works(renderer);
    });
}

#[test]
fn a_context_that_went_wrong_is_refused_later_and_others_go_on() {
    const SET_FRAMEBUFFER_STATE: u8 = 5;
    with_renderer(|renderer| {
        let wrong = context(renderer, 1);
        let mut unknown_surface = Stream::new();
        unknown_surface.command(SET_FRAMEBUFFER_STATE, 0, &[1, 0, 77]);

        // The library says that all is well, but notes the error.
        let _ = renderer.submit(wrong, &mut unknown_surface.into_words());
        still_works(renderer);

        let result = renderer.submit(wrong, &mut [0]);
        assert!(
            matches!(result, Err(RenderError::Refused { .. })),
            "{result:?}"
        );
        renderer.destroy_context(wrong).expect("destroyed");
        let anew = context(renderer, 1);
        assert_eq!(renderer.submit(anew, &mut [0]), Ok(()));
    });
}

#[test]
fn a_stream_of_nothing_is_fine() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);

        assert_eq!(renderer.submit(context, &mut []), Ok(()));
        assert_eq!(renderer.submit(context, &mut [0, 0, 0]), Ok(()));
    });
}

#[test]
fn memory_sizes_are_written_where_there_is_a_place_only() {
    const GET_MEMORY_INFO: u8 = 50;
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let resource = resource(renderer, context, 7, &bytes(64, bind::CUSTOM));
        let memory = guest_memory(0x1000);
        let mut stream = Stream::new();
        stream.command(GET_MEMORY_INFO, 0, &[7]);
        let mut words = stream.into_words();

        // virglrenderer 0.10.4 goes through a null pointer here.
        let result = renderer.submit(context, &mut words);
        assert!(matches!(result, Err(RenderError::Impossible(_))));

        renderer
            .attach_backing(resource, backing(&memory, &[(0, 16), (0x100, 48)]))
            .expect("backing");
        let result = renderer.submit(context, &mut words);
        assert!(matches!(result, Err(RenderError::Impossible(_))));

        renderer.detach_backing(resource).expect("detached");
        renderer
            .attach_backing(resource, backing(&memory, &[(0, 64)]))
            .expect("backing");
        assert_eq!(renderer.submit(context, &mut words), Ok(()));
    });
}

#[test]
fn a_shader_image_of_an_unknown_format_is_refused() {
    const SET_SHADER_IMAGES: u8 = 35;
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        resource(renderer, context, 7, &picture(4, 4));
        let image = |format| [1, 0, format, 2, 0, 0, 7];
        let mut wrong = Stream::new();
        wrong.command(SET_SHADER_IMAGES, 0, &image(65536));

        // virglrenderer 0.10.4 reads far behind its table of formats.
        let result = renderer.submit(context, &mut wrong.into_words());

        assert!(matches!(result, Err(RenderError::Impossible(_))));
        let mut right = Stream::new();
        right.command(SET_SHADER_IMAGES, 0, &image(format::R8G8B8A8_UNORM));
        let result = renderer.submit(context, &mut right.into_words());
        assert_eq!(result, Ok(()));
    });
}
