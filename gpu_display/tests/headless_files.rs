//! The headless display writes the newest pictures into a directory, seldom and whole.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing
)]

mod common;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{BLUE, GREEN, Pixel, RED, Source, at, cursor, headless, scanout};
use gpu_buffer::Rect;
use gpu_display::{Display, DisplayError, Headless, HeadlessConfig, Interest};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::tempdir;

struct Png {
    size: (u32, u32),
    pixels: Vec<u8>,
}

fn read_png(path: &Path) -> Png {
    let file = BufReader::new(File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    Png {
        size: (info.width, info.height),
        pixels,
    }
}

/// The colour of a file whose pixels are all the same.
fn color_of(path: &Path) -> Pixel {
    let Png { pixels, .. } = read_png(path);
    let color: Pixel = pixels[..4].try_into().unwrap();
    assert!(pixels.chunks(4).all(|pixel| pixel == color));
    color
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn is_ready(display: &Headless, timeout: Duration) -> bool {
    let ready = display.poll_fd().unwrap();
    assert_eq!(ready.interest, Interest::Readable);
    let mut fds = [PollFd::new(ready.fd, PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(timeout).unwrap();
    poll(&mut fds, timeout).unwrap() == 1
}

/// Lets the display write what is due at `now` and waits until it is written.
#[track_caller]
fn write_at(display: &mut Headless, now: Instant) {
    assert!(display.deadline().is_some_and(|due| due <= now));
    display.dispatch(now).unwrap();
    assert!(
        is_ready(display, Duration::from_secs(30)),
        "nothing written"
    );
    display.dispatch(now).unwrap();
    assert!(!is_ready(display, Duration::ZERO), "not cleared");
}

#[test]
fn a_file_has_the_pixels_of_the_picture_with_its_cursor() {
    let directory = tempdir().unwrap();
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(1, 33, 17)).unwrap();
    Source::new(33, 17, |x, y| [x as u8, y as u8, 9, 255]).show(&mut display, surface);
    let pointer = display
        .create_surface(&cursor(surface, (0, 0), (4, 5)))
        .unwrap();
    Source::plain(2, 2, [0, 0, 255, 128]).show(&mut display, pointer);

    write_at(&mut display, Instant::now());

    let png = read_png(&directory.path().join("scanout-1.png"));
    let picture = display.picture(1).unwrap();
    assert_eq!(png.size, (33, 17));
    assert_eq!(png.pixels, picture.pixels);
    assert_eq!(names_in(directory.path()), ["scanout-1.png"]);
}

#[test]
fn only_what_changed_is_written_and_at_most_once_a_second() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("scanout-0.png");
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    assert_eq!(display.deadline(), None, "nothing to write yet");
    Source::plain(4, 4, RED).show(&mut display, surface);
    let start = Instant::now();
    write_at(&mut display, start);
    assert_eq!(display.deadline(), None, "nothing changed");

    Source::plain(4, 4, BLUE).show(&mut display, surface);
    Source::plain(4, 4, GREEN).show(&mut display, surface);

    let due = start + Duration::from_secs(1);
    assert_eq!(display.deadline(), Some(due));
    display.dispatch(due - Duration::from_millis(1)).unwrap();
    assert!(!is_ready(&display, Duration::from_millis(50)));
    assert_eq!(color_of(&path), RED);

    write_at(&mut display, due);
    assert_eq!(color_of(&path), GREEN, "the newest frame wins");
}

#[test]
fn a_recycled_buffer_carries_old_and_new_pixels() {
    let directory = tempdir().unwrap();
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 8, 8)).unwrap();
    let pointer = display
        .create_surface(&cursor(surface, (0, 0), (0, 0)))
        .unwrap();
    let mut source = Source::plain(8, 8, RED);
    source.show(&mut display, surface);
    Source::plain(2, 2, GREEN).show(&mut display, pointer);

    let mut blue = Source::plain(8, 8, BLUE);
    let whole = blue.layout.bounds();
    let mut now = Instant::now();
    for i in 0..4 {
        let damage = [Rect::new(i, i, 2, 1)];
        blue.present(&mut display, surface, whole, &damage).unwrap();
        display.set_position(pointer, at(7 - i as i32, 3)).unwrap();
        write_at(&mut display, now);
        now += Duration::from_secs(1);

        let png = read_png(&directory.path().join("scanout-0.png"));
        assert_eq!(png.pixels, display.picture(0).unwrap().pixels, "frame {i}");
    }
}

#[test]
fn a_change_of_size_is_a_file_of_that_size() {
    let directory = tempdir().unwrap();
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    let start = Instant::now();
    write_at(&mut display, start);

    display
        .configure_surface(surface, &scanout(0, 6, 5))
        .unwrap();
    Source::plain(6, 5, BLUE).show(&mut display, surface);
    write_at(&mut display, start + Duration::from_secs(1));

    let png = read_png(&directory.path().join("scanout-0.png"));
    assert_eq!(png.size, (6, 5));
}

