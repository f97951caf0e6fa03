//! Sizes: the window's, the guest's, and the scale between them.

use std::time::Duration;

use gpu_display::{Display, Event, Role, SurfaceId, SurfaceRequest};

use crate::common::{BLUE, RED, Source};
use crate::compositor::{FULLSCREEN, MAXIMIZED, Offer};
use crate::desk::Desk;

const QUIET: Duration = Duration::from_millis(200);

/// A guest of 640x480 in a window.
fn desk(offer: Offer) -> (Desk, SurfaceId) {
    let mut desk = Desk::new(offer);
    let surface = desk.surface(0, 640, 480);
    desk.show_all(surface, &mut Source::plain(640, 480, RED));
    assert_eq!(desk.events(), []);
    (desk, surface)
}

/// The guest takes another mode.
fn change_mode(desk: &mut Desk, surface: SurfaceId, width: u32, height: u32) {
    let role = Role::Scanout { output: 0 };
    let request = SurfaceRequest {
        role,
        width,
        height,
    };
    desk.display.configure_surface(surface, &request).unwrap();
    desk.show_all(surface, &mut Source::plain(width, height, BLUE));
}

fn configure(desk: &mut Desk, size: (i32, i32), states: &[u32]) {
    desk.compositor().configure(size, states);
    desk.settle();
}

#[test]
fn the_output_follows_the_window_and_the_guest_the_output() {
    let (mut desk, surface) = desk(Offer::default());

    configure(&mut desk, (1000, 600), &[]);
    assert_eq!((desk.mode(), desk.events()), ((640, 480), vec![]));
    // Until the guest follows, its picture is scaled.
    assert_eq!(desk.compositor().world.surface().size(), (800, 600));
    desk.wait(QUIET);
    assert_eq!(desk.events(), [Event::OutputsChanged]);
    assert_eq!(desk.mode(), (1000, 600));

    change_mode(&mut desk, surface, 1000, 600);
    assert_eq!(desk.compositor().world.surface().size(), (1000, 600));
    let geometry = desk.compositor().world.window().geometry;
    assert_eq!(geometry, Some((0, 0, 1000, 600)));
    desk.wait(QUIET);
    assert_eq!(desk.events(), []);
}

#[test]
fn a_window_that_is_dragged_changes_the_output_when_it_rests() {
    let (mut desk, _) = desk(Offer::default());

    for step in 1..=10 {
        configure(&mut desk, (640 + step, 480 + step), &[]);
        desk.wait(Duration::from_millis(20));
    }
    assert_eq!(desk.events(), []);
    desk.wait(QUIET);

    assert_eq!(desk.events(), [Event::OutputsChanged]);
    assert_eq!(desk.mode(), (650, 490));
}

#[test]
fn the_window_follows_a_mode_that_the_guest_chose() {
    let (mut desk, surface) = desk(Offer::default());
    configure(&mut desk, (1000, 600), &[]);
    desk.wait(QUIET);
    desk.events();

    change_mode(&mut desk, surface, 320, 200);
    // As desktops do after every change.
    configure(&mut desk, (320, 200), &[]);
    desk.wait(QUIET);

    assert_eq!(desk.compositor().world.surface().size(), (320, 200));
    // It is the guest's wish, not the user's.
    assert_eq!((desk.events(), desk.mode()), (vec![], (1000, 600)));
}

#[test]
fn a_maximized_window_has_the_size_it_must_have() {
    let (mut desk, surface) = desk(Offer::default());

    configure(&mut desk, (1280, 700), &[MAXIMIZED]);
    assert_eq!(desk.compositor().world.surface().size(), (1280, 700));
    change_mode(&mut desk, surface, 800, 600);
    assert_eq!(desk.compositor().world.surface().size(), (1280, 700));
    configure(&mut desk, (0, 0), &[]);

    assert_eq!(desk.compositor().world.surface().size(), (800, 600));
}

#[test]
fn in_full_screen_the_picture_keeps_its_proportions() {
    let (mut desk, _) = desk(Offer::default());

    configure(&mut desk, (1920, 1080), &[FULLSCREEN]);
    desk.wait(QUIET);

    assert_eq!(desk.compositor().world.surface().size(), (1440, 1080));
    assert_eq!(desk.mode(), (1920, 1080));
}

