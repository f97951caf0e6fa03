//! Fences on the global timeline and on rings of contexts: in order, never
//! early, each once.

use gpu_renderer::testing::Order;
use gpu_renderer::{ContextId as RendererContext, Timeline};
use virtio_gpu::protocol::{Command, ContextId};
use virtio_gpu::testing::Sent;

use crate::rig::{
    BAD_CONTEXT, BAD_PARAMETER, Fence, Placement, Rig3d, UNSPEC, picture, stream, submit,
};
use crate::support::{OK, create};

fn ring_of(context: u32, ring: u8) -> Timeline {
    Timeline::Context {
        context: RendererContext(context),
        ring,
    }
}

/// Two contexts whose fences are held.
fn held() -> [Rig3d; 2] {
    Rig3d::each().map(|mut rig| {
        for context in [1, 2] {
            assert_eq!(rig.create_context(context), OK);
        }
        rig.journal.hold_fences();
        rig
    })
}

fn order(rig: &mut Rig3d, count: usize) -> Vec<Sent> {
    let answers = rig.wait_for(count);
    answers.into_iter().map(|answer| answer.sent).collect()
}

#[test]
fn a_fence_is_returned_when_it_has_passed_and_not_before() {
    for mut rig in held() {
        let fences = [Fence::Global(1), Fence::Ring(0, 2), Fence::Ring(63, 3)];
        for (made, fence) in (1..).zip(fences) {
            let sent = rig.begin(1, &submit(&[]), fence);
            rig.wait_for_fences(made);
            rig.linger();
            assert_eq!(rig.answered(), [], "{fence:?}");

            let timeline = match fence {
                Fence::Ring(ring, _) => ring_of(1, ring),
                _ => Timeline::Global,
            };
            rig.journal.pass_fences(timeline);

            assert_eq!(order(&mut rig, 1), [sent]);
        }
    }
}

#[test]
fn an_answer_repeats_fence_context_and_ring() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(7), OK);

        let (header, outcome) = rig
            .answer_to(7, &submit(&[]), Fence::Ring(63, u64::MAX))
            .decode();

        assert_eq!(outcome, OK);
        assert_eq!(header.flags.bits(), 3, "FENCE and INFO_RING_IDX");
        assert_eq!(header.fence_id, u64::MAX);
        assert_eq!(header.context, ContextId(7));
        assert_eq!(header.ring_index, 63);
    }
}

#[test]
fn an_unfenced_stream_is_answered_when_it_is_taken() {
    for mut rig in held() {
        rig.begin(1, &submit(&[]), Fence::Global(1));
        let plain = rig.begin(1, &submit(&[]), Fence::None);

        assert_eq!(order(&mut rig, 1), [plain]);
    }
}

#[test]
fn each_timeline_passes_by_itself() {
    for mut rig in held() {
        let lines = [
            (1, Fence::Global(1)),
            (1, Fence::Ring(0, 2)),
            (1, Fence::Ring(1, 3)),
            (2, Fence::Ring(0, 4)),
        ];
        let sent = lines.map(|(context, fence)| rig.begin(context, &submit(&[]), fence));
        rig.wait_for_fences(lines.len());
        rig.linger();
        assert_eq!(rig.answered(), []);

        // The youngest first.
        for (timeline, sent) in [
            (ring_of(2, 0), sent[3]),
            (ring_of(1, 1), sent[2]),
            (ring_of(1, 0), sent[1]),
            (Timeline::Global, sent[0]),
        ] {
            rig.journal.pass_fences(timeline);
            assert_eq!(order(&mut rig, 1), [sent]);
        }
    }
}

#[test]
fn on_a_timeline_fences_come_back_in_the_order_of_the_queue() {
    for mut rig in held() {
        let sent: Vec<_> = (0..10)
            .map(|id| rig.send_in(1, &submit(&[]), Fence::Ring(4, id)))
            .collect();
        rig.tell();

        rig.work_until("the renderer to have them", |rig| {
            rig.device.backend().renderer().unwrap().outstanding() == 10
        });
        rig.journal.release_fences();

        assert_eq!(order(&mut rig, 10), sent);
    }
}

