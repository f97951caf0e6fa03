//! RESOURCE_CREATE_2D, UNREF, ATTACH_BACKING, DETACH_BACKING and
//! TRANSFER_TO_HOST_2D: VIRTIO 1.4 §5.7.6.8.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod support;

use support::{FEATURES, IMAGE, MEMORY, OK, Rig, create, gradient, rect};
use virtio_gpu::protocol::{Command, CursorPosition, ErrorCode, ResourceId, ScanoutId, Success};
use virtio_gpu::{Limits, QueueIndex};

const BAD_RESOURCE: Result<Success, ErrorCode> = Err(ErrorCode::InvalidResourceId);
const BAD_PARAMETER: Result<Success, ErrorCode> = Err(ErrorCode::InvalidParameter);
const OUT_OF_MEMORY: Result<Success, ErrorCode> = Err(ErrorCode::OutOfMemory);
const UNSPEC: Result<Success, ErrorCode> = Err(ErrorCode::Unspec);

#[test]
fn the_id_of_a_new_resource_is_neither_zero_nor_taken() {
    let mut rig = Rig::new();

    assert_eq!(rig.create(0, 16, 16), BAD_RESOURCE);
    assert_eq!(rig.create(7, 16, 16), OK);
    assert_eq!(rig.create(7, 8, 8), BAD_RESOURCE);
    assert_eq!(rig.create(u32::MAX, 16, 16), OK);
}

#[test]
fn a_refused_duplicate_leaves_the_first_resource_as_it_was() {
    let mut rig = Rig::new();
    rig.image(7, 16, 16, gradient);

    assert_eq!(rig.create(7, 8, 8), BAD_RESOURCE);

    assert_eq!(rig.transfer(7, rect(0, 0, 16, 16), 0), OK);
}

#[test]
fn the_eight_formats_are_accepted_and_their_neighbours_refused() {
    let mut rig = Rig::new();

    for (id, format) in (1..).zip([1, 2, 3, 4, 67, 68, 121, 134]) {
        assert_eq!(rig.call(create(id, format, 4, 4)), OK, "format {format}");
    }
    for format in [0, 5, 66, 69, 120, 122, 133, 135, u32::MAX] {
        assert_eq!(rig.call(create(100, format, 4, 4)), BAD_PARAMETER);
    }
}

#[test]
fn a_side_is_between_one_and_the_limit() {
    let mut rig = Rig::new();

    assert_eq!(rig.create(1, 0, 16), BAD_PARAMETER);
    assert_eq!(rig.create(1, 16, 0), BAD_PARAMETER);
    assert_eq!(rig.create(1, 16_385, 1), BAD_PARAMETER);
    assert_eq!(rig.create(1, 1, 16_385), BAD_PARAMETER);
    assert_eq!(rig.create(1, 16_384, 1), OK);
    assert_eq!(rig.create(2, 1, 16_384), OK);
    assert_eq!(rig.create(3, 1, 1), OK);
}

#[test]
fn sizes_whose_product_wraps_in_32_bits_cost_nothing() {
    // The shape of CVE-2026-3886 first.
    let mut rig = Rig::new();
    for (width, height) in [
        (0x4000_0001, 128),
        (u32::MAX, u32::MAX),
        (65_536, 65_536),
        (1, u32::MAX),
        (0x3fff_ffff, 1),
    ] {
        assert_eq!(rig.create(1, width, height), BAD_PARAMETER);
    }
    assert_eq!(rig.device.backend().resources().host_bytes(), 0);
}

#[test]
fn host_bytes_end_exactly_at_the_limit() {
    let page = 1024 * 4;
    let limits = |host_bytes| {
        let mut limits = Limits::default();
        limits.host_bytes = host_bytes;
        limits
    };
    // 1024 x 16 pixels are 64 KiB.
    for (limit, expected) in [(65_536 + page, OK), (65_536, OK), (65_535, OUT_OF_MEMORY)] {
        let mut rig = Rig::with(1, limits(limit));
        assert_eq!(rig.create(1, 1024, 16), expected, "limit {limit}");
    }
}

#[test]
fn many_resources_share_one_budget_and_freeing_makes_room() {
    // The default budget is 256 MiB: four times 64 MiB.
    let mut rig = Rig::new();
    for id in 1..=4 {
        assert_eq!(rig.create(id, 4096, 4096), OK);
    }
    assert_eq!(rig.create(5, 1, 1), OUT_OF_MEMORY);

    assert_eq!(rig.unref(2), OK);

    assert_eq!(rig.create(5, 4096, 4096), OK);
}