#[test]
fn a_desktop_that_tiles_decides_before_the_first_frame() {
    let mut desk = Desk::new(Offer::default());
    desk.compositor().world.first_size = (700, 900);
    desk.compositor().world.first_states = vec![MAXIMIZED];

    let surface = desk.surface(0, 640, 480);
    desk.show_all(surface, &mut Source::plain(640, 480, RED));
    desk.wait(QUIET);

    assert_eq!(desk.compositor().world.surface().size(), (700, 900));
    assert_eq!(desk.events(), [Event::OutputsChanged]);
    assert_eq!(desk.mode(), (700, 900));
}

#[test]
fn sizes_that_cannot_be_are_ignored_or_clamped() {
    let (mut desk, _) = desk(Offer::default());
    for size in [(0, 0), (0, 600), (-1, 600), (i32::MIN, i32::MIN)] {
        configure(&mut desk, size, &[]);
        assert_eq!(desk.compositor().world.surface().size(), (640, 480));
    }
    desk.wait(QUIET);
    assert_eq!(desk.events(), []);

    configure(&mut desk, (1, 1), &[]);
    desk.wait(QUIET);
    assert_eq!(desk.mode(), (32, 32));
    configure(&mut desk, (65_535, 65_535), &[]);
    desk.wait(QUIET);
    assert_eq!(desk.mode(), (16_384, 16_384));
    configure(&mut desk, (i32::MAX, 600), &[]);
    desk.wait(QUIET);
    assert_eq!(desk.mode(), (16_384, 600));
}

#[test]
fn on_a_fine_screen_a_window_without_a_wish_shows_pixel_for_pixel() {
    let (mut desk, _) = desk(Offer {
        fractional: Some(1),
        ..Offer::default()
    });

    desk.compositor().world.set_scale(150);
    desk.settle();
    assert_eq!(desk.compositor().world.surface().size(), (512, 384));

    configure(&mut desk, (801, 600), &[]);
    desk.wait(QUIET);
    assert_eq!(desk.mode(), (1001, 750));
    // The same window on a finer screen is more pixels.
    desk.compositor().world.set_scale(240);
    desk.settle();
    desk.wait(QUIET);
    assert_eq!(desk.mode(), (1602, 1200));
    for nonsense in [0, u32::MAX] {
        desk.compositor().world.set_scale(nonsense);
        desk.settle();
    }
    desk.wait(QUIET);
    assert_eq!(desk.mode(), (1602, 1200));
}

#[test]
fn without_a_fractional_scale_the_largest_monitor_counts() {
    let (mut desk, _) = desk(Offer {
        monitors: vec![1, 2, 0, -5],
        ..Offer::default()
    });

    for monitor in 0..4 {
        desk.compositor().world.enter(monitor);
    }
    desk.settle();
    assert_eq!(desk.compositor().world.surface().size(), (320, 240));

    desk.compositor().world.leave(1);
    desk.settle();
    assert_eq!(desk.compositor().world.surface().size(), (640, 480));
}

#[test]
fn without_a_viewporter_a_window_is_as_large_as_its_picture() {
    let (mut desk, surface) = desk(Offer {
        viewporter: None,
        monitors: vec![2],
        ..Offer::default()
    });
    let window = desk.compositor().world.window();
    assert_eq!((window.min_size, window.max_size), ((640, 480), (640, 480)));

    desk.compositor().world.enter(0);
    desk.settle();
    assert_eq!(desk.compositor().world.surface().size(), (320, 240));
    configure(&mut desk, (1000, 600), &[]);
    desk.wait(QUIET);
    assert_eq!(desk.events(), []);

    // Two does not divide it.
    change_mode(&mut desk, surface, 641, 480);
    assert_eq!(desk.compositor().world.surface().size(), (641, 480));
    change_mode(&mut desk, surface, 800, 600);
    assert_eq!(desk.compositor().world.surface().size(), (400, 300));
}

#[test]
fn monitors_come_and_go() {
    let (mut desk, _) = desk(Offer {
        monitors: vec![2],
        ..Offer::default()
    });
    desk.compositor().world.enter(0);
    desk.settle();

    desk.compositor().unplug_monitors();
    desk.settle();
    for _ in 0..200 {
        desk.compositor().plug_monitor(1);
        desk.settle();
    }
    desk.compositor().unplug_monitors();
    desk.settle();

    assert!(desk.display.is_online());
}
