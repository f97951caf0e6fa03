//! Pictures that cannot be shared, or that the display does not take: copies
//! are shown at once, and no frame is lost.

use std::time::Instant;

use gpu_display::Event;
use gpu_renderer::RenderError;
use gpu_renderer::testing::{Call, Method};

use crate::resets::rebind;
use crate::rig::{Placement, Rig3d};
use crate::scanouts::newest;
use crate::shared::{each, on_screen, shares};
use crate::support::recorder::DmaBufs;
use crate::support::{OK, Record, rect};

const REFUSED: RenderError = RenderError::Refused {
    call: "planned",
    code: 5,
};

/// How often the renderer was asked to share, and to read, since the last
/// time.
fn calls(rig: &Rig3d) -> (usize, usize) {
    let calls = rig.journal.take_calls();
    let count = |is: fn(&&Call) -> bool| calls.iter().filter(is).count();
    (
        count(|call| matches!(call, Call::Share { .. })),
        count(|call| matches!(call, Call::ReadBack { .. })),
    )
}

fn refusing(scanouts: u32) -> [Rig3d; 2] {
    each(scanouts).map(|mut rig| {
        rig.device.display_mut().dma_bufs = DmaBufs::Refused;
        rig
    })
}

#[test]
fn a_display_that_refuses_gets_a_copy_of_the_same_frame() {
    for mut rig in refusing(1) {
        rig.painted(1, 8, 8, 3);
        rig.journal.take_calls();

        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);

        assert_eq!(newest(&mut rig), (vec![rect(0, 0, 8, 8)], vec![3; 64]));
        assert_eq!(calls(&rig), (1, 1));
        let done = rig.device.backend().render_statistics();
        assert_eq!((done.shared_frames, done.reads), (0, 1));
    }
}

#[test]
fn after_that_no_picture_of_the_format_is_offered() {
    for mut rig in refusing(1) {
        rig.painted(1, 8, 8, 1);
        rig.painted(2, 8, 8, 2);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        rig.journal.take_calls();

        for id in [2, 1, 2] {
            assert_eq!(rig.set_scanout(0, id, rect(0, 0, 8, 8)), OK);
            assert_eq!(newest(&mut rig).1, [id; 64]);
        }

        assert_eq!(calls(&rig), (0, 3));
    }
}

#[test]
fn flushes_go_on_with_copies_of_what_changed() {
    for mut rig in refusing(1) {
        rig.painted(1, 8, 8, 1);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        rig.records();
        rig.fill(1, 1, 2);
        rig.journal.take_calls();

        assert_eq!(rig.flush(1, rect(2, 3, 4, 2)), OK);

        assert_eq!(newest(&mut rig).0, [rect(2, 3, 4, 2)]);
        assert_eq!(rig.reads(), [[rect(2, 3, 4, 2)]]);
    }
}

#[test]
fn one_that_refuses_later_gets_a_copy_of_that_frame_on_every_scanout() {
    for mut rig in each(2) {
        rig.painted(1, 8, 8, 1);
        for scanout in 0..2 {
            assert_eq!(rig.set_scanout(scanout, 1, rect(0, 0, 8, 8)), OK);
        }
        rig.rest();
        assert_eq!(rig.shared_frames().len(), 2);
        rig.device.display_mut().dma_bufs = DmaBufs::Refused;
        rig.fill(1, 1, 2);

        assert_eq!(rig.flush(1, rect(0, 0, 1, 1)), OK);
        rig.rest();

        let frames = rig.frames();
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|(_, pixels)| pixels == &[2; 64]));
        // Nothing is kept that is of no use.
        let held = rig.device.display_mut().held.take().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
    }
}

#[test]
fn a_display_that_became_another_is_offered_pictures_again() {
    for mut rig in refusing(1) {
        rig.painted(1, 8, 8, 1);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        rig.painted(2, 8, 8, 2);
        let surface = rig.device.display().only_surface();
        let display = rig.device.display_mut();
        display.dma_bufs = DmaBufs::Taken;
        display.events.push_back(Event::Redraw { surface });
        let _ = rig.device.dispatch_display(Instant::now());
        rig.rest();
        rig.records();

        assert_eq!(rig.set_scanout(0, 2, rect(0, 0, 8, 8)), OK);
        rig.rest();

        assert_eq!(rig.shared_frames().pop().unwrap().1, [2; 64]);
    }
}

