//! The examples do what they say.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

#[path = "../examples/bridge_camera.rs"]
mod bridge_camera;
#[path = "../examples/custom_display.rs"]
mod custom_display;
#[path = "../examples/embed.rs"]
mod embed;

use std::fs::File;
use std::io::BufReader;

#[test]
fn embed_writes_what_the_guest_drew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("picture.png");

    embed::run(&path).unwrap();

    let decoder = png::Decoder::new(BufReader::new(File::open(&path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (320, 200));
    assert_eq!(info.color_type, png::ColorType::Rgba);
    let at = |x: usize, y: usize| &pixels[(y * 320 + x) * 4..][..4];
    assert_eq!(at(0, 0), [0, 0, 0, 255]);
    assert_eq!(at(160, 100), [0, 100, 127, 255]);
    assert_eq!(at(319, 199), [0, 199, 254, 255]);
}

#[test]
fn custom_display_shows_what_the_guest_drew() {
    let lines = custom_display::run().unwrap();

    assert_eq!(
        lines,
        [
            "........................",
            "........#########.......",
            "......#############.....",
            ".....###############....",
            ".....###############....",
            ".....###############....",
            "......#############.....",
            "........#########.......",
        ]
    );
}

#[test]
fn bridge_camera_films_into_what_the_guest_shows() {
    let pixels = bridge_camera::run().unwrap();

    assert_eq!(pixels, [0xff, 0x80, 0x00, 0xff].repeat(64 * 48));
}