#[test]
fn dropping_the_display_writes_what_is_left() {
    let directory = tempdir().unwrap();
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    display.dispatch(Instant::now()).unwrap();
    Source::plain(4, 4, BLUE).show(&mut display, surface);

    drop(display);

    assert_eq!(names_in(directory.path()), ["scanout-0.png"]);
    assert_eq!(color_of(&directory.path().join("scanout-0.png")), BLUE);
}

#[test]
fn the_last_picture_of_a_destroyed_scanout_is_written_and_stays() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("scanout-0.png");
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);

    display.destroy_surface(surface);

    assert_eq!(display.picture(0), None);
    write_at(&mut display, Instant::now());
    assert_eq!(color_of(&path), RED);
    drop(display);
    assert_eq!(color_of(&path), RED);
}

#[test]
fn a_reader_never_sees_part_of_a_file() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("picture.png");
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 200, 200)).unwrap();
    Source::plain(200, 200, RED).show(&mut display, surface);
    display.write_png(0, &path).unwrap();

    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..200 {
                assert!([RED, BLUE].contains(&color_of(&path)));
            }
        });
        let mut colors = [BLUE, RED].into_iter().cycle();
        while !reader.is_finished() {
            let color = colors.next().unwrap();
            Source::plain(200, 200, color).show(&mut display, surface);
            display.write_png(0, &path).unwrap();
        }
    });

    assert_eq!(names_in(directory.path()), ["picture.png"]);
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error_and_leaves_no_file() {
    let directory = tempdir().unwrap();
    let in_the_way = directory.path().join("picture.png");
    fs::create_dir(&in_the_way).unwrap();
    let mut display = headless(None);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);

    let result = display.write_png(0, &in_the_way);

    assert!(matches!(result, Err(DisplayError::WritePicture { path, .. }) if path == in_the_way));
    assert_eq!(names_in(directory.path()), ["picture.png"]);
}

#[test]
fn a_display_whose_directory_is_gone_goes_on() {
    let directory = tempdir().unwrap();
    let pictures = directory.path().join("pictures");
    let mut display = headless(Some(&pictures));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    fs::remove_dir(&pictures).unwrap();
    let start = Instant::now();

    for second in 0..4 {
        write_at(&mut display, start + Duration::from_secs(second));
        Source::plain(4, 4, BLUE).show(&mut display, surface);
    }
    fs::create_dir(&pictures).unwrap();
    drop(display);

    assert_eq!(color_of(&pictures.join("scanout-0.png")), BLUE);
}

#[test]
fn a_picture_that_was_not_written_is_tried_again_when_the_next_file_is_due() {
    let directory = tempdir().unwrap();
    let pictures = directory.path().join("pictures");
    let mut display = headless(Some(&pictures));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    fs::remove_dir(&pictures).unwrap();
    let start = Instant::now();

    write_at(&mut display, start);
    let due = start + Duration::from_secs(1);
    assert_eq!(display.deadline(), Some(due));
    fs::create_dir(&pictures).unwrap();
    write_at(&mut display, due);

    assert_eq!(color_of(&pictures.join("scanout-0.png")), RED);
    assert_eq!(display.deadline(), None, "it is in its file");
}

#[test]
fn a_picture_that_was_not_written_is_tried_again_at_the_end() {
    for scanout_stays in [true, false] {
        let directory = tempdir().unwrap();
        let pictures = directory.path().join("pictures");
        let mut display = headless(Some(&pictures));
        let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
        Source::plain(4, 4, RED).show(&mut display, surface);
        fs::remove_dir(&pictures).unwrap();
        display.dispatch(Instant::now()).unwrap();
        if !scanout_stays {
            display.destroy_surface(surface);
        }
        assert!(is_ready(&display, Duration::from_secs(30)));
        fs::create_dir(&pictures).unwrap();

        drop(display);

        assert_eq!(color_of(&pictures.join("scanout-0.png")), RED);
    }
}

#[test]
fn the_last_picture_before_a_change_of_size_is_written() {
    let directory = tempdir().unwrap();
    let mut display = headless(Some(directory.path()));
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let pointer = display
        .create_surface(&cursor(surface, (0, 0), (0, 0)))
        .unwrap();
    Source::plain(4, 4, RED).show(&mut display, surface);
    Source::plain(2, 2, RED).show(&mut display, pointer);
    Source::plain(2, 2, BLUE).show(&mut display, pointer);
    let shown = display.picture(0).unwrap();

    display
        .configure_surface(surface, &scanout(0, 6, 5))
        .unwrap();
    write_at(&mut display, Instant::now());

    let png = read_png(&directory.path().join("scanout-0.png"));
    assert_eq!(png.size, (4, 4));
    assert_eq!(png.pixels, shown.pixels);
    assert_eq!(display.deadline(), None);
}

#[test]
fn the_directory_is_made_or_the_display_is_not() {
    let directory = tempdir().unwrap();
    let nested = directory.path().join("a/b");
    drop(headless(Some(&nested)));
    assert!(nested.is_dir());

    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let result = Headless::new(HeadlessConfig {
        outputs: Vec::new(),
        directory: Some(file.clone()),
    });
    assert!(matches!(result, Err(DisplayError::Directory { path, .. }) if path == file));
}