#[test]
fn a_reset_device_offers_pictures_again() {
    for mut rig in refusing(1) {
        rig.painted(1, 8, 8, 1);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        rig.device.reset();
        rebind(&mut rig);
        rig.rest();
        rig.device.display_mut().dma_bufs = DmaBufs::Taken;
        rig.records();

        rig.painted(1, 8, 8, 4);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();

        assert_eq!(rig.shared_frames().pop().unwrap().1, [4; 64]);
    }
}

#[test]
fn a_picture_that_cannot_be_shared_is_copied_and_others_are_shared() {
    for mut rig in each(1) {
        rig.painted(1, 8, 8, 1);
        rig.painted(2, 8, 8, 2);
        rig.journal.fail_next(Method::Share, REFUSED);

        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        assert_eq!(newest(&mut rig).1, [1; 64]);
        assert_eq!(rig.set_scanout(0, 2, rect(0, 0, 8, 8)), OK);
        rig.rest();
        assert_eq!(rig.shared_frames().pop().unwrap().1, [2; 64]);

        // It is not asked for again.
        rig.journal.take_calls();
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        assert_eq!(newest(&mut rig).1, [1; 64]);
        assert_eq!(calls(&rig).0, 0);
    }
}

#[test]
fn a_flush_that_waits_while_sharing_fails_is_answered_and_shown() {
    let mut rig = Rig3d::sharing(Placement::Thread, 1);
    rig.painted(1, 8, 8, 1);
    rig.journal.fail_next(Method::Share, REFUSED);
    rig.journal.pause();
    rig.begin(
        0,
        &virtio_gpu::protocol::Command::SetScanout {
            rect: rect(0, 0, 8, 8),
            scanout: virtio_gpu::protocol::ScanoutId(0),
            resource: virtio_gpu::protocol::ResourceId::or_none(1),
        },
        crate::rig::Fence::None,
    );
    rig.begin(
        0,
        &crate::rig::flush(1, rect(0, 0, 8, 8)),
        crate::rig::Fence::None,
    );

    rig.journal.resume();

    let answers = rig.wait_for(2);
    assert!(answers.iter().all(|answer| answer.outcome() == OK));
    assert_eq!(newest(&mut rig).1, [1; 64]);
}

#[test]
fn another_failure_of_the_display_is_no_refusal() {
    for mut rig in on_screen(1) {
        rig.device.display_mut().fails_to_present = true;
        rig.fill(1, 1, 2);
        assert_eq!(rig.flush(1, rect(0, 0, 1, 1)), OK);
        rig.rest();
        rig.device.display_mut().fails_to_present = false;

        assert_eq!(rig.flush(1, rect(7, 7, 1, 1)), OK);
        rig.rest();

        let frames = rig.shared_frames();
        let mut damage = frames.iter().flat_map(|(damage, _)| damage);
        let failed = rect(0, 0, 1, 1);
        assert!(damage.any(|part| part.contains(&failed)), "shown now");
        assert_eq!(shares(&rig), [] as [u32; 0]);
    }
}

#[test]
fn a_renderer_that_does_not_share_is_not_asked() {
    for mut rig in Rig3d::each() {
        rig.device.display_mut().dma_bufs = DmaBufs::Taken;
        rig.painted(1, 8, 8, 1);
        rig.journal.take_calls();

        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();

        assert_eq!(calls(&rig), (0, 1));
        let shared = |record: &Record| matches!(record, Record::PresentedShared { .. });
        assert!(!rig.records().iter().any(shared));
    }
}

#[test]
fn a_promotion_that_fails_shows_our_pixels_again() {
    for mut rig in each(1) {
        assert_eq!(rig.create_context(1), OK);
        rig.image(1, 8, 8, |_, _| 7);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        assert_eq!(rig.attach_to(1, 1), OK);
        rig.journal.fail_next(Method::CreateResource, REFUSED);
        rig.records();

        assert_eq!(rig.submit(1, &[]), OK);
        rig.rest();
        assert_eq!(rig.flush(1, rect(0, 0, 8, 8)), OK);

        assert_eq!(rig.frames().pop().unwrap().1, [7; 64]);
        assert_eq!(rig.device.backend().awaited_jobs(), 0);
    }
}