#[test]
fn the_number_of_resources_is_capped_and_earlier_ones_stay_usable() {
    let mut limits = Limits::default();
    limits.resources = 3;
    let mut rig = Rig::with(1, limits);
    for id in 1..=3 {
        assert_eq!(rig.create(id, 4, 4), OK);
    }

    assert_eq!(rig.create(4, 4, 4), OUT_OF_MEMORY);

    assert_eq!(rig.attach(3, &[(IMAGE, 64)]), OK);
    assert_eq!(rig.transfer(3, rect(0, 0, 4, 4), 0), OK);
}

#[test]
fn unref_takes_a_resource_that_exists_once() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    assert_eq!(rig.unref(0), BAD_RESOURCE);
    assert_eq!(rig.unref(2), BAD_RESOURCE);
    assert_eq!(rig.unref(1), OK);
    assert_eq!(rig.unref(1), BAD_RESOURCE);
    assert_eq!(rig.device.backend().resources().len(), 0);
    assert_eq!(rig.device.backend().resources().host_bytes(), 0);
}

#[test]
fn backing_is_attached_once_and_detached_once() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 16, 16), OK);

    assert_eq!(rig.detach(1), UNSPEC);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), UNSPEC);
    assert_eq!(rig.transfer(1, rect(0, 0, 16, 16), 0), OK);
    assert_eq!(rig.detach(1), OK);
    assert_eq!(rig.detach(1), UNSPEC);
    assert_eq!(rig.transfer(1, rect(0, 0, 16, 16), 0), UNSPEC);
}

#[test]
fn backing_of_an_unknown_resource_is_refused() {
    let mut rig = Rig::new();

    assert_eq!(rig.attach(1, &[(IMAGE, 64)]), BAD_RESOURCE);
    assert_eq!(rig.detach(1), BAD_RESOURCE);
}

#[test]
fn backing_that_is_not_guest_memory_is_refused_whole() {
    let end = MEMORY as u64;
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 16, 16), OK);

    for bad in [
        (end, 1024),
        (end - 512, 1024),
        (u64::MAX - 16, 1024),
        (1 << 40, 1),
    ] {
        assert_eq!(rig.attach(1, &[(IMAGE, 512), bad]), UNSPEC, "{bad:x?}");
    }

    // Nothing was attached.
    assert_eq!(rig.attach(1, &[(end - 1024, 1024)]), OK);
}

#[test]
fn entries_are_counted_by_what_the_request_holds() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 16, 16), OK);
    // RESOURCE_ATTACH_BACKING, resource 1, 2^32 - 1 entries, one there.
    let mut request = vec![0; 48];
    request[0..4].copy_from_slice(&0x0106_u32.to_le_bytes());
    request[24..28].copy_from_slice(&1_u32.to_le_bytes());
    request[28..32].copy_from_slice(&u32::MAX.to_le_bytes());

    let answers = rig.call_bytes(QueueIndex::Control, &request, 24);

    assert_eq!(answers[0].outcome(), UNSPEC);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);
}

#[test]
fn a_resource_takes_16384_entries_and_not_one_more() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 64, 64), OK);
    let entries = vec![(IMAGE, 1); 16_385];

    assert_eq!(rig.attach(1, &entries), UNSPEC);
    assert_eq!(rig.attach(1, &entries[1..]), OK);
    assert_eq!(rig.transfer(1, rect(0, 0, 64, 64), 0), OK);
}

#[test]
fn the_entries_of_all_resources_are_capped_together() {
    let mut limits = Limits::default();
    limits.total_backing_entries = 3;
    let mut rig = Rig::with(1, limits);
    for id in 1..=2 {
        assert_eq!(rig.create(id, 4, 4), OK);
    }
    let apart = [(IMAGE, 32), (IMAGE + 4096, 32)];

    assert_eq!(rig.attach(1, &apart), OK);
    assert_eq!(rig.attach(2, &apart), OUT_OF_MEMORY);
    assert_eq!(rig.detach(1), OK);
    assert_eq!(rig.attach(2, &apart), OK);
}

