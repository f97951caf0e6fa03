//! Descriptor chains: any legal framing works, every illegal one is bounded,
//! and every head comes back exactly once. VIRTIO 1.4 §2.7.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]

mod support;

use std::collections::HashMap;

use support::{FEATURES, IMAGE, MEMORY, Rig, create};
use virtio_gpu::protocol::{Command, ErrorCode, Success, decode_response};
use virtio_gpu::testing::{Piece, Used, header};
use virtio_gpu::{DeviceError, Limits, QueueIndex, Turn};
use vm_memory::{Bytes, GuestAddress};

const ANSWER: u64 = IMAGE + 0x10_0000;
const CONTROL: QueueIndex = QueueIndex::Control;
/// `VIRTIO_F_INDIRECT_DESC`.
const INDIRECT_DESC: u64 = 1 << 28;
/// `VIRTQ_DESC_F_INDIRECT`.
const INDIRECT: u16 = 4;

fn bytes_of(command: &Command<'_>) -> Vec<u8> {
    command.encode(&header(command, None))
}

/// Publishes a chain on the control queue and returns how it came back.
fn chain(rig: &mut Rig, pieces: &[Piece]) -> Option<Used> {
    rig.driver.ring(CONTROL).publish(pieces);
    let _ = rig.kick(CONTROL);
    let used = rig.driver.ring(CONTROL).take_used();
    assert_eq!(rig.driver.ring(CONTROL).take_used(), None);
    used
}

fn read(rig: &Rig, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rig.memory.read_slice(&mut bytes, GuestAddress(at)).unwrap();
    bytes
}

fn outcome(rig: &Rig, length: u32) -> Result<Success, ErrorCode> {
    decode_response(&read(rig, ANSWER, length as usize))
        .unwrap()
        .1
}

#[test]
fn request_and_answer_may_come_in_single_bytes_and_empty_descriptors() {
    let mut rig = Rig::new();
    let request = bytes_of(&Command::GetDisplayInfo);
    rig.driver.write(IMAGE, &request);
    let mut pieces = vec![Piece::readable(IMAGE, 0)];
    for offset in 0..24 {
        pieces.push(Piece::readable(IMAGE + offset, 1));
    }
    pieces.push(Piece::readable(IMAGE, 0));
    for offset in 0..200 {
        pieces.push(Piece::writable(ANSWER + offset, 1));
    }
    pieces.push(Piece::writable(ANSWER, 0));
    pieces.push(Piece::writable(ANSWER + 200, 208));

    let used = chain(&mut rig, &pieces).unwrap();

    assert_eq!(used.length, 408);
    assert!(matches!(outcome(&rig, 408), Ok(Success::DisplayInfo(_))));
}

#[test]
fn the_used_length_is_the_answer_s_and_nothing_behind_it_is_touched() {
    let mut rig = Rig::new();
    rig.driver.write(IMAGE, &bytes_of(&create(1, 2, 4, 4)));
    rig.driver.write(ANSWER, &[0xa5; 4096]);

    let used = chain(
        &mut rig,
        &[Piece::readable(IMAGE, 40), Piece::writable(ANSWER, 4096)],
    );

    assert_eq!(used.unwrap().length, 24);
    assert_eq!(read(&rig, ANSWER + 24, 4072), vec![0xa5; 4072]);
}

#[test]
fn a_control_command_without_room_for_an_answer_is_not_carried_out() {
    let mut rig = Rig::new();
    rig.driver.write(IMAGE, &bytes_of(&create(1, 2, 4, 4)));
    rig.driver.write(ANSWER, &[0xa5; 24]);

    for pieces in [
        vec![Piece::readable(IMAGE, 40)],
        vec![Piece::readable(IMAGE, 40), Piece::writable(ANSWER, 23)],
    ] {
        assert_eq!(chain(&mut rig, &pieces).unwrap().length, 0);
    }

    assert_eq!(read(&rig, ANSWER, 24), [0xa5; 24]);
    assert!(rig.device.backend().resources().is_empty());
}

