//! Command streams that wait until the renderer knows what their context may
//! use: thousands of framebuffers at worst.

use std::time::Instant;

use gpu_renderer::testing::{Call, Method};
use gpu_renderer::{ContextId as RendererContext, RenderError, ResourceId as RendererResource};
use virtio_gpu::protocol::Command;
use virtio_gpu::{Limits, Progress};

use crate::rig::{CONTROL, Fence, Placement, Rig3d, UNSPEC, submit};
use crate::support::{OK, create};

const SCREENS: u32 = 100;

/// Context 1, and framebuffers that are attached to it.
fn crowded(rig: &mut Rig3d) {
    assert_eq!(rig.create_context(1), OK);
    for id in 1..=SCREENS {
        assert_eq!(rig.create(id, 4, 4), OK);
        assert_eq!(rig.attach_to(1, id), OK);
    }
    rig.journal.take_calls();
}

fn hasty() -> Limits {
    let mut limits = Limits::default();
    limits.turn_commands = 4;
    limits
}

/// A renderer that stands still, and a stream that waits for it.
fn waiting() -> Rig3d {
    let mut rig = Rig3d::new(Placement::Thread);
    crowded(&mut rig);
    rig.journal.pause();
    rig.begin(1, &submit(&[]), Fence::Global(1));
    rig
}

fn promotions(rig: &Rig3d) -> u64 {
    rig.device.backend().render_statistics().promotions
}

fn streams(rig: &Rig3d) -> usize {
    let calls = rig.journal.calls();
    let stream = |call: &&Call| matches!(call, Call::Submit { .. });
    calls.iter().filter(stream).count()
}

#[test]
fn they_are_prepared_in_turns_and_the_cursor_queue_has_its_own_between() {
    for mut rig in Rig3d::each_with(1, &hasty()) {
        rig.journal.take_calls();
        crowded(&mut rig);
        rig.send_in(1, &submit(&[]), Fence::None);
        rig.send_in(0, &create(500, 2, 4, 4), Fence::None);
        assert!(rig.kick(CONTROL).more);
        assert_eq!(streams(&rig), 0);
        assert_eq!(rig.answered(), [], "nothing overtakes it");

        let moved = Command::MoveCursor {
            position: virtio_gpu::protocol::CursorPosition::default(),
        };
        assert_eq!(rig.call(moved), OK);
        rig.tell();

        rig.wait_for(2);
        assert_eq!(promotions(&rig), u64::from(SCREENS));
        assert_eq!(streams(&rig), 1);
    }
}

#[test]
fn they_do_not_fill_a_slow_renderer_s_queue() {
    let mut rig = waiting();
    rig.linger();

    let outstanding = rig.device.backend().renderer().unwrap().outstanding();
    assert!(outstanding < 70, "{outstanding} jobs");

    rig.journal.resume();
    rig.wait_for(1);
    assert_eq!(promotions(&rig), u64::from(SCREENS));
}

#[test]
fn a_context_is_told_of_only_when_it_draws() {
    for mut rig in Rig3d::each() {
        for context in [1, 2] {
            assert_eq!(rig.create_context(context), OK);
        }
        assert_eq!(rig.create(1, 4, 4), OK);
        for context in [1, 2] {
            assert_eq!(rig.attach_to(context, 1), OK);
        }

        rig.fill(1, 1, 5);
        let attached = |context| rig.journal.attached(RendererContext(context)).unwrap();
        assert_eq!(attached(1), [RendererResource(1)]);
        assert_eq!(attached(2), []);

        rig.fill(2, 1, 6);
        assert_eq!(rig.texel(1), 6);
        assert_eq!(promotions(&rig), 1);
    }
}

