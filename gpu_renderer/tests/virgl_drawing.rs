//! What command streams draw, looked at pixel by pixel. Pixels are blue,
//! green, red, alpha.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod virgl_support;

use gpu_renderer::Renderer;
use gpu_renderer::testing::stream::{Stream, format};
use virgl_support::{context, picture, pixels, resource, with_renderer};

const GREEN: [u8; 4] = [0, 255, 0, 255];

#[test]
fn a_clear_fills_the_picture() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let picture = resource(renderer, context, 7, &picture(64, 48));
        let mut stream = Stream::new();
        stream
            .surface(1, 7, format::B8G8R8A8_UNORM)
            .framebuffer(&[1])
            .clear([0.0, 1.0, 0.0, 1.0]);

        renderer
            .submit(context, &mut stream.into_words())
            .expect("submit");

        let pixels = pixels(renderer, picture, 64, 48);
        assert_eq!(pixels, vec![GREEN; 64 * 48]);
    });
}
