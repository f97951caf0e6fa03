//! Rows that are not a sequence of requests: the setup of the device, its configuration space, its
//! outputs, and memory that is not to be had.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::sync::Arc;
use std::time::Instant;

use conformance::case::{BADPARAM, Case, EDID, OK, OOM};
use conformance::map::{ANSWER, IMAGE, REQUEST};
use conformance::message::{
    attach, create, edid, flush, set_scanout, transfer, unref, update_cursor, whole,
};
use conformance::screen::{Mood, Screen};
use conformance::{Executor, InProcess, run};
use gpu_display::Mode;
use virtio_gpu::protocol::{Command, Success, decode_response};
use virtio_gpu::testing::{Driver, Piece, guest_memory};
use virtio_gpu::{Device, DeviceConfig, Limits, QueueIndex};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const CONTROL: QueueIndex = QueueIndex::Control;
const EVENTS_READ: u64 = 0;
const EVENTS_CLEAR: u64 = 4;
const EVENT_DISPLAY: u32 = 1;

fn in_process() -> InProcess {
    InProcess::new(2, Limits::default())
}

fn bare_device() -> (Device<Screen>, Driver, Arc<GuestMemoryMmap>) {
    let memory = guest_memory(64 << 20);
    let device = Device::new(DeviceConfig::default(), Screen::new(1)).unwrap();
    (device, Driver::new(memory.clone()), memory)
}

#[test]
fn v29_a_kick_before_the_queue_is_set_up_is_ignored() {
    let (mut device, mut driver, memory) = bare_device();
    driver.send(&Command::GetDisplayInfo, None);

    let _ = device.process_queue(CONTROL, Instant::now());
    device.set_memory(memory);
    let _ = device.process_queue(CONTROL, Instant::now());
    assert!(driver.take_answers(CONTROL).is_empty());

    let setup = driver.ring(CONTROL).setup();
    let _ = device.start_queue(CONTROL, &setup).unwrap();
    let _ = device.process_queue(CONTROL, Instant::now());
    assert_eq!(driver.take_answers(CONTROL).len(), 1);
}

#[test]
fn v33_each_feature_bit_is_accepted_if_offered_and_refused_if_not() {
    let offered = 1 << 1 | 1 << 2 | 1 << 24 | 1 << 28 | 1 << 29 | 1 << 32 | 1 << 40_u64;
    for bit in 0..64 {
        let (mut device, ..) = bare_device();
        let accepted = device.acknowledge_features(1 << bit).is_ok();
        assert_eq!(accepted, offered & (1 << bit) != 0, "bit {bit}");
        let with_all = device.acknowledge_features(offered | 1 << bit).is_ok();
        assert_eq!(with_all, accepted, "all that is offered and bit {bit}");
    }
}

#[test]
fn v36_after_a_reset_with_requests_in_the_ring_nothing_is_written() {
    let mut gpu = in_process();
    let memory = gpu.memory();
    memory
        .write_slice(&[0xa5; 408 * 64], GuestAddress(ANSWER))
        .unwrap();
    memory.write_slice(&[0; 24], GuestAddress(REQUEST)).unwrap();
    memory.write_slice(&[0, 1], GuestAddress(REQUEST)).unwrap();
    for request in 0..64 {
        gpu.driver().ring(CONTROL).publish(&[
            Piece::readable(REQUEST, 24),
            Piece::writable(ANSWER + 408 * request, 408),
        ]);
    }

    gpu.device.reset();
    gpu.kick(CONTROL);
    gpu.idle();

    assert_eq!(gpu.driver().ring(CONTROL).take_used(), None);
    let mut room = vec![0; 408 * 64];
    memory.read_slice(&mut room, GuestAddress(ANSWER)).unwrap();
    assert_eq!(room, [0xa5; 408 * 64]);
    assert_eq!(gpu.device.in_flight(), 0);
}

#[test]
fn v37_there_is_no_third_queue() {
    assert_eq!(QueueIndex::from_index(1), Some(QueueIndex::Cursor));
    for index in [2, 3, 255, u16::MAX] {
        assert_eq!(QueueIndex::from_index(index), None);
    }
}

fn edid_of(gpu: &mut InProcess, scanout: u32) -> Vec<u8> {
    let request = edid(scanout).bytes;
    gpu.driver().send_bytes(CONTROL, &request, 1056);
    gpu.kick(CONTROL);
    let answer = gpu.driver().take_answers(CONTROL).remove(0);
    match decode_response(&answer.bytes).unwrap().1 {
        Ok(Success::Edid(edid)) => edid,
        other => panic!("{other:?} instead of an EDID"),
    }
}

/// The rules of every EDID block: 128 bytes whose sum is 0.
fn assert_sound(edid: &[u8], what: &str) {
    assert_eq!(&edid[..8], [0, 255, 255, 255, 255, 255, 255, 0], "{what}");
    assert_eq!(edid.len(), 128 * (1 + usize::from(edid[126])), "{what}");
    for block in edid.as_chunks::<128>().0 {
        let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(sum, 0, "{what}");
    }
}

#[test]
fn d03_whatever_a_host_reports_becomes_a_sound_edid() {
    let mut gpu = in_process();
    let sizes = [0, 1, 7, 640, 4095, 4096, 16_384, 65_535, 65_536, u32::MAX];
    for (width, height) in sizes.into_iter().flat_map(|w| sizes.map(|h| (w, h))) {
        for refresh_millihertz in [0, 1, 60_000, 240_000, u32::MAX] {
            for millimetres in [0, 1, 2550, u32::MAX] {
                let output = &mut gpu.device.display_mut().outputs_mut()[0];
                output.mode = Mode {
                    width,
                    height,
                    refresh_millihertz,
                };
                output.width_mm = millimetres;
                output.height_mm = millimetres;
                let edid = edid_of(&mut gpu, 0);
                let what = format!("{width}x{height}@{refresh_millihertz}, {millimetres} mm");
                assert_sound(&edid, &what);
            }
        }
    }
}

