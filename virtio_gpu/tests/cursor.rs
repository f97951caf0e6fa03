//! UPDATE_CURSOR and MOVE_CURSOR: VIRTIO 1.4 §5.7.6.10.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod support;

use gpu_display::{Hotspot, Position, Role};
use support::{OK, Record, Rig, rect};
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{
    Command, CursorPosition, CursorUpdate, ErrorCode, ResourceId, ScanoutId, Success,
};

fn place(scanout: u32, x: i32, y: i32) -> CursorPosition {
    CursorPosition {
        scanout: ScanoutId(scanout),
        x,
        y,
    }
}

fn update(resource: u32, position: CursorPosition, hot_x: u32, hot_y: u32) -> Command<'static> {
    Command::UpdateCursor(CursorUpdate {
        position,
        resource: ResourceId::or_none(resource),
        hot_x,
        hot_y,
    })
}

/// A scanout of 64 x 64 with resource 1, a 64 x 64 cursor in resource 2.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.image(1, 64, 64, |_, _| 1);
    rig.image_at(support::IMAGE + 0x1_0000, 2, 64, 64, |_, _| 0x00ff_0000);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 64, 64)), OK);
    rig.records();
    rig
}

#[test]
fn the_cursor_is_a_surface_over_its_scanout_with_hotspot_and_position() {
    let mut rig = rig();
    let parent = rig.device.display().only_surface();

    assert_eq!(rig.call(update(2, place(0, -5, 300), 3, 4)), OK);

    let records = rig.records();
    let Record::Created(cursor, request) = &records[0] else {
        panic!("a cursor surface is made: {records:?}");
    };
    assert_eq!((request.width, request.height), (64, 64));
    assert_eq!(
        request.role,
        Role::Cursor {
            parent,
            hotspot: Hotspot { x: 3, y: 4 },
            position: Position { x: -5, y: 300 },
        }
    );
    let Record::Presented {
        surface, pixels, ..
    } = &records[1]
    else {
        panic!("its image follows: {records:?}");
    };
    assert_eq!(surface, cursor);
    assert!(pixels.iter().all(|pixel| *pixel == 0x00ff_0000));
}

#[test]
fn a_cursor_has_alpha_whatever_the_format_of_its_resource() {
    // Linux makes cursors of dumb buffers, whose format is B8G8R8X8.
    let mut rig = rig();

    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);

    let formats: Vec<_> = rig
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Presented { format, .. } => Some(format),
            _ => None,
        })
        .collect();
    assert_eq!(formats, [gpu_buffer::DrmFourcc::Argb8888]);
}

#[test]
fn moving_presents_no_image() {
    let mut rig = rig();
    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);
    let Record::Created(cursor, _) = rig.records()[0] else {
        panic!("a cursor surface is made");
    };

    let moved = rig.call(Command::MoveCursor {
        position: place(0, i32::MIN, i32::MAX),
    });

    assert_eq!(moved, OK);
    let position = Position {
        x: i32::MIN,
        y: i32::MAX,
    };
    assert_eq!(rig.records(), [Record::Moved(cursor, position)]);
}

#[test]
fn a_move_before_the_first_image_is_remembered() {
    let mut rig = rig();
    let moved = rig.call(Command::MoveCursor {
        position: place(0, 30, 40),
    });
    assert_eq!(moved, OK);
    assert_eq!(rig.records(), []);
}

#[test]
fn resource_zero_hides_the_cursor_and_an_image_brings_it_back() {
    let mut rig = rig();
    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);
    let Record::Created(cursor, _) = rig.records()[0] else {
        panic!("a cursor surface is made");
    };

    assert_eq!(rig.call(update(0, place(0, 1, 1), 0, 0)), OK);
    assert_eq!(rig.records(), [Record::Destroyed(cursor)]);
    assert_eq!(rig.call(update(0, place(0, 1, 1), 0, 0)), OK);
    assert_eq!(rig.records(), []);

    assert_eq!(rig.call(update(2, place(0, 2, 2), 0, 0)), OK);
    assert!(matches!(
        rig.records()[..],
        [Record::Created(..), Record::Presented { .. }]
    ));
}

#[test]
fn each_image_has_its_own_size() {
    let mut rig = rig();
    rig.image_at(support::IMAGE + 0x2_0000, 3, 32, 16, |_, _| 9);
    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);
    rig.records();

    assert_eq!(rig.call(update(3, place(0, 1, 1), 0, 0)), OK);

    let records = rig.records();
    let Record::Configured(_, request) = &records[0] else {
        panic!("the cursor surface gets the new size: {records:?}");
    };
    assert_eq!((request.width, request.height), (32, 16));
}