#[test]
fn a_transfer_moves_exactly_its_rectangle() {
    let mut rig = Rig::new();
    rig.image(1, 32, 32, |_, _| 0x11_1111);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 32, 32)), OK);
    rig.paint(IMAGE, 32, 32, gradient);
    rig.frames();

    // As Linux computes it: the offset is that of the first pixel.
    let offset = (5 * 32 + 3) * 4;
    assert_eq!(rig.transfer(1, rect(3, 5, 7, 9), offset), OK);
    assert_eq!(rig.flush(1, rect(0, 0, 32, 32)), OK);

    let (_, pixels) = rig.frames().remove(0);
    for y in 0..32 {
        for x in 0..32 {
            let inside = (3..10).contains(&x) && (5..14).contains(&y);
            let expected = if inside { gradient(x, y) } else { 0x11_1111 };
            assert_eq!(pixels[(y * 32 + x) as usize], expected, "at {x},{y}");
        }
    }
}

#[test]
fn a_transfer_reads_scattered_backing_in_order() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 4, 2), OK);
    rig.driver.write(IMAGE, &[1; 10]);
    rig.driver.write(IMAGE + 4096, &[2; 20]);
    rig.driver.write(IMAGE + 100, &[3; 2]);
    let entries = [(IMAGE, 10), (IMAGE + 4096, 20), (IMAGE + 100, 2)];
    assert_eq!(rig.attach(1, &entries), OK);
    assert_eq!(rig.transfer(1, rect(0, 0, 4, 2), 0), OK);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 4, 2)), OK);

    let (_, pixels) = rig.frames().remove(0);

    assert_eq!(
        pixels,
        [
            0x01_0101, 0x01_0101, 0x02_0101, 0x02_0202, 0x02_0202, 0x02_0202, 0x02_0202, 0x03_0202,
        ]
        .map(|word: u32| word & 0xff_ffff)
    );
}

#[test]
fn a_transfer_outside_the_resource_is_refused() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    for bad in [
        rect(0, 0, 17, 16),
        rect(0, 0, 16, 17),
        rect(1, 0, 16, 16),
        rect(u32::MAX, 0, 2, 1),
        rect(0, u32::MAX, 1, 2),
        rect(0, 0, u32::MAX, u32::MAX),
    ] {
        assert_eq!(rig.transfer(1, bad, 0), BAD_PARAMETER, "{bad:?}");
    }
    assert_eq!(rig.transfer(1, rect(15, 15, 1, 1), 1020), OK);
}

#[test]
fn a_transfer_of_nothing_is_done_at_once() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    assert_eq!(rig.transfer(1, rect(0, 0, 0, 0), 0), OK);
    assert_eq!(rig.transfer(1, rect(16, 16, 0, 0), u64::MAX), OK);
}

#[test]
fn a_backing_one_byte_too_short_is_refused_and_its_neighbour_works() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 16, 16), OK);

    assert_eq!(rig.attach(1, &[(IMAGE, 1023)]), OK);
    assert_eq!(rig.transfer(1, rect(0, 0, 16, 16), 0), BAD_PARAMETER);
    assert_eq!(rig.transfer(1, rect(0, 0, 16, 15), 0), OK);
}

#[test]
fn an_offset_beyond_the_backing_is_refused_however_large() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    for offset in [1, 1024, 1 << 32, 1 << 63, u64::MAX, u64::MAX - 1023] {
        let answer = rig.transfer(1, rect(0, 0, 16, 16), offset);
        assert_eq!(answer, BAD_PARAMETER, "offset {offset:#x}");
    }
}

#[test]
fn a_resource_is_zero_until_something_is_transferred() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 8, 8), OK);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);

    let (_, pixels) = rig.frames().remove(0);

    assert_eq!(pixels, [0; 64]);
}

#[test]
fn a_new_resource_with_an_old_id_is_zero_again() {
    let mut rig = Rig::new();
    rig.image(1, 8, 8, |_, _| 0xff_ffff);
    assert_eq!(rig.unref(1), OK);
    assert_eq!(rig.create(1, 8, 8), OK);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);

    let (_, pixels) = rig.frames().remove(0);

    assert_eq!(pixels, [0; 64]);
}

#[test]
fn backing_that_leaves_guest_memory_is_not_read_and_works_again_with_its_memory() {
    let mut rig = Rig::new();
    rig.image(1, 8, 8, gradient);
    let whole = rig.memory.clone();

    // A front end removes memory, then adds it again.
    rig.memory = virtio_gpu::testing::guest_memory(IMAGE as usize);
    rig.driver = virtio_gpu::testing::Driver::new(rig.memory.clone());
    rig.start(FEATURES);
    assert_eq!(rig.transfer(1, rect(0, 0, 8, 8), 0), UNSPEC);

    rig.memory = whole;
    rig.driver = virtio_gpu::testing::Driver::new(rig.memory.clone());
    rig.start(FEATURES);
    assert_eq!(rig.transfer(1, rect(0, 0, 8, 8), 0), OK);
}

