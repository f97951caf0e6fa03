//! Other device models ask for what the renderer has.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use gpu_renderer::testing::Method;
use gpu_renderer::{RenderError, Timeline};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use resource_bridge::{Buffer, Key, Owner, Reason, Shared, Sharing, Ticket};

use crate::rig::{Fence, Placement, Rig3d, submit};
use crate::support::{OK, PATIENCE};

/// A picture of the renderer's, and a question for it under ticket 7.
fn asked(placement: Placement) -> Rig3d {
    let mut rig = Rig3d::sharing(placement, 1);
    assert_eq!(rig.create_context(1), OK);
    rig.painted(3, 8, 4, 0x0011_2233);
    let described = rig.device.describe(Key::Id(3)).unwrap();
    let shared = rig.device.share(&described, Ticket(7));
    assert!(matches!(shared, Sharing::Later), "{shared:?}");
    rig
}

fn answer(rig: &mut Rig3d) -> (Ticket, Result<Shared, Reason>) {
    let begun = Instant::now();
    loop {
        if let Some(answer) = rig.device.next_shared() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "an answer comes");
        let _ = rig.device.dispatch_renderer(Instant::now());
        rig.work(Duration::from_millis(10));
    }
}

fn buffer(shared: Result<Shared, Reason>) -> Buffer {
    match shared {
        Ok(Shared::Buffer(buffer)) => buffer,
        other => panic!("{other:?}"),
    }
}

fn texels(buffer: Buffer) -> Vec<u8> {
    let plane = buffer.planes.into_iter().next().unwrap();
    let mut bytes = vec![0; 8 * 4 * 4];
    let file = File::from(plane.fd);
    file.read_exact_at(&mut bytes, plane.offset.into()).unwrap();
    bytes
}

#[test]
fn they_get_it_when_the_renderer_has_shared_it() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = asked(placement);
        let generation = rig.device.describe(Key::Id(3)).unwrap().generation;

        let (ticket, shared) = answer(&mut rig);

        assert_eq!(ticket, Ticket(7));
        let buffer = buffer(shared);
        assert_eq!((buffer.width, buffer.height), (8, 4));
        assert_eq!(buffer.generation, generation);
        assert_eq!(texels(buffer), [0x33, 0x22, 0x11, 0].repeat(32));
        assert!(rig.device.next_shared().is_none(), "it comes once");
    }
}

#[test]
fn they_get_what_they_asked_for_though_its_id_is_used_for_something_else() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = asked(placement);
        assert_eq!(rig.unref(3), OK);
        rig.painted(3, 8, 4, 0x00aa_aaaa);

        let (_, shared) = answer(&mut rig);

        assert_eq!(texels(buffer(shared)), [0x33, 0x22, 0x11, 0].repeat(32));
    }
}

#[test]
fn a_reset_answers_those_who_wait() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = asked(placement);

        rig.device.reset();

        let (ticket, buffer) = rig.device.next_shared().unwrap();
        assert_eq!(ticket, Ticket(7));
        assert!(matches!(buffer, Err(Reason::Gone)), "{buffer:?}");
        rig.work(Duration::from_millis(10));
        assert!(rig.device.next_shared().is_none(), "it comes once");
    }
}

#[test]
fn a_renderer_that_is_full_is_busy_and_not_more() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing(placement, 1);
        rig.painted(3, 8, 4, 0);
        let described = rig.device.describe(Key::Id(3)).unwrap();
        rig.journal.hold_fences();
        for id in 1..=64 {
            rig.begin(1, &submit(&[]), Fence::Global(id));
        }
        assert!(!rig.device.backend().renderer_has_room());

        let shared = rig.device.share(&described, Ticket(1));
        let fence = rig.device.fence(1, Ticket(2));

        let is_busy = |busy| matches!(busy, Some(Reason::Busy));
        assert!(is_busy(reason(&shared)), "{shared:?}");
        assert!(is_busy(reason(&fence)), "{fence:?}");
        rig.journal.release_fences();
        rig.wait_for(64);
        let shared = rig.device.share(&described, Ticket(3));
        assert!(matches!(shared, Sharing::Later), "{shared:?}");
    }
}