#[test]
fn a_flush_of_the_cursor_s_resource_presents_the_new_image() {
    let mut rig = rig();
    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);
    rig.records();
    rig.paint(support::IMAGE + 0x1_0000, 64, 64, |_, _| 0x1234);
    assert_eq!(rig.transfer(2, rect(0, 0, 64, 64), 0), OK);

    assert_eq!(rig.flush(2, rect(0, 0, 64, 64)), OK);

    let (_, pixels) = rig.frames().remove(0);
    assert!(pixels.iter().all(|pixel| *pixel == 0x1234));
}

#[test]
fn unref_of_the_image_hides_the_cursor() {
    let mut rig = rig();
    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);

    assert_eq!(rig.unref(2), OK);

    assert_eq!(rig.device.display().surfaces.len(), 1);
    assert_eq!(rig.device.backend().scanouts()[0].cursor.image, None);
}

#[test]
fn a_cursor_outlives_its_scanout_s_modeset() {
    let mut rig = rig();
    assert_eq!(rig.call(update(2, place(0, 9, 9), 1, 2)), OK);
    assert_eq!(rig.set_scanout(0, 0, rect(0, 0, 0, 0)), OK);
    assert_eq!(
        rig.call(Command::MoveCursor {
            position: place(0, 11, 12)
        }),
        OK
    );
    rig.records();

    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 64, 64)), OK);

    let cursor = rig.records().into_iter().find_map(|record| match record {
        Record::Created(_, request) => match request.role {
            Role::Cursor {
                position, hotspot, ..
            } => Some((position, hotspot)),
            Role::Scanout { .. } => None,
        },
        _ => None,
    });
    assert_eq!(
        cursor,
        Some((Position { x: 11, y: 12 }, Hotspot { x: 1, y: 2 }))
    );
}

#[test]
fn an_image_for_a_dark_scanout_waits_for_it() {
    let mut rig = rig();
    assert_eq!(rig.set_scanout(0, 0, rect(0, 0, 0, 0)), OK);
    rig.records();

    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);

    assert_eq!(rig.records(), []);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 64, 64)), OK);
    assert_eq!(rig.frames().len(), 2);
}

#[test]
fn bad_cursor_commands_leave_the_cursor_as_it_is() {
    let mut rig = rig();
    assert_eq!(rig.create(4, 257, 1), OK);
    assert_eq!(rig.call(update(2, place(0, 1, 1), 0, 0)), OK);
    rig.records();

    for (command, error) in [
        (
            update(99, place(0, 5, 5), 0, 0),
            ErrorCode::InvalidResourceId,
        ),
        (update(2, place(1, 5, 5), 0, 0), ErrorCode::InvalidScanoutId),
        (
            update(0, place(u32::MAX, 5, 5), 0, 0),
            ErrorCode::InvalidScanoutId,
        ),
        (update(4, place(0, 5, 5), 0, 0), ErrorCode::InvalidParameter),
        (
            Command::MoveCursor {
                position: place(16, 5, 5),
            },
            ErrorCode::InvalidScanoutId,
        ),
    ] {
        assert_eq!(rig.call(command), Err(error));
    }

    assert_eq!(rig.records(), []);
    assert_eq!(
        rig.device.backend().scanouts()[0].cursor.position,
        Position { x: 1, y: 1 }
    );
}

#[test]
fn a_hotspot_outside_the_image_is_passed_on_unharmed() {
    let mut rig = rig();

    assert_eq!(rig.call(update(2, place(0, 0, 0), u32::MAX, u32::MAX)), OK);

    let hotspot = rig.device.backend().scanouts()[0].cursor.hotspot;
    assert_eq!(
        hotspot,
        Hotspot {
            x: u32::MAX,
            y: u32::MAX
        }
    );
}

#[test]
fn linux_s_commands_without_room_for_an_answer_come_back_with_length_zero() {
    let mut rig = rig();
    rig.driver.send(&update(2, place(0, 3, 3), 0, 0), None);

    let _ = rig.kick(QueueIndex::Cursor);

    let answers = rig.driver.take_answers(QueueIndex::Cursor);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].bytes, [0_u8; 0]);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn commands_on_the_wrong_queue_are_refused_without_effect() {
    let mut rig = rig();
    let cursor = update(2, place(0, 3, 3), 0, 0);
    let request = cursor.encode(&virtio_gpu::testing::header(&cursor, None));
    let unref = Command::ResourceUnref {
        resource: ResourceId(1),
    };
    let control = unref.encode(&virtio_gpu::testing::header(&unref, None));

    let on_control = rig.call_bytes(QueueIndex::Control, &request, 24);
    let on_cursor = rig.call_bytes(QueueIndex::Cursor, &control, 24);

    let refused: Result<Success, ErrorCode> = Err(ErrorCode::Unspec);
    assert_eq!(on_control[0].outcome(), refused);
    assert_eq!(on_cursor[0].outcome(), refused);
    assert_eq!(rig.records(), []);
    assert_eq!(rig.device.backend().resources().len(), 2);
}