#[test]
fn an_answer_longer_than_its_room_becomes_an_error_in_a_header() {
    let mut rig = Rig::new();
    rig.driver.write(IMAGE, &bytes_of(&Command::GetDisplayInfo));

    let used = chain(
        &mut rig,
        &[Piece::readable(IMAGE, 24), Piece::writable(ANSWER, 407)],
    );

    assert_eq!(used.unwrap().length, 24);
    assert_eq!(outcome(&rig, 24), Err(ErrorCode::InvalidParameter));
}

#[test]
fn a_request_of_fewer_bytes_than_a_header_is_an_invalid_parameter() {
    let mut rig = Rig::new();

    for length in [0, 1, 23] {
        let mut pieces = vec![Piece::writable(ANSWER, 24)];
        if length > 0 {
            pieces.insert(0, Piece::readable(IMAGE, length));
        }
        assert_eq!(chain(&mut rig, &pieces).unwrap().length, 24);
        assert_eq!(outcome(&rig, 24), Err(ErrorCode::InvalidParameter));
    }
}

#[test]
fn a_request_outside_guest_memory_is_answered_with_an_error() {
    let end = MEMORY as u64;
    let mut rig = Rig::new();

    for (address, length) in [(end, 40), (end - 39, 40), (u64::MAX - 8, 40), (1 << 50, 1)] {
        let used = chain(
            &mut rig,
            &[
                Piece::readable(address, length),
                Piece::writable(ANSWER, 24),
            ],
        );
        assert_eq!(used.unwrap().length, 24, "{address:#x}");
        assert_eq!(outcome(&rig, 24), Err(ErrorCode::Unspec));
    }
}

#[test]
fn an_answer_that_would_leave_guest_memory_is_not_begun() {
    let end = MEMORY as u64;
    let mut rig = Rig::new();
    rig.driver.write(IMAGE, &bytes_of(&Command::GetDisplayInfo));
    rig.driver.write(end - 24, &[0xa5; 24]);

    for address in [end - 24, end, u64::MAX - 4] {
        let used = chain(
            &mut rig,
            &[Piece::readable(IMAGE, 24), Piece::writable(address, 408)],
        );
        assert_eq!(used.unwrap().length, 0, "{address:#x}");
    }
    assert_eq!(read(&rig, end - 24, 24), [0xa5; 24]);
}

#[test]
fn readable_after_writable_is_returned_unanswered() {
    let mut rig = Rig::new();
    rig.driver.write(IMAGE, &bytes_of(&create(1, 2, 4, 4)));

    let used = chain(
        &mut rig,
        &[Piece::writable(ANSWER, 24), Piece::readable(IMAGE, 40)],
    );

    assert_eq!(used.unwrap().length, 0);
    assert!(rig.device.backend().resources().is_empty());
}

#[test]
fn a_chain_that_never_ends_or_leaves_its_table_is_returned_unanswered() {
    let mut rig = Rig::new();
    rig.driver.write(IMAGE, &bytes_of(&create(1, 2, 4, 4)));
    for next in [5, 256, u16::MAX] {
        let ring = rig.driver.ring(CONTROL);
        ring.write_descriptor(5, Piece::readable(IMAGE, 40), Some(next));
        ring.make_available(5);

        let _ = rig.kick(CONTROL);

        let used = rig.driver.ring(CONTROL).take_used();
        assert_eq!(used, Some(Used { head: 5, length: 0 }), "next {next}");
    }
    assert!(rig.device.backend().resources().is_empty());
    assert!(!rig.device.queue_failed(CONTROL));
}

