//! Promotions that fail, are refused, or are overtaken by other commands.

use gpu_renderer::testing::Method;
use gpu_renderer::{ContextId as RendererContext, RenderError};
use virtio_gpu::Limits;
use virtio_gpu::protocol::{Command, ErrorCode, ResourceId, Success};

use crate::promotion::{attach, attached, bytes, gradient_words, promotions, texels};
use crate::rig::{
    Fence, OUT_OF_MEMORY, Placement, Rig3d, UNSPEC, ctx_attach, ctx_detach, submit, unref, whole,
};
use crate::support::{IMAGE, OK, create, rect};

const REFUSED: RenderError = RenderError::Refused {
    call: "planned",
    code: 5,
};

/// Each call that a promotion needs, failing.
const STEPS: [Method; 3] = [
    Method::CreateResource,
    Method::Upload,
    Method::AttachBacking,
];

#[test]
fn one_that_fails_leaves_a_2d_resource_that_works() {
    for step in STEPS {
        for mut rig in attached() {
            assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 4, 4)), OK);
            rig.journal.fail_next(step, REFUSED);

            assert_eq!(rig.call_in(1, &submit(&[])), OK, "the stream is taken");
            rig.rest();

            assert_eq!(promotions(&rig), 0, "{step:?}");
            assert_eq!(bytes(&rig), (64, 0), "{step:?}");
            assert_eq!(rig.journal.resources(), [], "{step:?}");
            assert_eq!(rig.device.backend().awaited_jobs(), 0);
            rig.records();
            assert_eq!(rig.flush(1, rect(0, 0, 4, 4)), OK);
            assert_eq!(rig.frames().pop().unwrap().1, gradient_words());
            rig.paint(IMAGE, 4, 4, |_, _| 5);
            assert_eq!(rig.transfer(1, rect(0, 0, 4, 4), 0), OK);
            assert_eq!(rig.flush(1, rect(0, 0, 4, 4)), OK);
            assert_eq!(rig.frames().pop().unwrap().1, [5; 16]);
            assert_eq!(rig.detach(1), OK);
            assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
            assert_eq!(rig.detach_from(1, 1), OK);
            assert_eq!(rig.unref(1), OK);
            assert_eq!(bytes(&rig), (0, 0), "{step:?}");
        }
    }
}

#[test]
fn one_that_failed_can_be_tried_again() {
    for step in STEPS {
        for mut rig in attached() {
            rig.journal.fail_next(step, REFUSED);
            assert_eq!(rig.call_in(1, &submit(&[])), OK);
            rig.rest();

            let transfer = Command::TransferToHost3d(whole(1, 4, 4));
            assert_eq!(rig.call_in(1, &transfer), OK, "{step:?}");

            assert_eq!(promotions(&rig), 1);
            assert_eq!(texels(&rig), gradient_words());
        }
    }
}

#[test]
fn the_renderer_s_bytes_end_at_their_limit_for_promoted_resources_too() {
    // Else a guest could make 2D resources and have them promoted, one after
    // the other, until the host has no memory left.
    let mut limits = Limits::default();
    limits.host_bytes = 64;
    limits.renderer_bytes = 128;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create_context(1), OK);
        for id in 1..=10 {
            let made = rig.create(id, 4, 4);
            if made == OUT_OF_MEMORY {
                break;
            }
            assert_eq!(rig.attach_to(1, id), OK);
            assert_eq!(rig.call_in(1, &submit(&[])), OK);
            rig.rest();
        }

        assert_eq!(bytes(&rig), (64, 128));
        assert_eq!(promotions(&rig), 2);
        assert_eq!(rig.journal.resources().len(), 2);
        // The third is a 2D resource as before.
        assert_eq!(rig.attach(3, &[(IMAGE, 64)]), OK);
        assert_eq!(rig.transfer(3, rect(0, 0, 4, 4), 0), OK);
        let transfer = Command::TransferToHost3d(whole(3, 4, 4));
        assert_eq!(rig.call_in(1, &transfer), OUT_OF_MEMORY);
        // And is promoted when there is room.
        assert_eq!(rig.unref(1), OK);
        assert_eq!(rig.call_in(1, &transfer), OK);
    }
}

/// A rig whose renderer stands still in the middle of the promotion.
fn in_the_midst() -> Rig3d {
    let mut rig = Rig3d::new(Placement::Thread);
    attach(&mut rig);
    rig.journal.pause();
    rig.begin(1, &submit(&[]), Fence::None);
    rig
}

fn outcomes(rig: &mut Rig3d, count: usize) -> Vec<Result<Success, ErrorCode>> {
    rig.journal.resume();
    let answers = rig.wait_for(count);
    let outcomes = answers.iter().map(|answer| answer.outcome()).collect();
    rig.rest();
    outcomes
}

#[test]
fn unref_in_the_midst_of_it_leaves_nothing() {
    for fails in [false, true] {
        let mut rig = in_the_midst();
        if fails {
            rig.journal.fail_next(Method::Upload, REFUSED);
        }
        rig.begin(0, &unref(1), Fence::None);
        assert_eq!(outcomes(&mut rig, 2), [OK, OK]);

        assert_eq!(bytes(&rig), (0, 0));
        assert_eq!(rig.journal.resources(), []);
        assert_eq!(rig.device.backend().awaited_jobs(), 0);
    }
}

#[test]
fn the_next_resource_of_its_id_is_not_its_end() {
    let mut rig = in_the_midst();
    rig.journal.fail_next(Method::Upload, REFUSED);
    rig.send_in(0, &unref(1), Fence::None);
    rig.begin(0, &create(1, 2, 4, 4), Fence::None);

    // CREATE_2D is answered at once, the others in their order.
    assert_eq!(outcomes(&mut rig, 3), [OK, OK, OK]);

    assert_eq!(bytes(&rig), (64, 0));
    assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
    assert_eq!(rig.transfer(1, rect(0, 0, 4, 4), 0), OK);
}

#[test]
fn detaching_its_backing_in_the_midst_of_it_is_answered_when_the_memory_is_free() {
    let mut rig = in_the_midst();
    let resource = ResourceId(1);
    rig.begin(0, &Command::ResourceDetachBacking { resource }, Fence::None);
    rig.linger();
    assert_eq!(rig.answered(), []);

    assert_eq!(outcomes(&mut rig, 2), [OK, OK]);

    assert_eq!(rig.journal.backed(), []);
    assert_eq!(rig.device.backend().resources().backing_entries(), 0);
    let transfer = Command::TransferToHost3d(whole(1, 4, 4));
    assert_eq!(rig.call_in(1, &transfer), UNSPEC);
}

#[test]
fn attaching_and_detaching_in_the_midst_of_it_end_as_they_were_asked() {
    let mut rig = in_the_midst();
    rig.send_in(1, &ctx_detach(1), Fence::None);
    rig.send_in(1, &ctx_attach(1), Fence::None);
    rig.begin(1, &ctx_detach(1), Fence::None);
    assert_eq!(outcomes(&mut rig, 4), [OK; 4]);

    assert_eq!(rig.journal.attached(RendererContext(1)), Some(vec![]));
}
