//! Bringing the device to rest, before guest memory is taken away or the
//! control queue is stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_renderer::ResourceId as RendererResource;
use gpu_renderer::testing::{Call, Order};
use virtio_gpu::protocol::Command;
use virtio_gpu::testing::guest_memory;
use virtio_gpu::{Limits, Progress, QueueIndex};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::rig::{A_WHILE, CONTROL, Fence, Placement, Rig3d, UNSPEC, sleep, submit, whole};
use crate::support::{IMAGE, MEMORY, OK, PATIENCE, Rig, create, rect};

fn hasty() -> Limits {
    let mut limits = Limits::default();
    limits.drain_millis = 60;
    limits
}

/// Context 1 with a picture of the renderer's whose backing is at [`IMAGE`].
fn prepare(rig: &mut Rig3d) {
    rig.painted(1, 4, 4, 1);
    assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
    assert_eq!(rig.journal.backed(), [RendererResource(1)]);
}

fn prepared(limits: &Limits) -> [Rig3d; 2] {
    Rig3d::each_with(1, limits).map(|mut rig| {
        prepare(&mut rig);
        rig
    })
}

/// Asks until the device is at rest, as often as it says; how long it took.
fn quiesce(rig: &mut Rig3d) -> Duration {
    let begun = Instant::now();
    while rig.device.quiesce(Instant::now()).progress == Progress::Pending {
        assert!(begun.elapsed() < PATIENCE, "it never comes to rest");
        wait(rig);
    }
    begun.elapsed()
}

/// Waits until the device wants to be asked again.
fn wait(rig: &mut Rig3d) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let left = |at: Instant| at.saturating_duration_since(Instant::now());
    let deadline = rig.device.deadline().map_or(PATIENCE, left).min(PATIENCE);
    let millis = u16::try_from(deadline.as_micros().div_ceil(1000)).unwrap();
    let fd = rig.device.renderer_fd();
    let mut fds: Vec<_> = fd
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .into_iter()
        .collect();
    poll(&mut fds, PollTimeout::from(millis)).unwrap();
}

fn guest_word(memory: &GuestMemoryMmap) -> u32 {
    memory.read_obj(GuestAddress(IMAGE)).unwrap()
}

#[test]
fn a_2d_device_is_at_rest_at_once() {
    let mut rig = Rig::new();
    rig.image(1, 4, 4, |_, _| 1);

    assert_eq!(rig.device.quiesce(Instant::now()).progress, Progress::Done);
    assert_eq!(rig.transfer(1, rect(0, 0, 4, 4), 0), OK, "and goes on");
}

#[test]
fn at_rest_the_renderer_has_nothing_of_the_guest_s_memory() {
    for mut rig in prepared(&Limits::default()) {
        quiesce(&mut rig);

        assert_eq!(rig.journal.backed(), []);
        assert_eq!(rig.journal.calls().last(), Some(&Call::Revoke));
        assert!(rig.device.backend().is_revoked());
    }
}

#[test]
fn what_was_begun_ends_before() {
    let mut rig = Rig3d::new(Placement::Thread);
    prepare(&mut rig);
    let stream = sleep(50);
    for id in 0..3 {
        rig.send_in(1, &submit(&stream), Fence::Global(id));
    }
    let from_host = Command::TransferFromHost3d(whole(1, 4, 4));
    rig.begin(1, &from_host, Fence::Global(3));

    quiesce(&mut rig);

    let answers = rig.driver.take_answers(CONTROL);
    assert_eq!(answers.len(), 4, "all are answered when it is at rest");
    assert!(answers.iter().all(|answer| answer.outcome() == OK));
    let calls = rig.journal.calls();
    assert_eq!(calls.last(), Some(&Call::Revoke));
    assert_eq!(guest_word(&rig.memory), 1);
}

