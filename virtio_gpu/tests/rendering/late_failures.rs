//! What the renderer refuses after the tracker has noted it: each failure
//! undoes its own command, and nothing that came after it.

use gpu_renderer::testing::Method;
use gpu_renderer::{ContextId as RendererContext, RenderError, ResourceId as RendererResource};
use virtio_gpu::protocol::{Command, ErrorCode, ResourceId, Success};
use virtio_gpu::testing::entry;

use crate::rig::{Fence, Rig3d, UNSPEC, ctx_attach, ctx_create, ctx_detach, picture, unref, whole};
use crate::support::{IMAGE, OK, create, rect};

const REFUSED: RenderError = RenderError::Refused {
    call: "planned",
    code: 5,
};

/// What came of the commands of one batch.
fn batch(rig: &mut Rig3d, commands: &[(u32, Command<'_>)]) -> Vec<Result<Success, ErrorCode>> {
    let sent: Vec<_> = commands
        .iter()
        .map(|(context, command)| rig.send_in(*context, command, Fence::None))
        .collect();
    rig.tell();
    let answers = rig.wait_for(commands.len());
    let outcome = |sent| {
        let answer = answers.iter().find(|answer| answer.sent == sent);
        answer.unwrap().outcome()
    };
    sent.into_iter().map(outcome).collect()
}

fn attach_backing(entries: &[virtio_gpu::protocol::wire::MemEntry]) -> Command<'_> {
    Command::ResourceAttachBacking {
        resource: ResourceId(1),
        entries,
    }
}

const DETACH_BACKING: Command<'static> = Command::ResourceDetachBacking {
    resource: ResourceId(1),
};

#[test]
fn a_context_that_failed_does_not_take_the_next_of_its_id_along() {
    for mut rig in Rig3d::each() {
        rig.journal.fail_next(Method::CreateContext, REFUSED);

        let outcomes = batch(
            &mut rig,
            &[
                (1, ctx_create()),
                (1, Command::CtxDestroy),
                (1, ctx_create()),
            ],
        );

        assert_eq!(outcomes[0], UNSPEC);
        assert!(outcomes[1].is_err());
        assert_eq!(outcomes[2], OK);
        assert_eq!(rig.device.backend().contexts().len(), 1);
        assert_eq!(rig.journal.contexts(), [RendererContext(1)]);
    }
}

#[test]
fn a_context_that_failed_is_not_there() {
    for mut rig in Rig3d::each() {
        rig.journal.fail_next(Method::CreateContext, REFUSED);

        assert_eq!(rig.create_context(1), UNSPEC);

        assert!(rig.device.backend().contexts().is_empty());
        assert_eq!(rig.create_context(1), OK);
    }
}

#[test]
fn a_resource_that_failed_does_not_take_the_next_of_its_id_along() {
    for mut rig in Rig3d::each() {
        rig.journal.fail_next(Method::CreateResource, REFUSED);
        let create = Command::ResourceCreate3d(picture(1, 4, 4));
        let again = Command::ResourceCreate3d(picture(1, 8, 8));

        let outcomes = batch(&mut rig, &[(0, create), (0, unref(1)), (0, again)]);

        assert_eq!(outcomes[0], UNSPEC);
        assert_eq!(outcomes[2], OK);
        assert_eq!(rig.device.backend().resources().renderer_bytes(), 256);
        assert_eq!(rig.journal.resources(), [RendererResource(1)]);
    }
}

#[test]
fn a_2d_resource_that_follows_one_that_failed_stays() {
    for mut rig in Rig3d::each() {
        rig.journal.fail_next(Method::CreateResource, REFUSED);
        let create_3d = Command::ResourceCreate3d(picture(1, 4, 4));

        let outcomes = batch(
            &mut rig,
            &[(0, create_3d), (0, unref(1)), (0, create(1, 2, 4, 4))],
        );

        assert_eq!(outcomes[2], OK);
        let resources = rig.device.backend().resources();
        assert_eq!(
            (resources.host_bytes(), resources.renderer_bytes()),
            (64, 0)
        );
    }
}

