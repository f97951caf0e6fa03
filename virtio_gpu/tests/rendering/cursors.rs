//! Cursors whose image the renderer has.

use gpu_display::Position;
use gpu_renderer::testing::Method;
use gpu_renderer::{RenderError, ResourceId as RendererResource};
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{
    Command, CursorPosition, CursorUpdate, ResourceCreate3d, ResourceId, ScanoutId, Success,
};

use crate::rig::{BAD_PARAMETER, Placement, Rig3d, buffer, picture, submit};
use crate::support::{IMAGE, OK, Record, Rect, rect};

const CURSOR: QueueIndex = QueueIndex::Cursor;

pub fn update(id: u32, hot: u32) -> Command<'static> {
    Command::UpdateCursor(CursorUpdate {
        position: CursorPosition {
            scanout: ScanoutId(0),
            x: 3,
            y: 4,
        },
        resource: ResourceId::or_none(id),
        hot_x: hot,
        hot_y: hot,
    })
}

fn move_to(x: i32, y: i32) -> Command<'static> {
    Command::MoveCursor {
        position: CursorPosition {
            scanout: ScanoutId(0),
            x,
            y,
        },
    }
}

/// A screen, and two cursor images of 4x4 in the colours 2 and 3.
fn prepare(rig: &mut Rig3d) {
    rig.image(1, 32, 32, |_, _| 1);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 32, 32)), OK);
    rig.painted(2, 4, 4, 2);
    rig.painted(3, 4, 4, 3);
    rig.records();
    rig.journal.take_calls();
}

fn prepared() -> [Rig3d; 2] {
    Rig3d::each().map(|mut rig| {
        prepare(&mut rig);
        rig
    })
}

/// The pictures that the cursor's surface was given.
fn images(rig: &mut Rig3d) -> Vec<Vec<u32>> {
    rig.rest();
    rig.frames()
        .into_iter()
        .map(|(_, pixels)| pixels)
        .filter(|pixels| pixels.len() == 16)
        .collect()
}

#[test]
fn a_renderer_s_image_is_read_and_shown_with_its_alpha() {
    for mut rig in prepared() {
        assert_eq!(rig.call(update(2, 1)), OK);
        rig.rest();

        let presented = rig.records().into_iter().rev().find_map(|record| {
            let Record::Presented { format, pixels, .. } = record else {
                return None;
            };
            Some((format, pixels))
        });
        let (format, pixels) = presented.expect("the cursor is presented");
        assert_eq!(format, gpu_buffer::DrmFourcc::Argb8888);
        assert_eq!(pixels, [2; 16]);
        assert_eq!(rig.reads(), [[rect(0, 0, 4, 4)]]);
    }
}

#[test]
fn the_next_image_of_the_same_size_is_shown_and_the_one_before_no_more() {
    for mut rig in prepared() {
        assert_eq!(rig.call(update(2, 0)), OK);
        assert_eq!(images(&mut rig), [[2; 16]]);

        assert_eq!(rig.call(update(3, 2)), OK);

        assert_eq!(images(&mut rig), [[3; 16]], "with the new hot spot");
    }
}

#[test]
fn a_flush_of_the_image_shows_it_anew() {
    for mut rig in prepared() {
        assert_eq!(rig.call(update(2, 0)), OK);
        rig.rest();
        rig.records();

        rig.fill(1, 2, 9);
        assert_eq!(rig.flush(2, rect(0, 0, 4, 4)), OK);

        assert_eq!(images(&mut rig), [[9; 16]]);
    }
}

#[test]
fn moving_reads_and_presents_nothing() {
    for mut rig in prepared() {
        assert_eq!(rig.call(update(2, 0)), OK);
        rig.rest();
        rig.records();
        rig.journal.take_calls();

        assert_eq!(rig.call(move_to(-5, 70)), OK);
        rig.rest();

        let records = rig.records();
        let [Record::Moved(_, position)] = records[..] else {
            panic!("it is moved and no more: {records:?}");
        };
        assert_eq!(position, Position { x: -5, y: 70 });
        assert_eq!(rig.reads(), [] as [Vec<Rect>; 0]);
    }
}

#[test]
fn an_image_of_another_place_takes_over() {
    for mut rig in prepared() {
        rig.image_at(IMAGE + 8192, 4, 4, 4, |_, _| 4);
        for (id, colour) in [(2, 2), (4, 4), (3, 3), (4, 4)] {
            assert_eq!(rig.call(update(id, 0)), OK);
            assert_eq!(images(&mut rig).pop(), Some(vec![colour; 16]));
        }
    }
}