#[test]
fn what_a_context_was_never_told_of_it_need_not_be_told_to_let_go() {
    for mut rig in Rig3d::each() {
        for context in [1, 2] {
            assert_eq!(rig.create_context(context), OK);
        }
        assert_eq!(rig.create(1, 4, 4), OK);
        for context in [1, 2] {
            assert_eq!(rig.attach_to(context, 1), OK);
        }
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        rig.journal.take_calls();

        assert_eq!(rig.detach_from(2, 1), OK);

        assert_eq!(rig.journal.take_calls(), []);
        assert_eq!(rig.detach_from(1, 1), OK);
        assert_eq!(rig.journal.take_calls().len(), 1);
    }
}

#[test]
fn a_queue_that_is_stopped_fails_the_stream_and_it_is_never_carried_out() {
    let mut rig = waiting();

    let stopped = rig.device.stop_queue(CONTROL).unwrap();

    let answer = rig.driver.take_answers(CONTROL).remove(0);
    let (header, outcome) = answer.decode();
    assert_eq!((outcome, header.fence_id), (UNSPEC, 1));
    rig.journal.resume();
    let mut setup = rig.driver.ring(CONTROL).setup();
    setup.next_avail = stopped.next_avail;
    let _ = rig.device.start_queue(CONTROL, &setup).unwrap();
    assert_eq!(rig.create(500, 4, 4), OK);
    rig.rest();
    assert_eq!(streams(&rig), 0);
    // The next one is.
    assert_eq!(rig.call_in(1, &submit(&[])), OK);
    assert_eq!(promotions(&rig), u64::from(SCREENS));
}

#[test]
fn coming_to_rest_lets_it_begin_and_end() {
    let mut rig = waiting();
    let quiescing = rig.device.quiesce(Instant::now());
    assert_eq!(quiescing.progress, Progress::Pending);
    rig.journal.resume();

    while rig.device.quiesce(Instant::now()).progress == Progress::Pending {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }

    assert_eq!(rig.driver.take_answers(CONTROL)[0].outcome(), OK);
    assert_eq!(promotions(&rig), u64::from(SCREENS));
    assert_eq!(rig.journal.calls().last(), Some(&Call::Revoke));
}

#[test]
fn a_reset_forgets_it() {
    let mut rig = waiting();

    rig.device.reset();
    rig.journal.resume();
    rig.rest();

    assert_eq!(rig.device.in_flight(), 0);
    assert_eq!(rig.device.backend().awaited_jobs(), 0);
    assert_eq!(streams(&rig), 0);
    assert_eq!(rig.journal.resources(), []);
}

#[test]
fn what_could_not_be_promoted_is_tried_with_the_next_stream() {
    let refused = RenderError::Refused {
        call: "planned",
        code: 5,
    };
    for step in [Method::CreateResource, Method::Upload] {
        for mut rig in Rig3d::each() {
            for context in [1, 2] {
                assert_eq!(rig.create_context(context), OK);
            }
            rig.image(1, 4, 4, |_, _| 7);
            for context in [1, 2] {
                assert_eq!(rig.attach_to(context, 1), OK);
            }
            rig.journal.fail_next(step, refused.clone());
            assert_eq!(rig.call_in(1, &submit(&[])), OK);
            rig.rest();
            assert_eq!(promotions(&rig), 0);

            rig.fill(2, 1, 8);
            rig.fill(1, 1, 9);

            assert_eq!(promotions(&rig), 1);
            assert_eq!(rig.texel(1), 9);
        }
    }
}

#[test]
fn what_the_renderer_has_no_room_for_does_not_hold_a_stream_up() {
    let mut limits = Limits::default();
    limits.renderer_bytes = 2 * 64;
    for mut rig in Rig3d::each_with(1, &limits) {
        crowded(&mut rig);

        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        assert_eq!(promotions(&rig), 2);

        // The oldest that still waits takes the place of one that goes.
        assert_eq!(rig.unref(1), OK);
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        assert_eq!(promotions(&rig), 3);
        assert_eq!(
            rig.journal.resources(),
            [RendererResource(2), RendererResource(3)]
        );
    }
}