#[test]
fn a_resource_that_failed_while_it_was_used_leaves_every_use() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.fail_next(Method::CreateResource, REFUSED);
        let entries = [entry(IMAGE, 64)];

        let outcomes = batch(
            &mut rig,
            &[
                (0, Command::ResourceCreate3d(picture(1, 4, 4))),
                (0, attach_backing(&entries)),
                (1, ctx_attach(1)),
                (
                    0,
                    Command::SetScanout {
                        rect: rect(0, 0, 4, 4),
                        scanout: virtio_gpu::protocol::ScanoutId(0),
                        resource: Some(ResourceId(1)),
                    },
                ),
            ],
        );
        rig.rest();

        assert_eq!(outcomes[0], UNSPEC);
        assert!(outcomes[1].is_err() && outcomes[2].is_err());
        let backend = rig.device.backend();
        assert!(backend.resources().is_empty());
        assert_eq!(backend.resources().renderer_bytes(), 0);
        assert_eq!(backend.resources().backing_entries(), 0);
        assert!(backend.scanouts()[0].shown.is_none());
        assert!(rig.device.display().surfaces.is_empty());
        assert_eq!(backend.awaited_jobs(), 0);
    }
}

#[test]
fn a_backing_that_failed_is_not_there_and_another_can_be_attached() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        rig.journal.fail_next(Method::AttachBacking, REFUSED);

        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), UNSPEC);

        assert_eq!(rig.device.backend().resources().backing_entries(), 0);
        assert_eq!(rig.detach(1), UNSPEC);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
        assert_eq!(rig.journal.backed(), [RendererResource(1)]);
    }
}

#[test]
fn a_backing_that_failed_does_not_take_the_next_one_along() {
    // Else the next DETACH_BACKING would be refused, the guest would use its
    // pages for something else, and the renderer would still write to them.
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        rig.journal.fail_next(Method::AttachBacking, REFUSED);
        let entries = [entry(IMAGE, 64)];

        let outcomes = batch(
            &mut rig,
            &[
                (0, attach_backing(&entries)),
                (0, DETACH_BACKING),
                (0, attach_backing(&entries)),
            ],
        );

        assert_eq!((&outcomes[0], &outcomes[2]), (&UNSPEC, &OK));
        assert_eq!(rig.device.backend().resources().backing_entries(), 1);
        assert_eq!(rig.detach(1), OK);
        assert_eq!(rig.journal.backed(), []);
    }
}

#[test]
fn an_attachment_that_failed_is_not_there() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
        rig.journal.fail_next(Method::AttachResource, REFUSED);

        assert_eq!(rig.attach_to(1, 1), UNSPEC);

        rig.journal.take_calls();
        let transfer = Command::TransferToHost3d(whole(1, 4, 4));
        assert_eq!(rig.call_in(1, &transfer), UNSPEC);
        assert_eq!(rig.journal.take_calls(), [], "the tracker knows");
    }
}

#[test]
fn an_attachment_that_failed_does_not_take_the_next_one_along() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
        rig.journal.fail_next(Method::AttachResource, REFUSED);

        let outcomes = batch(
            &mut rig,
            &[(1, ctx_attach(1)), (1, ctx_detach(1)), (1, ctx_attach(1))],
        );

        assert_eq!((&outcomes[0], &outcomes[2]), (&UNSPEC, &OK));
        let transfer = Command::TransferToHost3d(whole(1, 4, 4));
        assert_eq!(rig.call_in(1, &transfer), OK);
    }
}

#[test]
fn failing_over_and_over_holds_nothing() {
    let mut limits = virtio_gpu::Limits::default();
    limits.attachments = 2;
    limits.total_backing_entries = 2;
    limits.renderer_bytes = 128;
    limits.contexts = 2;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        for _ in 0..50 {
            for (method, context, command) in [
                (Method::CreateContext, 2, ctx_create()),
                (
                    Method::CreateResource,
                    0,
                    Command::ResourceCreate3d(picture(2, 4, 4)),
                ),
                (Method::AttachResource, 1, ctx_attach(1)),
                (
                    Method::AttachBacking,
                    0,
                    attach_backing(&[entry(IMAGE, 64)]),
                ),
            ] {
                rig.journal.fail_next(method, REFUSED);
                assert_eq!(rig.call_in(context, &command), UNSPEC, "{method:?}");
            }
        }
        assert_eq!(rig.create_context(2), OK);
        assert_eq!(rig.create_3d(2, 4, 4), OK);
        assert_eq!(rig.attach_to(1, 1), OK);
        assert_eq!(rig.attach_to(2, 1), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 32), (IMAGE + 64, 32)]), OK);
    }
}
