//! The renderer is lost: every outstanding and later 3D command fails, and 2D
//! goes on.

use std::time::Instant;

use gpu_renderer::testing::Order;
use virtio_gpu::protocol::{Command, ErrorCode};
use virtio_gpu::testing::Driver;
use virtio_gpu::{Progress, QueueIndex};

use crate::rig::{
    CONTROL, FEATURES_3D, Fence, Placement, Rig3d, ctx_attach, flush, picture, stream, submit,
    unref, whole,
};
use crate::support::{FEATURES, IMAGE, OK, gradient, rect};

/// A device with a screen of the renderer's, which is lost then.
fn lost() -> Rig3d {
    let mut rig = Rig3d::new(Placement::Thread);
    rig.painted(1, 8, 8, 1);
    assert_eq!(rig.attach(1, &[(IMAGE, 256)]), OK);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    rig.rest();
    rig.records();
    let panic = stream(&[Order::Panic]);
    assert!(rig.call_in(1, &submit(&panic)).is_err());
    rig
}

#[test]
fn everything_outstanding_is_answered_with_an_error_and_its_fence() {
    let mut rig = Rig3d::new(Placement::Thread);
    rig.painted(1, 8, 8, 1);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    rig.rest();
    rig.journal.hold_fences();
    let panic = stream(&[Order::Panic]);
    let commands = [
        (submit(&[]), Fence::Ring(0, 1)),
        (submit(&[]), Fence::Global(2)),
        (submit(&panic), Fence::Ring(1, 3)),
        (submit(&[]), Fence::Global(4)),
        (Command::CtxDestroy, Fence::None),
        (Command::ResourceCreate3d(picture(2, 4, 4)), Fence::None),
        (flush(1, rect(0, 0, 8, 8)), Fence::Global(5)),
        (unref(1), Fence::Global(6)),
    ];
    for (command, fence) in &commands {
        rig.send_in(1, command, *fence);
    }
    rig.tell();

    let answers = rig.wait_for(commands.len());

    let mut fences = Vec::new();
    for answer in answers {
        let (header, outcome) = answer.decode();
        assert_eq!(outcome, Err(ErrorCode::Unspec));
        if header.flags.bits() & 1 != 0 {
            fences.push(header.fence_id);
        }
    }
    fences.sort_unstable();
    assert_eq!(fences, [1, 2, 3, 4, 5, 6]);
    assert_eq!(rig.device.in_flight(), 0);
    assert_eq!(rig.device.backend().awaited_jobs(), 0);
}

#[test]
fn every_later_3d_command_fails_at_once() {
    let mut rig = lost();
    let context_2 = crate::rig::ctx_create();
    for (context, command) in [
        (2, context_2),
        (0, Command::ResourceCreate3d(picture(2, 4, 4))),
        (1, ctx_attach(1)),
        (1, Command::TransferToHost3d(whole(1, 8, 8))),
        (1, Command::TransferFromHost3d(whole(1, 8, 8))),
        (1, submit(&[])),
        (0, flush(1, rect(0, 0, 8, 8))),
        (1, Command::CtxDestroy),
    ] {
        let begun = Instant::now();
        let (header, outcome) = rig.answer_to(context, &command, Fence::Global(8)).decode();
        assert!(outcome.is_err(), "{command:?}");
        assert_eq!(header.fence_id, 8);
        assert!(begun.elapsed().as_millis() < 500, "{command:?}");
    }
    let backend = rig.device.backend();
    assert!(backend.contexts().is_empty());
    assert_eq!(backend.resources().len(), 1, "nothing was made");
    assert_eq!(backend.awaited_jobs(), 0);
}

#[test]
fn a_2d_desktop_goes_on() {
    let mut rig = lost();
    rig.image(5, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 5, rect(0, 0, 16, 16)), OK);
    assert_eq!(rig.frames().len(), 1);
    assert_eq!(rig.flush(5, rect(0, 0, 4, 4)), OK);
    assert_eq!(rig.frames().len(), 1);
    let moved = Command::MoveCursor {
        position: virtio_gpu::protocol::CursorPosition::default(),
    };
    assert_eq!(rig.call(moved), OK);
    assert_eq!(rig.unref(5), OK);
}

#[test]
fn what_was_to_be_promoted_stays_2d() {
    let mut rig = lost();
    rig.image(5, 8, 8, |_, _| 5);
    // The tracker notes it; the renderer would be told at the promotion.
    assert_eq!(rig.attach_to(1, 5), OK);
    assert!(rig.call_in(1, &submit(&[])).is_err());
    rig.rest();
    rig.records();

    assert_eq!(rig.set_scanout(0, 5, rect(0, 0, 8, 8)), OK);

    assert_eq!(rig.frames().pop().unwrap().1, [5; 64]);
    let resources = rig.device.backend().resources();
    assert_eq!(resources.host_bytes(), 256);
}

#[test]
fn a_screen_of_the_renderer_s_keeps_its_last_picture_and_can_go() {
    let mut rig = lost();
    rig.rest();
    assert_eq!(rig.records(), [], "nothing else is shown");

    let _ = rig.call_in(0, &unref(1));

    assert!(rig.device.display().surfaces.is_empty());
    let resources = rig.device.backend().resources();
    assert!(resources.is_empty());
    assert_eq!(
        (resources.renderer_bytes(), resources.backing_entries()),
        (0, 0)
    );
}

#[test]
fn it_comes_to_rest_and_holds_no_memory() {
    let mut rig = lost();
    assert_eq!(rig.journal.backed(), []);
    let begun = Instant::now();

    while rig.device.quiesce(Instant::now()).progress == Progress::Pending {
        assert!(begun.elapsed().as_millis() < 400);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }

    let stopped = rig.device.stop_queue(CONTROL);
    assert!(stopped.is_some());
    assert!(rig.device.stop_queue(QueueIndex::Cursor).is_some());
}

#[test]
fn a_reset_device_is_a_2d_device_that_refuses_3d() {
    let mut rig = lost();
    rig.device.reset();
    rig.driver = Driver::new(rig.memory.clone());
    rig.start(FEATURES | FEATURES_3D);

    assert!(rig.create_context(1).is_err());
    assert!(rig.create_3d(1, 4, 4).is_err());
    rig.image(1, 8, 8, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    assert!(!rig.frames().is_empty());
}

#[test]
fn it_does_not_spin() {
    let mut rig = lost();
    let _ = rig.call_in(1, &submit(&[]));
    let mut rounds = 0;
    let begun = Instant::now();
    while begun.elapsed() < crate::rig::A_WHILE {
        rig.work(crate::rig::A_WHILE);
        rounds += 1;
    }
    assert!(rounds < 10, "{rounds} rounds without anything to do");
}