#[test]
fn what_cannot_be_shown_is_no_cursor() {
    let mut rig = Rig3d::new(Placement::Inline);
    prepare(&mut rig);
    let volume = ResourceCreate3d {
        target: 3,
        depth: 2,
        ..picture(5, 4, 4)
    };
    for create in [buffer(4, 64), volume, picture(6, 257, 1)] {
        assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(create)), OK);
        assert_eq!(rig.call(update(create.resource.0, 0)), BAD_PARAMETER);
    }
    assert!(rig.device.backend().scanouts()[0].cursor.image.is_none());
}

#[test]
fn unref_of_the_image_hides_the_cursor() {
    for mut rig in prepared() {
        assert_eq!(rig.call(update(2, 0)), OK);
        rig.rest();

        assert_eq!(rig.unref(2), OK);

        assert_eq!(rig.device.display().surfaces.len(), 1, "the screen is left");
        assert!(rig.device.backend().scanouts()[0].cursor.image.is_none());
    }
}

#[test]
fn what_was_read_for_a_cursor_that_is_hidden_is_not_shown() {
    let mut rig = Rig3d::new(Placement::Thread);
    prepare(&mut rig);
    rig.journal.pause();
    assert_eq!(rig.call(update(2, 0)), OK);
    assert_eq!(rig.call(update(0, 0)), OK);
    rig.records();

    rig.journal.resume();

    assert_eq!(images(&mut rig), [] as [Vec<u32>; 0]);
    assert_eq!(rig.device.backend().awaited_jobs(), 0);
}

#[test]
fn a_read_that_failed_is_made_good_by_the_next_update() {
    for mut rig in prepared() {
        let refused = RenderError::Refused {
            call: "planned",
            code: 1,
        };
        rig.journal.fail_next(Method::ReadBack, refused);
        assert_eq!(rig.call(update(2, 0)), OK);
        assert_eq!(images(&mut rig), [] as [Vec<u32>; 0]);

        assert_eq!(rig.call(update(2, 0)), OK);

        assert_eq!(images(&mut rig), [[2; 16]]);
    }
}

#[test]
fn a_promoted_image_stays_the_cursor() {
    for mut rig in prepared() {
        rig.image_at(IMAGE + 8192, 4, 4, 4, |_, _| 4);
        assert_eq!(rig.call(update(4, 0)), OK);
        assert_eq!(rig.attach_to(1, 4), OK);
        assert_eq!(images(&mut rig).pop(), Some(vec![4; 16]));

        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        assert_eq!(images(&mut rig).pop(), Some(vec![4; 16]));
        rig.fill(1, 4, 5);
        assert_eq!(rig.flush(4, rect(0, 0, 4, 4)), OK);
        assert_eq!(images(&mut rig).pop(), Some(vec![5; 16]));
    }
}

#[test]
fn a_renderer_that_stands_still_delays_no_cursor_command() {
    let mut rig = Rig3d::new(Placement::Thread);
    prepare(&mut rig);
    assert_eq!(rig.call(update(2, 0)), OK);
    rig.rest();
    rig.journal.pause();
    for round in 0..50 {
        for command in [update(2 + round % 2, 0), move_to(1, 1)] {
            assert_eq!(rig.call(command), Ok(Success::NoData));
        }
    }
    rig.journal.resume();
    rig.rest();
}

#[test]
fn updates_cannot_pile_up_reads_in_a_renderer_that_stands_still() {
    // The cursor queue is served whatever waits on the renderer.
    let mut rig = Rig3d::new(Placement::Thread);
    prepare(&mut rig);
    rig.painted(4, 5, 5, 4);
    rig.journal.pause();
    for round in 0..500 {
        let id = if round % 2 == 0 { 2 } else { 4 };
        assert_eq!(rig.call(update(id, 0)), OK);
    }

    let outstanding = rig.device.backend().renderer().unwrap().outstanding();
    assert!(outstanding <= 64, "{outstanding} jobs");

    rig.journal.resume();
    rig.rest();
    assert_eq!(
        rig.frames().pop().unwrap().1,
        [4; 25],
        "the last one is shown"
    );
    let resources = rig.journal.resources();
    assert!(resources.contains(&RendererResource(4)));
    assert!(rig.driver.take_answers(CURSOR).is_empty());
}
