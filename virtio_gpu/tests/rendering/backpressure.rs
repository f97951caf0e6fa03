//! At most 64 jobs and 32 MiB of streams wait on the renderer; what is beyond
//! stays in the control queue, and the device goes on with it by itself.

use std::time::Instant;

use virtio_gpu::protocol::{Command, CursorPosition, ScanoutId};
use virtio_gpu::testing::Piece;
use virtio_gpu::{Limits, QueueIndex};

use crate::rig::{CONTROL, Fence, Placement, Rig3d, flush, request, submit};
use crate::support::{IMAGE, OK, PATIENCE, create, rect};

const JOBS: usize = 64;

fn patient() -> Limits {
    let mut limits = Limits::default();
    limits.turn_micros = 60_000_000;
    limits.turn_commands = 1000;
    limits
}

/// A hundred fenced streams are in the queue of a device whose fences are
/// held.
fn crowded() -> [Rig3d; 2] {
    Rig3d::each_with(1, &patient()).map(|mut rig| {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        for id in 0..100 {
            rig.send_in(1, &submit(&[]), Fence::Global(id));
        }
        rig.tell();
        rig
    })
}

fn move_cursor() -> Command<'static> {
    Command::MoveCursor {
        position: CursorPosition {
            scanout: ScanoutId(0),
            x: 1,
            y: 2,
        },
    }
}

#[test]
fn with_64_jobs_outstanding_no_command_is_taken() {
    for mut rig in crowded() {
        rig.linger();
        assert_eq!(rig.device.in_flight(), JOBS);

        // However often it is kicked, and whatever the command.
        rig.send_in(0, &create(1, 2, 4, 4), Fence::None);
        for _ in 0..10 {
            rig.tell();
        }

        assert_eq!(rig.device.in_flight(), JOBS);
        assert_eq!(rig.answered(), []);
    }
}

#[test]
fn the_cursor_queue_is_served_all_the_same() {
    for mut rig in crowded() {
        assert_eq!(rig.call(move_cursor()), OK);
    }
}

#[test]
fn the_queue_goes_on_by_itself_as_jobs_end() {
    for mut rig in crowded() {
        rig.linger();

        rig.journal.release_fences();

        rig.wait_for(100);
        assert_eq!(rig.device.in_flight(), 0);
    }
}

#[test]
fn a_turn_of_the_cursor_queue_that_sees_the_jobs_end_does_not_strand_the_control_queue() {
    for mut rig in crowded() {
        rig.linger();
        rig.journal.release_fences();
        // The renderer has finished; the device learns it here.
        std::thread::sleep(crate::rig::A_WHILE);
        let _ = rig.kick(QueueIndex::Cursor);

        rig.wait_for(100);
    }
}

#[test]
fn a_turn_of_the_display_that_sees_the_jobs_end_does_not_either() {
    for mut rig in crowded() {
        rig.linger();
        rig.journal.release_fences();
        std::thread::sleep(crate::rig::A_WHILE);
        let _ = rig.device.dispatch_display(Instant::now());

        rig.wait_for(100);
    }
}

#[test]
fn a_turn_that_fills_the_queue_and_sees_it_empty_does_not_either() {
    // One stream whose context has 100 framebuffers: hundreds of jobs, and
    // commands behind it.
    for mut rig in Rig3d::each_with(1, &patient()) {
        assert_eq!(rig.create_context(1), OK);
        for id in 1..=100 {
            assert_eq!(rig.create(id, 4, 4), OK);
            assert_eq!(rig.attach_to(1, id), OK);
        }
        rig.send_in(1, &submit(&[]), Fence::None);
        for id in 101..=110 {
            rig.send_in(0, &create(id, 2, 4, 4), Fence::None);
        }
        rig.tell();

        rig.wait_for(11);

        assert_eq!(rig.device.backend().render_statistics().promotions, 100);
        assert_eq!(rig.device.backend().resources().len(), 110);
    }
}

#[test]
fn a_turn_that_could_go_on_says_so() {
    let mut rig = Rig3d::with(Placement::Inline, 1, patient());
    assert_eq!(rig.create_context(1), OK);
    for id in 1..=100 {
        assert_eq!(rig.create(id, 4, 4), OK);
        assert_eq!(rig.attach_to(1, id), OK);
    }
    rig.send_in(1, &submit(&[]), Fence::None);

    rig.tell();

    assert_eq!(rig.answered().len(), 1);
}