#[test]
fn pixels_that_the_renderer_takes_over_are_of_another_generation_if_others_have_them() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing(placement, 1);
        assert_eq!(rig.create_context(1), OK);
        for id in [3, 4] {
            assert_eq!(rig.create(id, 8, 4), OK);
            assert_eq!(rig.attach_to(1, id), OK);
        }
        let [shared, unshared] = [3, 4].map(|id| rig.device.describe(Key::Id(id)).unwrap());
        let memory = rig.device.share(&shared, Ticket(1));
        assert!(matches!(memory, Sharing::Done(Ok(_))), "{memory:?}");

        rig.fill(1, 3, 0x00aa_aaaa);

        let [now, other] = [3, 4].map(|id| rig.device.describe(Key::Id(id)).unwrap());
        assert!(now.rendered && other.rendered);
        assert!(now.generation > shared.generation);
        assert_ne!(now.generation, other.generation);
        assert_eq!(other.generation, unshared.generation);
        let stale = rig.device.share(&shared, Ticket(2));
        assert!(matches!(reason(&stale), Some(Reason::Gone)), "{stale:?}");
        assert!(matches!(rig.device.share(&now, Ticket(3)), Sharing::Later));
        let (_, again) = answer(&mut rig);
        let again = buffer(again);
        assert_eq!(again.generation, now.generation);
        assert_eq!(texels(again), [0xaa, 0xaa, 0xaa, 0].repeat(32));
    }
}

fn reason<T>(sharing: &Sharing<T>) -> Option<Reason> {
    match sharing {
        Sharing::Done(Err(reason)) => Some(*reason),
        _ => None,
    }
}

/// The file of a fence of the guest.
fn fence(rig: &mut Rig3d, seqno: u64) -> OwnedFd {
    let asked = rig.device.fence(seqno, Ticket(seqno));
    assert!(matches!(asked, Sharing::Later), "{asked:?}");
    match answer(rig) {
        (Ticket(ticket), Ok(Shared::Fence(file))) => {
            assert_eq!(ticket, seqno);
            file
        }
        other => panic!("{other:?}"),
    }
}

fn is_readable(file: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn a_fence_of_the_guest_is_a_file_that_is_readable_when_it_has_passed() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing(placement, 1);
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        rig.begin(1, &submit(&[]), Fence::Global(5));
        rig.begin(1, &submit(&[]), Fence::Ring(0, 6));
        let [global, ring] = [5, 6].map(|seqno| fence(&mut rig, seqno));
        assert!(!is_readable(&global) && !is_readable(&ring));

        rig.journal.pass_fences(Timeline::Global);

        assert!(is_readable(&global));
        assert!(!is_readable(&ring), "it is on another timeline");
        rig.journal.release_fences();
        assert!(is_readable(&ring));
    }
}

#[test]
fn a_fence_that_has_passed_is_readable_at_once_and_one_to_come_is_unknown() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing(placement, 1);
        assert_eq!(rig.create_context(1), OK);
        let unknown = rig.device.fence(0, Ticket(1));
        assert_eq!(reason(&unknown), Some(Reason::UnknownFence));
        let passed = rig.answer_to(1, &submit(&[]), Fence::Global(5));
        assert_eq!(passed.outcome(), OK);

        assert!(is_readable(&fence(&mut rig, 5)));
        assert!(is_readable(&fence(&mut rig, 4)));
        let unknown = rig.device.fence(6, Ticket(2));
        assert_eq!(reason(&unknown), Some(Reason::UnknownFence));

        rig.device.reset();
        let unknown = rig.device.fence(5, Ticket(3));
        assert_eq!(reason(&unknown), Some(Reason::UnknownFence));
    }
}

#[test]
fn a_reset_answers_those_who_wait_for_a_fence() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing(placement, 1);
        assert_eq!(rig.create_context(1), OK);
        rig.answer_to(1, &submit(&[]), Fence::Global(5));
        let asked = rig.device.fence(5, Ticket(9));
        assert!(matches!(asked, Sharing::Later), "{asked:?}");

        rig.device.reset();

        let answer = rig.device.next_shared();
        assert!(matches!(answer, Some((Ticket(9), Err(Reason::Gone)))));
    }
}

#[test]
fn a_renderer_that_exports_no_fences_and_a_device_without_one_have_none() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        rig.answer_to(1, &submit(&[]), Fence::Global(5));

        for seqno in [5, 6] {
            let none = rig.device.fence(seqno, Ticket(1));
            assert_eq!(reason(&none), Some(Reason::NoFences));
        }
    }
}

#[test]
fn a_renderer_that_fails_to_export_a_fence_is_named() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing(placement, 1);
        assert_eq!(rig.create_context(1), OK);
        rig.answer_to(1, &submit(&[]), Fence::Global(5));
        let error = RenderError::Impossible("tested");
        rig.journal.fail_next(Method::ExportFence, error);

        let asked = rig.device.fence(5, Ticket(9));

        assert!(matches!(asked, Sharing::Later), "{asked:?}");
        let failed = answer(&mut rig);
        assert!(matches!(failed, (Ticket(9), Err(Reason::RendererFailed))));
    }
}
