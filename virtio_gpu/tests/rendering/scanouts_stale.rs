//! Read-backs that nobody waits for any more, and those that fail.

use gpu_renderer::RenderError;
use gpu_renderer::testing::Method;

use crate::rig::{Fence, Placement, Rig3d, UNSPEC, flush, unref};
use crate::scanouts::{newest, on_screen, show};
use crate::support::{OK, rect};

const REFUSED: RenderError = RenderError::Refused {
    call: "planned",
    code: 5,
};

/// A rig whose renderer stands still while it reads a flushed screen.
fn while_reading() -> Rig3d {
    let mut rig = Rig3d::new(Placement::Thread);
    show(&mut rig, 1);
    rig.journal.pause();
    rig.begin(0, &flush(1, rect(0, 0, 8, 8)), Fence::None);
    rig
}

#[test]
fn what_was_read_for_a_screen_of_another_size_is_not_shown() {
    let mut rig = while_reading();
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 4, 4)), OK);
    rig.records();

    rig.journal.resume();
    rig.wait_for(1);
    rig.rest();

    let frames = rig.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1, [1; 16]);
}

#[test]
fn what_was_read_for_a_screen_that_is_off_is_not_shown() {
    let mut rig = while_reading();
    assert_eq!(rig.set_scanout(0, 0, rect(0, 0, 0, 0)), OK);
    rig.records();

    rig.journal.resume();
    rig.wait_for(1);
    rig.rest();

    assert_eq!(rig.records(), []);
    assert_eq!(rig.device.backend().awaited_jobs(), 0);
}

#[test]
fn unref_while_it_is_read_ends_both() {
    let mut rig = while_reading();
    rig.begin(0, &unref(1), Fence::None);

    rig.journal.resume();

    let answers = rig.wait_for(2);
    assert!(answers.iter().all(|answer| answer.outcome() == OK));
    assert!(rig.device.display().surfaces.is_empty());
    assert_eq!(rig.frames(), []);
    assert_eq!(rig.journal.resources(), []);
}

#[test]
fn a_read_that_failed_fails_its_flush_and_the_next_flush_shows_all() {
    for mut rig in on_screen(1) {
        rig.fill(1, 1, 2);
        rig.journal.fail_next(Method::ReadBack, REFUSED);
        assert_eq!(rig.flush(1, rect(0, 0, 1, 1)), UNSPEC);
        rig.rest();
        rig.records();

        assert_eq!(rig.flush(1, rect(0, 0, 1, 1)), OK);

        let (damage, pixels) = newest(&mut rig);
        assert_eq!(damage, [rect(0, 0, 8, 8)], "what was not read is unknown");
        assert_eq!(pixels, [2; 64]);
    }
}

#[test]
fn a_first_read_that_failed_is_made_good_by_the_next_flush() {
    for mut rig in Rig3d::each() {
        rig.painted(1, 8, 8, 5);
        rig.journal.fail_next(Method::ReadBack, REFUSED);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        assert_eq!(rig.frames(), []);

        assert_eq!(rig.flush(1, rect(0, 0, 8, 8)), OK);

        assert_eq!(newest(&mut rig).1, [5; 64]);
    }
}