#[test]
fn a_backing_has_an_entry() {
    let mut rig = Rig::new();
    assert_eq!(rig.create(1, 8, 8), OK);

    assert_eq!(rig.attach(1, &[]), UNSPEC);

    assert_eq!(rig.attach(1, &[(IMAGE, 256)]), OK);
}

/// Limits under which a transfer takes a turn for every two rows of 16 pixels.
fn two_rows_a_turn() -> Limits {
    let mut limits = Limits::default();
    limits.transfer_step_bytes = 2 * 16 * 4;
    limits.turn_commands = 1;
    limits
}

#[test]
fn a_long_transfer_takes_several_turns_and_moves_every_pixel() {
    let mut rig = Rig::with(1, two_rows_a_turn());
    assert_eq!(rig.create(1, 16, 15), OK);
    rig.paint(IMAGE, 16, 15, gradient);
    assert_eq!(rig.attach(1, &[(IMAGE, 16 * 15 * 4)]), OK);
    let transfer = Command::TransferToHost2d {
        rect: rect(0, 0, 16, 15),
        offset: 0,
        resource: ResourceId(1),
    };
    rig.driver.send(&transfer, Some(4));
    let show = Command::SetScanout {
        rect: rect(0, 0, 16, 15),
        scanout: ScanoutId(0),
        resource: Some(ResourceId(1)),
    };
    rig.driver.send(&show, None);

    let mut turns = 0;
    while rig.kick(QueueIndex::Control).more {
        turns += 1;
    }

    // One begins it, eight copy two rows each but the last, one shows it.
    assert_eq!(turns, 10);
    let answers = rig.driver.take_answers(QueueIndex::Control);
    let fences: Vec<_> = answers.iter().map(|a| a.decode().0.fence_id).collect();
    assert_eq!(fences, [4, 0]);
    let (_, pixels) = rig.frames().remove(0);
    for y in 0..15 {
        for x in 0..16 {
            assert_eq!(pixels[(y * 16 + x) as usize], gradient(x, y), "at {x},{y}");
        }
    }
}

#[test]
fn the_cursor_does_not_wait_for_a_long_transfer() {
    let mut rig = Rig::with(1, two_rows_a_turn());
    assert_eq!(rig.create(1, 16, 16), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);
    let transfer = Command::TransferToHost2d {
        rect: rect(0, 0, 16, 16),
        offset: 0,
        resource: ResourceId(1),
    };
    rig.driver.send(&transfer, None);
    assert!(rig.kick(QueueIndex::Control).more);

    let moved = rig.call(Command::MoveCursor {
        position: CursorPosition {
            scanout: ScanoutId(0),
            x: 1,
            y: 1,
        },
    });

    assert_eq!(moved, OK);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);
}

#[test]
fn a_long_transfer_is_carried_to_its_end_when_its_queue_stops() {
    let mut rig = Rig::with(1, two_rows_a_turn());
    assert_eq!(rig.create(1, 16, 16), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);
    let transfer = Command::TransferToHost2d {
        rect: rect(0, 0, 16, 16),
        offset: 0,
        resource: ResourceId(1),
    };
    rig.driver.send(&transfer, Some(9));
    assert!(rig.kick(QueueIndex::Control).more);

    let stopped = rig.device.stop_queue(QueueIndex::Control).unwrap();

    assert!(stopped.turn.notify_control);
    let answers = rig.driver.take_answers(QueueIndex::Control);
    assert_eq!(answers[0].outcome(), OK);
}

#[test]
fn a_long_transfer_whose_memory_goes_ends_with_an_error() {
    let mut rig = Rig::with_images_apart(two_rows_a_turn());
    assert_eq!(rig.create(1, 16, 16), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, 1024)]), OK);
    let transfer = Command::TransferToHost2d {
        rect: rect(0, 0, 16, 16),
        offset: 0,
        resource: ResourceId(1),
    };
    rig.driver.send(&transfer, None);
    assert!(rig.kick(QueueIndex::Control).more);
    let less = rig.memory_without_images();

    rig.device.set_memory(less);
    while rig.kick(QueueIndex::Control).more {}

    let answers = rig.driver.take_answers(QueueIndex::Control);
    assert_eq!(answers[0].outcome(), UNSPEC);
}