#[test]
fn an_indirect_table_longer_than_the_ring_works() {
    // Linux posts such tables when it is offered INDIRECT_DESC.
    let mut rig = Rig::new();
    rig.start(FEATURES | INDIRECT_DESC);
    let request = bytes_of(&create(1, 2, 4, 4));
    rig.driver.write(IMAGE, &request);
    let table = IMAGE + 0x1000;
    let entries = 601_u64;
    for index in 0..entries {
        let last = index + 1 == entries;
        let (address, length, flags) = match index {
            0..40 => (IMAGE + index, 1, 1),
            _ if last => (ANSWER, 24, 2),
            _ => (IMAGE, 0, 1),
        };
        let mut descriptor = Vec::new();
        descriptor.extend_from_slice(&u64::to_le_bytes(address));
        descriptor.extend_from_slice(&u32::to_le_bytes(length));
        descriptor.extend_from_slice(&u16::to_le_bytes(flags));
        let next = if last { 0 } else { index as u16 + 1 };
        descriptor.extend_from_slice(&next.to_le_bytes());
        rig.driver.write(table + 16 * index, &descriptor);
    }

    let used = chain(
        &mut rig,
        &[Piece {
            address: table,
            length: 16 * entries as u32,
            flags: INDIRECT,
        }],
    );

    assert_eq!(used.unwrap().length, 24);
    assert_eq!(outcome(&rig, 24), Ok(Success::NoData));
}

/// A table at IMAGE + 0x1000 with GET_DISPLAY_INFO and room for its answer.
fn indirect_display_info(rig: &mut Rig) -> Piece {
    rig.driver.write(IMAGE, &bytes_of(&Command::GetDisplayInfo));
    let mut table = Vec::new();
    for (address, length, flags, next) in [(IMAGE, 24_u32, 1_u16, 1_u16), (ANSWER, 408, 2, 0)] {
        table.extend_from_slice(&u64::to_le_bytes(address));
        table.extend_from_slice(&length.to_le_bytes());
        table.extend_from_slice(&flags.to_le_bytes());
        table.extend_from_slice(&next.to_le_bytes());
    }
    rig.driver.write(IMAGE + 0x1000, &table);
    Piece {
        address: IMAGE + 0x1000,
        length: 32,
        flags: INDIRECT,
    }
}

#[test]
fn an_indirect_table_needs_its_feature() {
    let mut rig = Rig::new();
    let table = indirect_display_info(&mut rig);

    assert_eq!(chain(&mut rig, &[table]).unwrap().length, 0);

    rig.start(FEATURES | INDIRECT_DESC);
    assert_eq!(chain(&mut rig, &[table]).unwrap().length, 408);
}

#[test]
fn an_indirect_table_has_no_next_descriptor() {
    let mut rig = Rig::new();
    rig.start(FEATURES | INDIRECT_DESC);
    let table = indirect_display_info(&mut rig);

    let used = chain(&mut rig, &[table, Piece::writable(ANSWER, 408)]);

    assert_eq!(used.unwrap().length, 0);
}

#[test]
fn a_chain_returned_unanswered_interrupts_and_counts_as_work() {
    let mut limits = Limits::default();
    limits.turn_commands = 2;
    let mut rig = Rig::with(1, limits);
    for _ in 0..3 {
        rig.driver
            .ring(CONTROL)
            .publish(&[Piece::writable(ANSWER, 24), Piece::readable(IMAGE, 24)]);
    }

    let turn = rig.kick(CONTROL);

    assert!(turn.notify_control && turn.more);
    assert!(rig.driver.ring(CONTROL).take_used().is_some());
    assert!(rig.driver.ring(CONTROL).take_used().is_some());
    assert_eq!(rig.driver.ring(CONTROL).take_used(), None);
}