#[test]
fn a_2d_command_waits_for_the_fence_before_it() {
    // DESIGN: each timeline is a queue whose done prefix is released.
    for mut rig in held() {
        let stream = rig.send_in(1, &submit(&[]), Fence::Global(1));
        let create_2d = rig.send_in(0, &create(1, 2, 4, 4), Fence::Global(2));
        let create_3d = Command::ResourceCreate3d(picture(2, 4, 4));
        let create_3d = rig.begin(0, &create_3d, Fence::Global(3));
        rig.linger();
        assert_eq!(rig.answered(), []);

        rig.journal.release_fences();

        assert_eq!(order(&mut rig, 3), [stream, create_2d, create_3d]);
    }
}

#[test]
fn an_error_waits_for_the_fence_before_it_too() {
    for mut rig in held() {
        let first = rig.send_in(1, &submit(&[]), Fence::Ring(1, 1));
        let failing = stream(&[Order::Fail]);
        let second = rig.send_in(1, &submit(&failing), Fence::Ring(1, 2));
        let third = rig.begin(1, &submit(&[0; 3]), Fence::Ring(1, 3));
        rig.linger();
        assert_eq!(rig.answered(), []);

        rig.journal.release_fences();

        let answers = rig.wait_for(3);
        let sent: Vec<_> = answers.iter().map(|answer| answer.sent).collect();
        assert_eq!(sent, [first, second, third]);
        assert_eq!(answers[1].outcome(), UNSPEC);
        assert_eq!(answers[2].outcome(), BAD_PARAMETER);
    }
}

#[test]
fn fence_ids_are_only_repeated_never_compared() {
    for mut rig in held() {
        let ids = [5, 5, 4, u64::MAX, 0, 1 << 31, 1 << 32, 5];
        let sent: Vec<_> = ids
            .iter()
            .map(|id| rig.send_in(1, &submit(&[]), Fence::Ring(0, *id)))
            .collect();
        rig.tell();
        rig.linger();
        rig.journal.release_fences();

        let answers = rig.wait_for(ids.len());

        for ((answer, sent), id) in answers.iter().zip(sent).zip(ids) {
            assert_eq!((answer.sent, answer.decode().0.fence_id), (sent, id));
        }
    }
}

#[test]
fn a_ring_above_63_is_refused_and_its_fence_returned() {
    for mut rig in held() {
        for ring in [64, 65, 128, 255] {
            let (header, outcome) = rig
                .answer_to(1, &submit(&[]), Fence::Ring(ring, 11))
                .decode();
            assert_eq!((outcome, header.fence_id), (BAD_PARAMETER, 11));
            let of_2d = rig.answer_to(1, &create(1, 2, 4, 4), Fence::Ring(ring, 11));
            assert_eq!(of_2d.outcome(), BAD_PARAMETER);
        }
        assert!(rig.device.backend().resources().is_empty());
        rig.journal.release_fences();
        let last = rig.answer_to(1, &submit(&[]), Fence::Ring(63, 12));
        assert_eq!(last.outcome(), OK);
    }
}

#[test]
fn a_ring_of_no_context_is_refused_at_once_and_its_command_not_done() {
    for mut rig in held() {
        for context in [0, 3, u32::MAX] {
            let command = create(9, 2, 4, 4);
            let (header, outcome) = rig
                .answer_to(context, &command, Fence::Ring(0, 12))
                .decode();
            assert_eq!((outcome, header.fence_id), (BAD_CONTEXT, 12));
        }
        assert!(rig.device.backend().resources().is_empty());
    }
}

#[test]
fn a_2d_command_can_have_its_fence_on_a_ring() {
    for mut rig in held() {
        let first = rig.send_in(1, &submit(&[]), Fence::Ring(2, 1));
        let second = rig.begin(1, &create(1, 2, 4, 4), Fence::Ring(2, 2));
        rig.wait_for_fences(1);
        rig.linger();
        assert_eq!(rig.answered(), []);

        rig.journal.pass_fences(ring_of(1, 2));

        assert_eq!(order(&mut rig, 2), [first, second]);
    }
}

