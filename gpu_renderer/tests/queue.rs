//! The rules of the render queue, inline and in a thread.
#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::Arc;
use std::time::Duration;

use fixtures::rig::{GLOBAL, Rig, on_ring, refused, sleep, submit};
use fixtures::{CONTEXT, RESOURCE, backing, buffer, bytes, texture, transfer};
use gpu_buffer::Rect;
use gpu_renderer::testing::{Call, Method, Order};
use gpu_renderer::{
    CapsetId, ContextArgs, ContextId, Direction, ReadBack, RenderError, ResourceId, Timeline,
    Upload, When, Work,
};

/// Long enough to see that something does not happen.
const A_WHILE: Duration = Duration::from_millis(30);

/// Runs each test on both placements.
macro_rules! in_both_placements {
    ($($(#[$meta:meta])* fn $name:ident(mut $rig:ident: Rig) $body:block)*) => {
        mod inline {
            use super::*;
            $($(#[$meta])* #[test] fn $name() { let mut $rig = Rig::inline(); $body })*
        }
        mod thread {
            use super::*;
            $($(#[$meta])* #[test] fn $name() { let mut $rig = Rig::thread(); $body })*
        }
    };
}

/// Gives the texture guest memory.
fn attach(rig: &mut Rig) {
    let resource = RESOURCE;
    let backing = backing().1;
    rig.does(Work::AttachBacking { resource, backing });
}

fn fill(colour: u32) -> Order {
    let resource = RESOURCE;
    Order::Fill { resource, colour }
}

fn read_back(rects: Vec<Rect>) -> ReadBack {
    ReadBack {
        resource: RESOURCE,
        x: 0,
        y: 0,
        rects,
        target: buffer(2, 2),
    }
}

in_both_placements! {
    fn jobs_are_carried_out_in_the_order_they_were_pushed(mut rig: Rig) {
        rig.prepare();
        let (context, resource) = (CONTEXT, RESOURCE);

        let jobs = [
            rig.push(submit(&[fill(1)])),
            rig.push(Work::DetachResource { context, resource }),
            rig.push(Work::DestroyResource { resource }),
            rig.push(Work::DestroyContext { context }),
        ];

        assert_eq!(rig.next_good(), jobs);
        let commands = vec![1, 9, 1];
        assert_eq!(rig.journal.calls(), [
            Call::Submit { context, commands },
            Call::DetachResource { context, resource },
            Call::DestroyResource { resource },
            Call::DestroyContext { context },
        ]);
    }

    fn each_job_ends_once(mut rig: Rig) {
        rig.prepare();

        rig.push(submit(&[]));
        rig.queue.push(submit(&[]), GLOBAL);
        rig.push(submit(&[Order::Fail]));
        let outstanding = rig.queue.outstanding();
        for _ in 0..3 {
            rig.next();
        }

        assert_eq!(outstanding, 3);
        assert_eq!(rig.queue.outstanding(), 0);
        assert!(rig.next_within(A_WHILE).is_none());
    }

    fn a_job_that_fails_says_why_and_harms_no_other(mut rig: Rig) {
        rig.prepare();

        let unknown = rig.push(Work::DestroyContext { context: ContextId(1) });
        let bad_stream = rig.push(submit(&[Order::Fail]));
        let good = rig.push(submit(&[]));
        let ends = [rig.next(), rig.next(), rig.next()];

        let ends = ends.map(|end| (end.job, end.result));
        assert_eq!(ends, [
            (unknown, Err(RenderError::UnknownContext(ContextId(1)))),
            (bad_stream, Err(refused())),
            (good, Ok(())),
        ]);
    }

    fn the_capability_sets_are_known_from_the_start(mut rig: Rig) {
        let ids = [0, 1].map(|index| rig.queue.capsets().by_index(index).unwrap().id);

        assert_eq!(ids, [CapsetId(1), CapsetId(2)]);
        assert_eq!(rig.queue.capsets().len(), 2);
        assert!(rig.queue.next_completion().is_none());
    }

    // Rule (a): an id is free when the renderer has let go of it.
    fn an_id_may_be_used_again_behind_its_end(mut rig: Rig) {
        rig.prepare();
        let resource = RESOURCE;

        rig.push(Work::DestroyResource { resource });
        rig.push(Work::CreateResource { resource, args: texture(1, 1) });
        rig.next_good::<2>();

        assert_eq!(rig.journal.args(RESOURCE), Some(texture(1, 1)));
    }

    // Rule (b).
    fn guest_memory_is_let_go_of_when_its_detaching_has_ended(mut rig: Rig) {
        rig.prepare();
        attach(&mut rig);

        rig.does(Work::DetachBacking { resource: RESOURCE });

        assert_eq!(rig.journal.backed(), []);
    }

    // Rule (b).
    fn guest_memory_is_let_go_of_when_the_end_of_its_resource_has_ended(mut rig: Rig) {
        rig.prepare();
        attach(&mut rig);

        rig.does(Work::DestroyResource { resource: RESOURCE });

        assert_eq!(rig.journal.backed(), []);
    }

    // Stopping: before a memory region goes.
    fn revoking_lets_go_of_all_guest_memory_and_of_nothing_else(mut rig: Rig) {
        rig.prepare();
        attach(&mut rig);
        let other = ResourceId(10);
        rig.does(Work::CreateResource { resource: other, args: texture(2, 2) });
        rig.does(Work::AttachBacking { resource: other, backing: backing().1 });

        rig.push(Work::Transfer(transfer(Direction::ToHost)));
        rig.push(Work::Revoke);
        rig.next_good::<2>();

        assert_eq!(rig.journal.backed(), []);
        assert_eq!(rig.journal.resources(), [RESOURCE, other]);
        assert_eq!(rig.journal.contexts(), [CONTEXT]);
    }

    fn a_transfer_behind_a_revocation_fails(mut rig: Rig) {
        rig.prepare();
        attach(&mut rig);

        rig.push(Work::Revoke);
        rig.push(Work::Transfer(transfer(Direction::FromHost)));
        rig.next_good::<1>();

        assert_eq!(rig.next().result, Err(RenderError::Backing(RESOURCE)));
    }

    // Rule (d).
    fn the_target_of_a_read_back_comes_back_with_the_pixels(mut rig: Rig) {
        rig.prepare();
        rig.push(submit(&[fill(0x0403_0201)]));
        let read = read_back(vec![Rect::new(1, 1, 1, 1)]);
        let lent = Arc::clone(&read.target);

        rig.push(Work::ReadBack(read));
        rig.next_good::<1>();
        let returned = rig.next().returned.unwrap();

        assert!(Arc::ptr_eq(&returned, &lent));
        let black = [0; 4];
        assert_eq!(bytes(&returned), [black, black, black, [1, 2, 3, 4]].concat());
    }

    // Rule (d).
    fn the_target_of_a_read_back_that_fails_comes_back(mut rig: Rig) {
        rig.prepare();
        let read = read_back(vec![Rect::new(2, 0, 1, 1)]);
        let lent = Arc::clone(&read.target);

        rig.push(Work::ReadBack(read));
        let end = rig.next();

        assert!(matches!(end.result, Err(RenderError::Impossible(_))));
        assert!(Arc::ptr_eq(&end.returned.unwrap(), &lent));
    }

    fn an_uploaded_picture_comes_back_when_its_fence_has_passed(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();
        let pixels = buffer(2, 2);
        pixels.memory().copy_from(&[7_u8; 16]);
        let upload = Upload { resource: RESOURCE, pixels: Arc::clone(&pixels) };

        rig.queue.push(Work::Upload(upload), GLOBAL);
        let early = rig.next_within(A_WHILE);
        rig.journal.release_fences();
        let end = rig.next();

        assert!(early.is_none());
        assert!(Arc::ptr_eq(&end.returned.unwrap(), &pixels));
        assert_eq!(rig.journal.pixels(RESOURCE), Some(vec![7; 16]));
    }

    // Rule (f).
    fn sixty_four_jobs_are_as_many_as_may_wait(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();

        for _ in 0..63 {
            rig.queue.push(submit(&[]), GLOBAL);
        }
        let after_63 = rig.queue.has_room();
        rig.queue.push(submit(&[]), GLOBAL);
        let after_64 = rig.queue.has_room();
        rig.journal.release_fences();
        rig.next();

        assert_eq!((after_63, after_64), (true, false));
        assert!(rig.queue.has_room());
    }

    // Rule (f).
    fn thirty_two_mebibytes_are_as_much_as_may_wait(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();
        let mebibytes = |count: usize| Work::Submit {
            context: CONTEXT,
            commands: vec![2; count << 18],
        };

        rig.queue.push(mebibytes(16), GLOBAL);
        rig.queue.push(mebibytes(15), GLOBAL);
        // They begin with a command that fails, so they end at once.
        let after_31 = rig.queue.has_room();
        rig.queue.push(mebibytes(1), GLOBAL);
        let after_32 = rig.queue.has_room();
        rig.next();

        assert_eq!((after_31, after_32), (true, false));
        assert!(rig.queue.has_room());
    }

    fn a_push_beyond_the_room_is_carried_out_all_the_same(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();

        let jobs: Vec<_> = (0..65).map(|_| rig.queue.push(submit(&[]), GLOBAL)).collect();
        rig.journal.release_fences();
        let ends: Vec<_> = (0..65).map(|_| rig.next().job).collect();

        assert_eq!(ends, jobs);
    }

    fn a_fenced_job_ends_when_its_fence_has_passed(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();

        let fenced = rig.queue.push(submit(&[fill(3)]), GLOBAL);
        let taken = rig.push(submit(&[]));
        let first = rig.next_good();
        let early = rig.next_within(A_WHILE);
        rig.journal.release_fences();

        assert_eq!(first, [taken]);
        assert!(early.is_none());
        assert_eq!(rig.next_good(), [fenced]);
    }

    fn a_fence_is_made_right_behind_its_job(mut rig: Rig) {
        rig.prepare();

        rig.queue.push(submit(&[]), GLOBAL);
        rig.push(submit(&[]));
        rig.queue.push(submit(&[]), on_ring(3));
        rig.next_good::<3>();

        let ring = Timeline::Context { context: CONTEXT, ring: 3 };
        assert_eq!(rig.fences(), [(Timeline::Global, 1), (ring, 3)]);
    }

    fn timelines_do_not_wait_for_each_other(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();

        let global = rig.queue.push(submit(&[]), GLOBAL);
        let first = rig.queue.push(submit(&[]), on_ring(0));
        let second = rig.queue.push(submit(&[]), on_ring(63));
        // A taken one behind them: they have been taken, too.
        rig.does(submit(&[]));
        let timeline = Timeline::Context { context: CONTEXT, ring: 63 };
        rig.journal.pass_fences(timeline);
        let of_ring_63 = rig.next_good();
        let early = rig.next_within(A_WHILE);
        rig.journal.pass_fences(Timeline::Global);
        let of_global = rig.next_good();
        rig.journal.release_fences();

        assert_eq!((of_ring_63, of_global), ([second], [global]));
        assert!(early.is_none());
        assert_eq!(rig.next_good(), [first]);
    }

    // Rule (g).
    fn the_jobs_of_a_timeline_end_in_their_order(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();

        let on_global = [(); 3].map(|()| rig.queue.push(submit(&[]), GLOBAL));
        rig.does(submit(&[]));
        rig.journal.pass_fences(Timeline::Global);
        let later = rig.queue.push(submit(&[]), GLOBAL);
        let first = rig.next_good();
        rig.journal.release_fences();

        assert_eq!(first, on_global);
        assert_eq!(rig.next_good(), [later]);
    }

    // Hostile row H09.
    fn a_fenced_job_that_fails_ends_at_once(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();

        let waits = rig.queue.push(submit(&[]), GLOBAL);
        let fails = rig.queue.push(submit(&[Order::Fail]), GLOBAL);
        let failed = rig.next();
        rig.journal.release_fences();

        assert_eq!((failed.job, failed.result), (fails, Err(refused())));
        assert_eq!(rig.next_good(), [waits]);
    }

    fn a_job_whose_fence_cannot_be_had_fails(mut rig: Rig) {
        rig.prepare();
        rig.journal.fail_next(Method::CreateFence, refused());

        let job = rig.queue.push(submit(&[fill(1)]), GLOBAL);
        let end = rig.next();

        assert_eq!((end.job, end.result), (job, Err(refused())));
        rig.queue.push(submit(&[]), GLOBAL);
        rig.next_good::<1>();
    }

    // Hostile row H17.
    fn what_waits_on_a_context_ends_with_it(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();
        let context = CONTEXT;

        let elsewhere = rig.queue.push(submit(&[]), GLOBAL);
        let waits = rig.queue.push(submit(&[]), on_ring(5));
        let destroys = rig.push(Work::DestroyContext { context });
        let ends = rig.next_good();
        let early = rig.next_within(A_WHILE);
        rig.journal.release_fences();

        assert_eq!(ends, [waits, destroys]);
        assert!(early.is_none());
        assert_eq!(rig.next_good(), [elsewhere]);
    }

    fn the_end_of_a_context_may_be_fenced_on_a_ring_of_its_own(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();
        let context = CONTEXT;

        let waits = rig.queue.push(submit(&[]), on_ring(5));
        let destroys = rig.queue.push(Work::DestroyContext { context }, on_ring(5));

        assert_eq!(rig.next_good(), [waits, destroys]);
    }

    fn a_new_context_of_the_same_id_inherits_no_fence(mut rig: Rig) {
        rig.prepare();
        let context = CONTEXT;
        let args = ContextArgs::default();
        rig.journal.hold_fences();
        rig.queue.push(submit(&[]), on_ring(0));
        rig.push(Work::DestroyContext { context });
        rig.push(Work::CreateContext { context, args });
        rig.next_good::<3>();

        let job = rig.queue.push(submit(&[]), on_ring(0));
        let early = rig.next_within(A_WHILE);
        rig.journal.release_fences();

        assert!(early.is_none());
        assert_eq!(rig.next_good(), [job]);
    }

    fn a_reset_ends_all_that_waits_and_then_itself(mut rig: Rig) {
        rig.prepare();
        attach(&mut rig);
        rig.journal.hold_fences();

        let waits = rig.queue.push(submit(&[]), GLOBAL);
        let reset = rig.push(Work::Reset);

        assert_eq!(rig.next_good(), [waits, reset]);
        assert_eq!(rig.journal.contexts(), []);
        assert_eq!(rig.journal.resources(), []);
        assert_eq!(rig.journal.backed(), []);
    }

    fn fences_work_again_after_a_reset(mut rig: Rig) {
        rig.prepare();
        rig.journal.hold_fences();
        rig.queue.push(submit(&[]), GLOBAL);
        rig.push(Work::Reset);
        rig.next_good::<2>();
        rig.prepare();

        let job = rig.queue.push(submit(&[]), GLOBAL);
        let early = rig.next_within(A_WHILE);
        rig.journal.release_fences();

        assert!(early.is_none());
        assert_eq!(rig.next_good(), [job]);
    }

    fn a_renderer_is_polled_only_while_fences_are_pending(mut rig: Rig) {
        rig.prepare();
        rig.does(submit(&[]));
        assert!(rig.next_within(A_WHILE).is_none());
        let without_fences = rig.journal.polls();

        rig.queue.push(submit(&[]), GLOBAL);
        rig.next_good::<1>();
        let with_a_fence = rig.journal.polls();
        assert!(rig.next_within(A_WHILE).is_none());

        assert_eq!(without_fences, 0);
        assert!(with_a_fence > 0);
        assert_eq!(rig.journal.polls(), with_a_fence);
    }

    fn nothing_is_due_while_no_job_is_outstanding(mut rig: Rig) {
        rig.prepare();
        rig.queue.push(sleep(1), GLOBAL);
        rig.next_good::<1>();
        assert!(rig.queue.next_completion().is_none());

        assert_eq!(rig.queue.deadline(), None);
        assert!(!rig.is_readable());
    }

    fn the_end_of_the_queue_is_the_end_of_the_renderer(mut rig: Rig) {
        rig.prepare();
        attach(&mut rig);
        let Rig { queue, journal } = rig;

        drop(queue);

        assert_eq!(journal.backed(), []);
        assert_eq!(journal.resources(), []);
    }
}

/// Rule (e).
#[test]
fn inline_a_job_has_ended_in_the_turn_that_pushed_it() {
    let mut rig = Rig::inline();
    let (context, args) = (CONTEXT, ContextArgs::default());
    let before = std::time::Instant::now();

    let job = rig.push(Work::CreateContext { context, args });
    let due = rig.queue.deadline().unwrap();
    let end = rig.queue.next_completion().unwrap();

    assert!(due >= before && due <= std::time::Instant::now());
    assert_eq!((end.job, end.result), (job, Ok(())));
    assert!(rig.queue.next_completion().is_none());
    assert_eq!(rig.queue.deadline(), None);
}

#[test]
fn inline_a_pending_fence_is_asked_for_when_the_deadline_is_due() {
    let mut rig = Rig::inline();
    rig.prepare();
    rig.journal.hold_fences();

    let job = rig.queue.push(submit(&[]), GLOBAL);
    assert!(rig.queue.next_completion().is_none());
    let due = rig.queue.deadline().unwrap();
    rig.journal.release_fences();

    let from_now = due.saturating_duration_since(std::time::Instant::now());
    assert!(from_now <= Duration::from_millis(1));
    assert_eq!(rig.next_good(), [job]);
}

#[test]
fn inline_nobody_is_called_back_from_within_a_push() {
    let mut rig = Rig::inline();
    rig.prepare();

    rig.push(submit(&[]));
    rig.queue.push(submit(&[]), When::Taken);

    assert_eq!(rig.queue.outstanding(), 2);
}
