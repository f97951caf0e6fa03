//! Device reset while the renderer is at work, and the next driver.

use std::time::Instant;

use gpu_renderer::testing::{Call, Method};
use gpu_renderer::{ContextId as RendererContext, RenderError, ResourceId as RendererResource};
use virtio_gpu::Progress;
use virtio_gpu::testing::Driver;

use crate::rig::{FEATURES_3D, Fence, Placement, Rig3d, flush, submit};
use crate::support::{FEATURES, IMAGE, OK, gradient, rect};

/// The next driver binds to the device.
pub fn rebind(rig: &mut Rig3d) {
    rig.driver = Driver::new(rig.memory.clone());
    rig.start(FEATURES | FEATURES_3D);
}

fn fill(rig: &mut Rig3d) {
    rig.painted(1, 8, 8, 1);
    assert_eq!(rig.attach(1, &[(IMAGE, 256)]), OK);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    rig.image(2, 8, 8, gradient);
    assert_eq!(rig.attach_to(1, 2), OK);
    assert_eq!(rig.call_in(1, &submit(&[])), OK);
    rig.rest();
}

#[test]
fn reset_leaves_nothing_in_tracker_and_renderer() {
    for mut rig in Rig3d::each() {
        fill(&mut rig);

        rig.device.reset();
        rig.rest();

        let backend = rig.device.backend();
        let resources = backend.resources();
        assert!(resources.is_empty() && backend.contexts().is_empty());
        assert_eq!((resources.host_bytes(), resources.renderer_bytes()), (0, 0));
        assert_eq!(backend.awaited_jobs(), 0);
        assert!(rig.device.display().surfaces.is_empty());
        assert_eq!(rig.journal.resources(), []);
        assert_eq!(rig.journal.contexts(), []);
        assert_eq!(rig.journal.backed(), []);
    }
}

#[test]
fn the_next_driver_uses_the_same_ids_while_the_renderer_is_still_at_the_old_ones() {
    let mut rig = Rig3d::new(Placement::Thread);
    fill(&mut rig);
    rig.records();
    rig.journal.pause();
    for id in 0..5 {
        rig.send_in(1, &submit(&[]), Fence::Global(id));
    }
    rig.begin(0, &flush(1, rect(0, 0, 8, 8)), Fence::Ring(0, 9));

    rig.device.reset();
    rebind(&mut rig);
    rig.send_in(1, &crate::rig::ctx_create(), Fence::None);
    let create = virtio_gpu::protocol::Command::ResourceCreate3d(crate::rig::picture(1, 4, 4));
    rig.begin(0, &create, Fence::None);
    rig.journal.resume();
    let answers = rig.wait_for(2);
    rig.rest();

    assert!(answers.iter().all(|answer| answer.outcome() == OK));
    assert_eq!(rig.journal.contexts(), [RendererContext(1)]);
    assert_eq!(rig.journal.resources(), [RendererResource(1)]);
    assert_eq!(rig.journal.args(RendererResource(1)).unwrap().width, 4);
    let backend = rig.device.backend();
    assert_eq!(backend.resources().len(), 1);
    assert_eq!(backend.resources().renderer_bytes(), 64);
    assert_eq!(rig.frames(), [], "nothing of before is shown");
}

#[test]
fn a_failure_of_before_takes_nothing_of_the_next_driver_s_along() {
    let mut rig = Rig3d::new(Placement::Thread);
    rig.journal.pause();
    let refused = RenderError::Refused {
        call: "planned",
        code: 5,
    };
    let create = virtio_gpu::protocol::Command::ResourceCreate3d(crate::rig::picture(1, 4, 4));
    for method in [Method::CreateContext, Method::CreateResource] {
        rig.journal.fail_next(method, refused.clone());
    }
    rig.send_in(1, &crate::rig::ctx_create(), Fence::None);
    rig.begin(0, &create, Fence::None);

    rig.device.reset();
    rebind(&mut rig);
    rig.send_in(1, &crate::rig::ctx_create(), Fence::None);
    rig.begin(0, &create, Fence::None);
    rig.journal.resume();
    let answers = rig.wait_for(2);
    rig.rest();

    assert!(answers.iter().all(|answer| answer.outcome() == OK));
    let backend = rig.device.backend();
    assert_eq!(backend.contexts().len(), 1);
    assert_eq!(backend.resources().len(), 1);
    assert_eq!(rig.journal.contexts(), [RendererContext(1)]);
}

#[test]
fn fences_of_before_are_nobody_s() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        rig.begin(1, &submit(&[]), Fence::Global(1));
        rig.begin(1, &submit(&[]), Fence::Ring(0, 2));

        rig.device.reset();
        assert_eq!(rig.device.in_flight(), 0);
        rebind(&mut rig);
        rig.journal.release_fences();
        rig.linger();

        assert_eq!(rig.answered(), []);
        assert_eq!(rig.create_context(1), OK);
        let (header, outcome) = rig.answer_to(1, &submit(&[]), Fence::Ring(0, 1)).decode();
        assert_eq!((outcome, header.fence_id), (OK, 1));
    }
}

#[test]
fn the_renderer_starts_over_between_the_old_and_the_new() {
    for mut rig in Rig3d::each() {
        fill(&mut rig);
        rig.journal.take_calls();

        rig.device.reset();
        rebind(&mut rig);
        assert_eq!(rig.create_context(1), OK);

        let calls = rig.journal.take_calls();
        let reset = calls.iter().position(|call| *call == Call::Reset);
        let created = calls
            .iter()
            .position(|call| matches!(call, Call::CreateContext { .. }));
        assert!(reset.is_some() && reset < created, "{calls:?}");
    }
}

#[test]
fn a_full_queue_is_forgotten() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.hold_fences();
        for id in 0..100 {
            rig.send_in(1, &submit(&[]), Fence::Global(id));
        }
        rig.tell();
        rig.linger();

        rig.device.reset();
        rebind(&mut rig);
        rig.journal.release_fences();

        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.answered(), []);
    }
}

#[test]
fn reset_ends_the_way_to_rest() {
    let mut rig = Rig3d::new(Placement::Thread);
    fill(&mut rig);
    rig.journal.pause();
    rig.begin(1, &submit(&[]), Fence::None);
    assert_eq!(
        rig.device.quiesce(Instant::now()).progress,
        Progress::Pending
    );

    rig.device.reset();
    rebind(&mut rig);
    rig.journal.resume();

    assert_eq!(rig.create_context(1), OK);
    fill_again(&mut rig);
}

/// All of it works for the next driver.
fn fill_again(rig: &mut Rig3d) {
    assert_eq!(rig.destroy_context(1), OK);
    rig.rest();
    fill(rig);
    assert_eq!(rig.frames().pop().unwrap().1, [1; 64]);
}

#[test]
fn a_hundred_drivers_leave_nothing() {
    for mut rig in Rig3d::each() {
        for _ in 0..100 {
            fill(&mut rig);
            for id in 0..10 {
                rig.send_in(1, &submit(&[]), Fence::Global(id));
            }
            rig.tell();
            rig.device.reset();
            rebind(&mut rig);
            rig.rest();
        }
        assert_eq!(rig.device.backend().awaited_jobs(), 0);
        assert_eq!(rig.device.in_flight(), 0);
        assert!(!rig.device.backend().is_rendering());
        assert_eq!(rig.journal.resources(), []);
    }
}