#[test]
fn a_context_that_goes_returns_its_fences() {
    for mut rig in held() {
        let on_ring = rig.send_in(1, &submit(&[]), Fence::Ring(0, 1));
        let other = rig.send_in(2, &submit(&[]), Fence::Ring(0, 2));
        let global = rig.send_in(1, &submit(&[]), Fence::Global(3));
        let destroy = rig.begin(1, &Command::CtxDestroy, Fence::None);

        let mut back = order(&mut rig, 2);

        back.sort_by_key(|sent| sent.answer_at);
        assert_eq!(back, [on_ring, destroy]);
        rig.linger();
        assert_eq!(rig.answered(), [], "others still wait");
        rig.journal.release_fences();
        let mut back = order(&mut rig, 2);
        back.sort_by_key(|sent| sent.answer_at);
        assert_eq!(back, [other, global]);
    }
}

#[test]
fn a_context_can_go_with_a_fence_on_a_ring_of_its_own() {
    for mut rig in held() {
        let first = rig.send_in(1, &submit(&[]), Fence::Ring(0, 1));
        let destroy = rig.begin(1, &Command::CtxDestroy, Fence::Ring(0, 2));

        assert_eq!(order(&mut rig, 2), [first, destroy]);
        assert_eq!(rig.device.in_flight(), 0);
    }
}

#[test]
fn the_next_context_of_an_id_has_timelines_of_its_own() {
    for mut rig in held() {
        rig.begin(1, &submit(&[]), Fence::Ring(0, 9));
        rig.send_in(1, &Command::CtxDestroy, Fence::None);
        rig.begin(1, &crate::rig::ctx_create(), Fence::None);
        rig.wait_for(3);

        let sent = rig.begin(1, &submit(&[]), Fence::Ring(0, 1));
        rig.wait_for_fences(2);
        rig.linger();
        assert_eq!(rig.answered(), []);
        rig.journal.pass_fences(ring_of(1, 0));

        assert_eq!(order(&mut rig, 1), [sent]);
    }
}

#[test]
fn a_million_fences_on_ten_thousand_timelines_leave_nothing() {
    let mut limits = virtio_gpu::Limits::default();
    limits.turn_micros = 60_000_000;
    let mut rig = Rig3d::with(Placement::Inline, 1, limits);
    for context in 1..=160 {
        assert_eq!(rig.create_context(context), OK);
    }
    // A tenth of them in a debug build, which is too slow for all.
    let fences: u64 = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    for first in (0..fences).step_by(50) {
        for fence in first..first + 50 {
            let context = 1 + (fence % 160) as u32;
            let ring = ((fence / 160) % 64) as u8;
            rig.send_in(context, &submit(&[]), Fence::Ring(ring, fence));
        }
        rig.tell();
        assert_eq!(rig.answered().len(), 50);
        if first % 10_000 == 0 {
            rig.journal.take_calls();
        }
    }

    assert_eq!(rig.device.in_flight(), 0);
    assert_eq!(rig.device.backend().awaited_jobs(), 0);
    assert!(!rig.device.backend().is_rendering());
}

#[test]
fn fences_held_on_many_timelines_are_all_returned() {
    for mut rig in held() {
        for context in 3..=8 {
            assert_eq!(rig.create_context(context), OK);
        }
        for context in 1..=8 {
            for ring in [0, 1, 31, 63] {
                rig.send_in(context, &submit(&[]), Fence::Ring(ring, 1));
            }
        }
        rig.tell();
        rig.linger();
        assert_eq!(rig.answered(), []);
        assert_eq!(rig.device.in_flight(), 32);

        rig.journal.release_fences();

        rig.wait_for(32);
        assert_eq!(rig.device.in_flight(), 0);
    }
}