#[test]
fn it_is_at_rest_as_soon_as_the_last_job_has_ended() {
    for round in 0..20 {
        let mut rig = Rig3d::new(Placement::Thread);
        prepare(&mut rig);
        let stream = sleep(round % 3);
        rig.begin(1, &submit(&stream), Fence::Global(1));

        let took = quiesce(&mut rig);

        assert!(took < Duration::from_millis(250), "round {round}: {took:?}");
    }
}

#[test]
fn what_does_not_end_in_time_fails_and_returns_its_fence() {
    for mut rig in prepared(&hasty()) {
        rig.journal.hold_fences();
        let sent = rig.begin(1, &submit(&[]), Fence::Ring(7, 1 << 33));

        let took = quiesce(&mut rig);

        assert!(took >= Duration::from_millis(60), "{took:?}");
        let answer = rig.driver.take_answers(CONTROL).remove(0);
        let (header, outcome) = answer.decode();
        assert_eq!((answer.sent, outcome), (sent, UNSPEC));
        assert_eq!((header.flags.bits(), header.fence_id), (3, 1 << 33));
        assert_eq!(rig.journal.backed(), []);

        // What the renderer says later is nobody's business any more.
        rig.journal.release_fences();
        rig.linger();
        assert_eq!(rig.answered(), []);
        assert_eq!(rig.device.backend().awaited_jobs(), 0);
    }
}