#[test]
fn d04_a_scanout_without_a_monitor_still_has_an_edid() {
    let mut gpu = in_process();
    gpu.device.display_mut().outputs_mut()[0].enabled = false;
    gpu.device.display_mut().outputs_mut()[1].mode.width = 0;

    run(
        &mut gpu,
        &[Case::legal("D04", "no monitor")
            .send(edid(0), EDID)
            .send(edid(1), EDID)
            .send(edid(2), BADPARAM)],
    )
    .assert_clean();
}

#[test]
fn d05_reading_past_the_configuration_gives_zeros() {
    let gpu = in_process();
    let mut all = [0; 16];
    gpu.device.read_config(0, &mut all);
    // events_read, events_clear, num_scanouts and num_capsets.
    assert_eq!(all, [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);

    let offsets = (0..40).chain([4095, 1 << 32, u64::from(u32::MAX), u64::MAX - 1, u64::MAX]);
    for offset in offsets {
        for length in [0, 1, 2, 3, 4, 8, 16, 64, 256] {
            let mut data = vec![0xa5; length];
            gpu.device.read_config(offset, &mut data);
            for (place, byte) in (0_u64..).zip(&data) {
                let at = offset
                    .checked_add(place)
                    .and_then(|at| usize::try_from(at).ok());
                let expected = at.and_then(|at| all.get(at)).copied().unwrap_or(0);
                assert_eq!(*byte, expected, "{length} bytes at {offset:#x}");
            }
        }
    }
}

#[test]
fn d06_writes_change_nothing_but_events() {
    let mut gpu = in_process();
    for offset in (0..40).chain([u64::MAX - 3, u64::MAX]) {
        for length in [0, 1, 3, 4, 16, 64] {
            gpu.device.write_config(offset, &vec![0xff; length]);
        }
    }

    let mut all = [0; 16];
    gpu.device.read_config(0, &mut all);
    assert_eq!(all, [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn d07_an_event_after_the_clearing_is_not_lost() {
    let mut gpu = in_process();
    let events = |gpu: &InProcess| {
        let mut word = [0; 4];
        gpu.device.read_config(EVENTS_READ, &mut word);
        u32::from_le_bytes(word)
    };
    gpu.device.display_mut().announce_outputs();
    assert!(gpu.device.dispatch_display(Instant::now()).notify_config);
    assert_eq!(events(&gpu), EVENT_DISPLAY);

    gpu.device.display_mut().announce_outputs();
    gpu.device
        .write_config(EVENTS_CLEAR, &u32::MAX.to_le_bytes());
    assert_eq!(events(&gpu), 0);
    assert!(gpu.device.dispatch_display(Instant::now()).notify_config);
    assert_eq!(events(&gpu), EVENT_DISPLAY);
}

/// A device that grants resources which no machine has memory for.
fn boundless() -> InProcess {
    let mut limits = Limits::default();
    limits.side = u32::MAX;
    limits.host_bytes = u64::MAX;
    limits.shown_bytes = u64::MAX;
    InProcess::new(1, limits)
}

#[test]
fn c14_pixels_that_cannot_be_allocated_are_out_of_memory_and_all_else_goes_on() {
    const WIDTH: u32 = 0x3fff_ffff;
    const HEIGHT: u32 = 0x4000_0000;
    let mut gpu = boundless();
    let pixel = whole(1, 1);

    let report = run(
        &mut gpu,
        &[
            Case::hostile("C14", "a transfer")
                .send(create(1, WIDTH, HEIGHT), OK)
                .send(attach(1, &[(IMAGE, 4096)]), OK)
                .send(transfer(1, pixel, 0), OOM)
                .send(transfer(1, pixel, 0), OOM)
                .send(unref(1), OK),
            Case::hostile("C14", "a scanout")
                .send(create(1, WIDTH, HEIGHT), OK)
                .send(set_scanout(0, 1, pixel), OOM)
                .shows(0, None)
                .send(flush(1, pixel), OK)
                .send(unref(1), OK),
        ],
    );

    report.assert_clean();
}

#[test]
fn a_display_without_memory_refuses_scanouts_and_all_else_goes_on() {
    let mut gpu = in_process();
    gpu.device.display_mut().set_mood(Mood::Refusing);
    for message in [create(1, 32, 32), set_scanout(0, 1, whole(32, 32))] {
        gpu.driver().send_bytes(CONTROL, &message.bytes, 24);
    }
    gpu.kick(CONTROL);
    let answers = gpu.driver().take_answers(CONTROL);
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| answer.bytes[..2].to_vec())
        .collect();
    assert_eq!(kinds, [[0x00, 0x11], [0x00, 0x12]]);
    gpu.device.display_mut().set_mood(Mood::Ready);
    gpu.reset(1 << 1 | 1 << 32).unwrap();

    // With memory again, the same requests work.
    let works = Case::legal("C14", "the display has memory again")
        .given([create(1, 32, 32), create(2, 64, 64)])
        .send(set_scanout(0, 1, whole(32, 32)), OK)
        .send(update_cursor(0, 2), OK);
    run(&mut gpu, &[works]).assert_clean();
}