#[test]
fn following_the_deadline_is_enough() {
    let mut limits = Limits::default();
    limits.turn_commands = 3;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        for id in 0..100 {
            rig.send_in(1, &submit(&[]), Fence::Global(id));
        }
        rig.tell();
        rig.linger();
        rig.journal.release_fences();

        // Nobody asks for the control queue, whatever a turn says.
        let begun = Instant::now();
        let mut count = 0;
        while count < 100 {
            assert!(begun.elapsed() < PATIENCE, "{count} of 100 came");
            // A moment that has come when one looks.
            let now = Instant::now();
            if rig.device.deadline().is_some_and(|due| due <= now) {
                let _ = rig.device.dispatch_display(now);
                let _ = rig.device.dispatch_renderer(now);
            }
            count += rig.answered().len();
        }
    }
}

#[test]
fn read_backs_wait_for_room_too() {
    for mut rig in Rig3d::each_with(16, &patient()) {
        rig.painted(1, 4, 4, 1);
        for scanout in 0..16 {
            assert_eq!(rig.set_scanout(scanout, 1, rect(0, 0, 4, 4)), OK);
        }
        rig.rest();
        rig.records();
        rig.journal.hold_fences();
        for id in 0..63 {
            rig.send_in(1, &submit(&[]), Fence::Global(id));
        }
        rig.tell();
        rig.linger();

        rig.begin(0, &flush(1, rect(0, 0, 4, 4)), Fence::None);
        let outstanding = rig.device.backend().renderer().unwrap().outstanding();
        assert!(outstanding <= JOBS, "{outstanding} jobs");

        rig.journal.release_fences();
        rig.wait_for(64);
        rig.rest();
        assert_eq!(rig.frames().len(), 16, "each scanout in the end");
    }
}

#[test]
fn turns_that_end_early_lose_no_command() {
    let mut limits = Limits::default();
    limits.turn_commands = 3;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        for id in 0..100 {
            rig.send_in(1, &submit(&[]), Fence::Ring((id % 64) as u8, id));
        }
        rig.tell();
        rig.linger();
        assert_eq!(rig.device.in_flight(), JOBS);

        rig.journal.release_fences();

        rig.wait_for(100);
    }
}

#[test]
fn streams_of_32_mib_are_as_many_as_64_jobs() {
    const STREAM: u32 = 16 << 20;
    let mut rig = Rig3d::with(Placement::Thread, 1, patient());
    assert_eq!(rig.create_context(1), OK);
    rig.journal.pause();
    // The payload is the same memory each time; it begins with no command.
    let mut header = request(1, &submit(&[]), Fence::None);
    header[24..28].copy_from_slice(&STREAM.to_le_bytes());
    let mut heads = Vec::new();
    for place in 0..4 {
        let at = rig.driver.allocate(64);
        rig.driver.write(at, &header);
        let answer = rig.driver.allocate(24);
        let pieces = [
            Piece::readable(at, 32),
            Piece::readable(IMAGE, STREAM),
            Piece::writable(answer, 24),
        ];
        heads.push(rig.driver.ring(CONTROL).publish(&pieces));
        rig.tell();
        let taken = rig.device.in_flight();
        assert_eq!(taken, (place + 1).min(2), "two streams are 32 MiB");
    }

    rig.journal.resume();

    let mut back = Vec::new();
    rig.work_until("two streams", |rig| rig.device.in_flight() == 0);
    while back.len() < 4 {
        match rig.driver.ring(CONTROL).take_used() {
            Some(used) => {
                assert_eq!(used.length, 24);
                back.push(used.head);
            }
            None => rig.work(crate::rig::A_WHILE),
        }
    }
    assert_eq!(back, heads);
}

#[test]
fn a_full_queue_holds_back_no_2d_answer_that_was_due() {
    for mut rig in Rig3d::each_with(1, &patient()) {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        for id in 0..60 {
            rig.send_in(1, &submit(&[]), Fence::Ring(0, id));
        }
        let first = rig.begin(0, &create(1, 2, 4, 4), Fence::None);

        assert_eq!(rig.answered(), [first]);
        rig.journal.release_fences();
        rig.wait_for(60);
    }
}

#[test]
fn a_suspended_queue_is_left_alone_when_the_renderer_has_room_again() {
    let mut rig = Rig3d::new(Placement::Thread);
    assert_eq!(rig.create_context(1), OK);
    rig.rest();
    rig.journal.pause();
    for _ in 0..70 {
        rig.send_in(1, &submit(&[]), Fence::None);
    }
    rig.tell();
    rig.device.suspend_queue(CONTROL);

    rig.journal.resume();
    rig.rest();
    assert_eq!(rig.kick(CONTROL), virtio_gpu::Turn::default());
    assert_eq!(rig.answered().len(), 64, "what was taken is answered");
    assert_eq!(rig.device.deadline(), None, "nothing is to be done");

    rig.device.resume_queue(CONTROL);
    let due = rig.device.deadline().expect("nobody kicks for the rest");
    assert!(due <= std::time::Instant::now());
    rig.wait_for(6);
}