#[test]
fn a_renderer_that_hangs_is_not_at_rest_though_the_guest_has_its_answers() {
    let mut rig = Rig3d::with(Placement::Thread, 1, hasty());
    prepare(&mut rig);
    rig.journal.pause();
    rig.begin(1, &submit(&[]), Fence::Global(1));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(200) {
        assert_eq!(
            rig.device.quiesce(Instant::now()).progress,
            Progress::Pending
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(rig.driver.take_answers(CONTROL)[0].outcome(), UNSPEC);
    assert_eq!(rig.journal.backed(), [RendererResource(1)]);

    rig.journal.resume();
    quiesce(&mut rig);

    assert_eq!(rig.journal.backed(), []);
}

#[test]
fn meanwhile_the_cursor_queue_is_served_and_the_control_queue_is_not() {
    let mut rig = Rig3d::new(Placement::Thread);
    prepare(&mut rig);
    rig.journal.pause();
    rig.begin(1, &submit(&[]), Fence::None);
    assert_eq!(
        rig.device.quiesce(Instant::now()).progress,
        Progress::Pending
    );

    rig.begin(0, &create(9, 2, 4, 4), Fence::None);
    let due = rig.device.deadline();
    assert!(due.is_none_or(|due| due > Instant::now()), "it would spin");
    let moved = Command::MoveCursor {
        position: virtio_gpu::protocol::CursorPosition::default(),
    };
    assert_eq!(rig.call(moved), OK);
    assert_eq!(rig.device.backend().resources().len(), 1);

    rig.journal.resume();
    quiesce(&mut rig);
    assert_eq!(rig.device.backend().resources().len(), 1);
}

#[test]
fn a_kick_that_came_meanwhile_is_not_lost() {
    for mut rig in prepared(&hasty()) {
        rig.journal.hold_fences();
        rig.begin(1, &submit(&[]), Fence::Global(1));
        let quiescing = rig.device.quiesce(Instant::now());
        assert_eq!(quiescing.progress, Progress::Pending);
        let sent = rig.begin(0, &create(9, 2, 4, 4), Fence::None);
        quiesce(&mut rig);
        assert_eq!(rig.driver.take_answers(CONTROL).len(), 1);

        // No further kick.
        assert_eq!(rig.wait_for(1)[0].sent, sent);
        rig.journal.release_fences();
    }
}

#[test]
fn a_queue_that_was_full_goes_on_afterwards_by_itself() {
    for mut rig in prepared(&hasty()) {
        rig.journal.hold_fences();
        for id in 0..100 {
            rig.send_in(1, &submit(&[]), Fence::Global(id));
        }
        rig.tell();
        rig.linger();
        assert_eq!(rig.device.in_flight(), 64);
        quiesce(&mut rig);
        let failed = rig.driver.take_answers(CONTROL);
        assert_eq!(failed.len(), 64);

        rig.journal.release_fences();

        let rest = rig.wait_for(36);
        assert!(rest.iter().all(|answer| answer.outcome() == OK));
    }
}

#[test]
fn with_the_next_command_the_renderer_has_its_memory_back() {
    for mut rig in prepared(&Limits::default()) {
        quiesce(&mut rig);
        assert_eq!(rig.journal.backed(), []);

        let to_host = Command::TransferToHost3d(whole(1, 4, 4));
        assert_eq!(rig.call_in(1, &to_host), OK);

        assert_eq!(rig.journal.backed(), [RendererResource(1)]);
    }
}

#[test]
fn what_lost_its_backing_before_has_none_afterwards() {
    for mut rig in prepared(&Limits::default()) {
        rig.painted(2, 4, 4, 2);
        assert_eq!(rig.attach(2, &[(IMAGE, 64)]), OK);
        assert_eq!(rig.detach(1), OK);
        quiesce(&mut rig);

        assert_eq!(rig.create(3, 4, 4), OK);
        rig.rest();

        assert_eq!(rig.journal.backed(), [RendererResource(2)]);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
    }
}

/// Memory like the rig's, elsewhere in this process, with its rings in it.
fn moved(rig: &Rig3d) -> Arc<GuestMemoryMmap> {
    let memory = guest_memory(MEMORY);
    let mut bytes = vec![0; IMAGE as usize];
    rig.memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
    memory.write_slice(&bytes, GuestAddress(0)).unwrap();
    memory
}

#[test]
fn memory_that_has_moved_is_used_where_it_is_now() {
    for mut rig in prepared(&Limits::default()) {
        quiesce(&mut rig);
        let memory = moved(&rig);
        rig.device.set_memory(memory.clone());
        rig.driver.write(IMAGE, &[0xee; 64]);
        memory
            .write_slice(&[0x12; 64], GuestAddress(IMAGE))
            .unwrap();

        // The request is where the rings are now.
        let to_host = Command::TransferToHost3d(whole(1, 4, 4));
        rig.send_in(1, &to_host, Fence::None);
        let mut bytes = vec![0; IMAGE as usize];
        rig.memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
        memory.write_slice(&bytes, GuestAddress(0)).unwrap();
        rig.tell();
        rig.rest();

        assert_eq!(rig.texel(1), 0x1212_1212);
    }
}

#[test]
fn memory_that_changes_without_it_is_changed_for_the_renderer_too() {
    let mut rig = Rig3d::new(Placement::Inline);
    prepare(&mut rig);
    rig.driver.write(IMAGE, &[0x21; 64]);
    let memory = moved(&rig);
    memory
        .write_slice(&[0x43; 64], GuestAddress(IMAGE))
        .unwrap();
    rig.device.set_memory(memory.clone());

    rig.send_in(1, &Command::TransferToHost3d(whole(1, 4, 4)), Fence::None);
    let mut bytes = vec![0; IMAGE as usize];
    rig.memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
    memory.write_slice(&bytes, GuestAddress(0)).unwrap();
    rig.tell();

    assert_eq!(rig.texel(1), 0x4343_4343);
}

#[test]
fn a_stopped_queue_gives_the_renderer_no_memory() {
    // A late kick must not have the renderer write to memory that the front
    // end has been told is its own.
    for mut rig in prepared(&Limits::default()) {
        quiesce(&mut rig);
        let stopped = rig.device.stop_queue(CONTROL).unwrap();

        for queue in [CONTROL, QueueIndex::Cursor] {
            let _ = rig.kick(queue);
        }
        rig.linger();
        assert_eq!(rig.journal.backed(), []);

        let mut setup = rig.driver.ring(CONTROL).setup();
        setup.next_avail = stopped.next_avail;
        let _ = rig.device.start_queue(CONTROL, &setup).unwrap();
        let to_host = Command::TransferToHost3d(whole(1, 4, 4));
        assert_eq!(rig.call_in(1, &to_host), OK);
        assert_eq!(rig.journal.backed(), [RendererResource(1)]);
    }
}

#[test]
fn stop_after_rest_owes_nothing() {
    for mut rig in prepared(&hasty()) {
        rig.journal.hold_fences();
        for id in 0..10 {
            rig.send_in(1, &submit(&[]), Fence::Ring(id as u8, id));
        }
        rig.tell();
        quiesce(&mut rig);

        let stopped = rig.device.stop_queue(CONTROL).unwrap();

        assert_eq!(rig.driver.take_answers(CONTROL).len(), 10);
        assert_eq!(rig.device.in_flight(), 0);
        // context, resource, attachment, fill, backing, and the ten.
        assert_eq!(stopped.next_avail, 15);
    }
}

#[test]
fn a_long_2d_transfer_is_not_failed_by_it() {
    let mut limits = hasty();
    limits.transfer_step_bytes = 16;
    limits.turn_commands = 3;
    // Both commands are begun in one turn, on a busy machine too.
    limits.turn_micros = 10_000_000;
    for mut rig in prepared(&limits) {
        assert_eq!(rig.create(2, 4, 4), OK);
        assert_eq!(rig.attach(2, &[(IMAGE, 64)]), OK);
        rig.journal.hold_fences();
        rig.send_in(1, &submit(&[]), Fence::Global(1));
        let transfer = Command::TransferToHost2d {
            rect: rect(0, 0, 4, 4),
            offset: 0,
            resource: virtio_gpu::protocol::ResourceId(2),
        };
        let sent = rig.send_in(0, &transfer, Fence::None);
        assert!(rig.kick(CONTROL).more, "it takes more than a turn");

        quiesce(&mut rig);
        rig.journal.release_fences();
        let mut answers = rig.driver.take_answers(CONTROL);
        if answers.len() < 2 {
            answers.extend(rig.wait_for(2 - answers.len()));
        }

        let transfer = answers.iter().find(|answer| answer.sent == sent);
        assert_eq!(transfer.unwrap().outcome(), OK);
    }
}

#[test]
fn a_renderer_that_is_busy_delays_nobody() {
    let mut rig = Rig3d::new(Placement::Thread);
    prepare(&mut rig);
    let stream = sleep(400);
    rig.begin(1, &submit(&stream), Fence::Global(1));
    let begun = Instant::now();

    let mut config = [0; 16];
    rig.device.read_config(0, &mut config);
    assert_eq!(rig.call_in(0, &create(9, 2, 4, 4)), OK);
    let moved = Command::MoveCursor {
        position: virtio_gpu::protocol::CursorPosition::default(),
    };
    assert_eq!(rig.call(moved), OK);
    let _ = rig.device.dispatch_display(Instant::now());
    let quiescing = rig.device.quiesce(Instant::now());

    assert!(begun.elapsed() < Duration::from_millis(200));
    assert_eq!(quiescing.progress, Progress::Pending);
    assert_eq!(rig.answered(), []);
    quiesce(&mut rig);
    assert_eq!(rig.driver.take_answers(CONTROL)[0].outcome(), OK);
}

#[test]
fn at_rest_twice_is_at_rest() {
    for mut rig in prepared(&Limits::default()) {
        quiesce(&mut rig);
        rig.journal.take_calls();
        assert!(quiesce(&mut rig) < A_WHILE);
        assert_eq!(rig.journal.take_calls(), []);
        assert_eq!(rig.submit(1, &[Order::Sleep { milliseconds: 0 }]), OK);
    }
}