#[test]
fn a_head_outside_the_ring_or_made_available_twice_breaks_only_its_queue() {
    for twice in [false, true] {
        let mut rig = Rig::new();
        if twice {
            rig.device.display_mut().freshness = gpu_display::Freshness::Pending;
            let sent = rig.driver.send(&Command::GetDisplayInfo, None);
            rig.driver.ring(CONTROL).make_available(sent.head);
        } else {
            rig.driver.ring(CONTROL).make_available(256);
        }

        let _ = rig.kick(CONTROL);

        assert!(rig.device.queue_failed(CONTROL));
        assert!(!rig.device.queue_failed(QueueIndex::Cursor));
        assert_eq!(rig.driver.ring(CONTROL).take_used(), None);
    }
}

#[test]
fn an_available_index_further_ahead_than_the_ring_breaks_it() {
    for jump in [257, 0x8000, u16::MAX] {
        let mut rig = Rig::new();
        rig.driver.ring(CONTROL).set_avail_index(jump);

        let _ = rig.kick(CONTROL);

        assert!(rig.device.queue_failed(CONTROL), "jump {jump}");
    }
}

#[test]
fn a_broken_queue_works_again_after_reset() {
    let mut rig = Rig::new();
    rig.driver.ring(CONTROL).set_avail_index(0x8000);
    let _ = rig.kick(CONTROL);

    rig.device.reset();
    rig.driver = virtio_gpu::testing::Driver::new(rig.memory.clone());
    rig.start(FEATURES);

    assert_eq!(rig.create(1, 4, 4), support::OK);
}

#[test]
fn a_ring_that_breaks_the_rules_is_refused_at_start() {
    let mut rig = Rig::new();
    let good = rig.driver.ring(CONTROL).setup();
    let mut bad = Vec::new();
    for size in [0, 3, 255, 2048, 32769] {
        let mut setup = good.clone();
        setup.size = size;
        bad.push(setup);
    }
    let mut setup = good.clone();
    setup.descriptor_table = GuestAddress(good.descriptor_table.0 + 8);
    bad.push(setup);
    let mut setup = good.clone();
    setup.avail_ring = GuestAddress(good.avail_ring.0 + 1);
    bad.push(setup);
    let mut setup = good.clone();
    setup.used_ring = GuestAddress(MEMORY as u64 - 4);
    bad.push(setup);

    for setup in bad {
        let refused = rig.device.start_queue(CONTROL, &setup);
        assert!(
            matches!(refused, Err(DeviceError::InvalidQueue { .. })),
            "{setup:?}"
        );
    }
    // The queue that ran before still does.
    assert_eq!(rig.create(1, 4, 4), support::OK);
}

#[test]
fn a_turn_ends_after_its_budget_and_says_that_there_is_more() {
    let mut limits = Limits::default();
    limits.turn_commands = 4;
    limits.turn_micros = 10_000_000;
    let mut rig = Rig::with(1, limits);
    for id in 1..=10 {
        rig.driver.send(&create(id, 2, 4, 4), None);
    }

    let turns: Vec<Turn> = (0..3).map(|_| rig.kick(CONTROL)).collect();

    let more: Vec<bool> = turns.iter().map(|turn| turn.more).collect();
    assert_eq!(more, [true, true, false]);
    assert!(turns.iter().all(|turn| turn.notify_control));
    assert_eq!(rig.driver.take_answers(CONTROL).len(), 10);
}

#[test]
fn with_event_idx_an_interrupt_comes_only_when_asked_for() {
    let mut rig = Rig::new();
    rig.start(FEATURES | 1 << 29);
    let setup = rig.driver.ring(CONTROL).setup();
    // used_event lies behind the available ring's entries.
    let used_event = setup.avail_ring.0 + 4 + 2 * 256;
    rig.driver.write(used_event, &2_u16.to_le_bytes());

    let mut notified = Vec::new();
    for id in 1..=4 {
        rig.driver.send(&create(id, 2, 4, 4), None);
        notified.push(rig.kick(CONTROL).notify_control);
    }

    assert_eq!(notified, [false, false, true, false]);
}

