//! When frames were shown: what the compositor tells, and what becomes of it.

use std::time::Duration;

use gpu_display::{Display, Event, SurfaceId, WaylandPresentation};
use wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind;

use crate::common::{BLUE, RED, Source, output};
use crate::compositor::{CLOCK, Offer, Shown};
use crate::desk::Desk;

/// On a monitor of 144 hertz.
const SHOWN: Shown = Shown {
    time: Duration::new(0x1_0000_0002, 999_999_999),
    refresh: 6_944_444,
    sequence: 0x3_0000_0004,
    kind: Kind::Vsync,
};

/// A compositor that tells, and a window with a picture of which it has not told yet. The output has
/// this rate.
fn desk(refresh_millihertz: u32) -> (Desk, SurfaceId) {
    let offer = Offer {
        presentation: Some(2),
        ..Offer::default()
    };
    let mut output = output(640, 480);
    output.mode.refresh_millihertz = refresh_millihertz;
    let mut desk = Desk::with_outputs(offer, vec![output]);
    let surface = desk.surface(0, 4, 2);
    desk.show_all(surface, &mut Source::plain(4, 2, RED));
    (desk, surface)
}

fn tell(desk: &mut Desk, shown: Shown) {
    desk.compositor().world.tell_presented(shown);
    desk.settle();
}

fn refresh(desk: &Desk) -> u32 {
    desk.display.outputs()[0].mode.refresh_millihertz
}

#[test]
fn a_frame_that_was_shown_is_told_with_its_time_and_counted() {
    let (mut desk, _) = desk(60_000);
    assert_eq!(desk.display.presentation(0), None);

    let kind = Kind::Vsync | Kind::ZeroCopy;
    tell(&mut desk, Shown { kind, ..SHOWN });

    let told = WaylandPresentation {
        time: Duration::new(0x1_0000_0002, 999_999_999),
        clock: Some(CLOCK),
        refresh: Some(Duration::from_nanos(6_944_444)),
        sequence: 0x3_0000_0004,
        zero_copy: true,
    };
    assert_eq!(desk.display.presentation(0), Some(told));
    assert_eq!(desk.display.presentation(1), None);
    let statistics = desk.display.statistics();
    assert_eq!(statistics.presented_frames, 1);
    assert_eq!(statistics.discarded_frames, 0);
}

#[test]
fn what_the_compositor_does_not_know_is_not_told() {
    let (mut desk, _) = desk(0);
    let unknown = Shown {
        refresh: 0,
        sequence: 0,
        kind: Kind::empty(),
        ..SHOWN
    };

    tell(&mut desk, unknown);
    desk.wait(Duration::from_secs(1));

    let told = desk.display.presentation(0).unwrap();
    assert_eq!((told.refresh, told.sequence), (None, 0));
    assert!(!told.zero_copy);
    assert_eq!(refresh(&desk), 60_000);
    assert_eq!(desk.events(), []);
}

#[test]
fn frames_that_nobody_saw_are_counted() {
    let (mut desk, surface) = desk(60_000);
    desk.show_all(surface, &mut Source::plain(4, 2, BLUE));

    desk.compositor().world.tell_discarded();
    desk.settle();

    let statistics = desk.display.statistics();
    assert_eq!(statistics.frames, 2);
    assert_eq!(statistics.discarded_frames, 2);
    assert_eq!(statistics.presented_frames, 0);
    assert_eq!(desk.display.presentation(0), None);
}

#[test]
fn an_output_without_a_rate_gets_its_monitors() {
    let (mut desk, surface) = desk(0);
    assert_eq!(refresh(&desk), 60_000);

    tell(&mut desk, SHOWN);
    desk.wait(Duration::from_millis(150));

    assert_eq!(refresh(&desk), 144_000);
    assert_eq!(desk.mode(), (640, 480));
    assert_eq!(desk.events(), [Event::OutputsChanged]);

    // The window is moved to another monitor.
    desk.show_all(surface, &mut Source::plain(4, 2, BLUE));
    let slower = Shown {
        refresh: 20_000_000,
        ..SHOWN
    };
    tell(&mut desk, slower);
    desk.wait(Duration::from_millis(150));
    assert_eq!(refresh(&desk), 50_000);
}

#[test]
fn an_output_with_a_rate_keeps_it() {
    let (mut desk, _) = desk(75_000);

    tell(&mut desk, SHOWN);
    desk.wait(Duration::from_secs(1));

    assert_eq!(refresh(&desk), 75_000);
    assert_eq!(desk.events(), []);
}

#[test]
fn frames_are_asked_about_and_nothing_else_is() {
    let (mut desk, _) = desk(60_000);
    assert_eq!(desk.compositor().world.feedbacks.len(), 1);
    tell(&mut desk, SHOWN);

    // Commits without a picture: they only change the size.
    desk.compositor().configure((800, 600), &[]);
    desk.settle();
    desk.wait(Duration::from_secs(1));

    assert_eq!(desk.compositor().world.feedbacks.len(), 0);
    assert_eq!(desk.display.deadline(), None);
}

#[test]
fn a_compositor_that_never_tells_is_not_asked_without_end() {
    let (mut desk, surface) = desk(60_000);
    let mut source = Source::plain(4, 2, BLUE);
    for _ in 0..200 {
        desk.show_all(surface, &mut source);
    }
    assert_eq!(desk.display.statistics().frames, 201);
    assert_eq!(desk.compositor().world.feedbacks.len(), 64);

    tell(&mut desk, SHOWN);
    desk.show_all(surface, &mut source);

    assert_eq!(desk.display.statistics().presented_frames, 64);
    assert_eq!(desk.compositor().world.feedbacks.len(), 1);
}

#[test]
fn an_impossible_time_ends_the_connection() {
    let (mut desk, _) = desk(60_000);
    let feedback = desk.compositor().world.feedbacks.pop().unwrap();

    feedback.presented(0, 1, 1_000_000_000, 0, 0, 0, Kind::empty());
    desk.settle();

    assert!(!desk.display.is_online());
    assert_eq!(desk.display.statistics().presented_frames, 0);
}

#[test]
fn another_compositor_has_another_clock() {
    let (mut desk, surface) = desk(60_000);
    tell(&mut desk, SHOWN);
    assert!(desk.display.presentation(0).is_some());

    desk.kill_compositor();
    assert_eq!(desk.display.presentation(0), None);

    desk.start_compositor(Offer::default());
    desk.wait(Duration::from_secs(1));
    desk.show_all(surface, &mut Source::plain(4, 2, BLUE));
    assert_eq!(desk.display.presentation(0), None);
    assert_eq!(desk.display.statistics().presented_frames, 1);
}