#[test]
fn without_event_idx_the_driver_s_flag_suppresses_interrupts() {
    let mut rig = Rig::new();
    let flags = rig.driver.ring(CONTROL).setup().avail_ring.0;
    rig.driver.write(flags, &1_u16.to_le_bytes());
    rig.driver.send(&create(1, 2, 4, 4), None);
    assert!(!rig.kick(CONTROL).notify_control);

    rig.driver.write(flags, &0_u16.to_le_bytes());
    rig.driver.send(&create(2, 2, 4, 4), None);
    assert!(rig.kick(CONTROL).notify_control);
}

#[test]
fn room_for_more_than_the_longest_answer_costs_nothing_to_remember() {
    // 1056 one-byte pieces hold every answer of a 2D device.
    const INDIRECT: u16 = 4;
    let mut rig = Rig::new();
    rig.start(FEATURES | 1 << 28);
    let request = Command::GetEdid {
        scanout: virtio_gpu::protocol::ScanoutId(0),
    };
    rig.driver.write(IMAGE, &bytes_of(&request));
    let table = IMAGE + 0x1000;
    let entries = 60_000_u64;
    let mut descriptors = Vec::new();
    for index in 0..entries {
        let last = index + 1 == entries;
        let (address, flags) = match index {
            0..32 => (IMAGE + index, 1_u16),
            _ if last => (ANSWER + index, 2),
            _ => (ANSWER + index, 3),
        };
        descriptors.extend_from_slice(&u64::to_le_bytes(address));
        descriptors.extend_from_slice(&1_u32.to_le_bytes());
        descriptors.extend_from_slice(&flags.to_le_bytes());
        descriptors.extend_from_slice(&(index as u16 + 1).to_le_bytes());
    }
    rig.driver.write(table, &descriptors);

    let used = chain(
        &mut rig,
        &[Piece {
            address: table,
            length: 16 * entries as u32,
            flags: INDIRECT,
        }],
    );

    assert_eq!(used.unwrap().length, 1056);
}

#[test]
fn a_kick_on_an_empty_ring_does_nothing() {
    let mut rig = Rig::new();

    for _ in 0..1000 {
        assert_eq!(rig.kick(CONTROL), Turn::default());
        assert_eq!(rig.kick(QueueIndex::Cursor), Turn::default());
    }
}

proptest::proptest! {
    /// Whatever bytes a guest sends, in whatever framing, each head comes back
    /// exactly once and the device still answers.
    #[test]
    fn every_head_comes_back_exactly_once(
        requests in proptest::collection::vec(
            (proptest::collection::vec(proptest::num::u8::ANY, 0..80), 0_u32..64, 0_u32..16),
            1..40,
        )
    ) {
        let mut rig = Rig::new();
        let mut sent: HashMap<u16, u32> = HashMap::new();
        for (index, (bytes, room, kind)) in requests.iter().enumerate() {
            let at = IMAGE + index as u64 * 4096;
            let mut bytes = bytes.clone();
            // Often enough a real command type.
            if let Some(first) = bytes.get_mut(0..4)
                && *kind < 11
            {
                first.copy_from_slice(&(0x0100 + kind).to_le_bytes());
            }
            rig.driver.write(at, &bytes);
            let mut pieces = vec![Piece::readable(at, bytes.len() as u32)];
            if *room > 0 {
                pieces.push(Piece::writable(at + 2048, *room));
            }
            let head = rig.driver.ring(CONTROL).publish(&pieces);
            *sent.entry(head).or_default() += 1;
        }
        while rig.kick(CONTROL).more {}

        while let Some(used) = rig.driver.ring(CONTROL).take_used() {
            let count = sent.get_mut(&used.head).expect("it was sent");
            *count -= 1;
        }
        proptest::prop_assert!(sent.values().all(|count| *count == 0));
        let info = rig.call(Command::GetDisplayInfo);
        proptest::prop_assert!(matches!(info, Ok(Success::DisplayInfo(_))));
    }
}
