//! CTX_CREATE, CTX_DESTROY, and which context may use which resource.

use gpu_renderer::testing::Call;
use gpu_renderer::{CapsetId, ContextId as RendererContext, ResourceId as RendererResource};
use virtio_gpu::Limits;
use virtio_gpu::protocol::Command;

use crate::rig::{
    BAD_CONTEXT, BAD_PARAMETER, BAD_RESOURCE, OUT_OF_MEMORY, Placement, Rig3d, UNSPEC, whole,
};
use crate::support::{IMAGE, OK};

const BOTH: [u32; 2] = [1, 2];

fn limited(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn a_context_is_there_from_its_creation_to_its_destruction() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(7), OK);
        assert_eq!(rig.journal.contexts(), [RendererContext(7)]);
        assert_eq!(rig.device.backend().contexts().len(), 1);

        assert_eq!(rig.destroy_context(7), OK);
        assert_eq!(rig.journal.contexts(), []);
        assert!(rig.device.backend().contexts().is_empty());
    }
}

#[test]
fn the_ids_0_and_used_ones_are_refused() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(0), BAD_CONTEXT);
        assert_eq!(rig.create_context(u32::MAX), OK);
        assert_eq!(rig.create_context(u32::MAX), BAD_CONTEXT);

        assert_eq!(rig.device.backend().contexts().len(), 1);
    }
}

#[test]
fn an_unknown_context_cannot_be_destroyed_and_none_twice() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);

        assert_eq!(rig.destroy_context(0), BAD_CONTEXT);
        assert_eq!(rig.destroy_context(2), BAD_CONTEXT);
        assert_eq!(rig.destroy_context(1), OK);
        assert_eq!(rig.destroy_context(1), BAD_CONTEXT);
    }
}

#[test]
fn a_context_s_id_can_be_used_again() {
    for mut rig in Rig3d::each() {
        for _ in 0..3 {
            assert_eq!(rig.create_context(1), OK);
            assert_eq!(rig.destroy_context(1), OK);
        }
    }
}

#[test]
fn the_renderer_is_told_the_name_and_the_kind() {
    let mut rig = Rig3d::new(Placement::Inline);
    let kinds = [(0, None), (1, Some(CapsetId(1))), (2, Some(CapsetId(2)))];

    for (context, (context_init, capset)) in (1..).zip(kinds) {
        rig.journal.take_calls();
        let name = b"glxgears";
        let create = Command::CtxCreate { name, context_init };
        assert_eq!(rig.call_in(context, &create), OK);
        let expected = Call::CreateContext {
            context: RendererContext(context),
            name: name.to_vec(),
            capset,
        };
        assert_eq!(rig.journal.take_calls(), [expected]);
    }
}

#[test]
fn a_kind_that_is_no_capability_set_is_refused() {
    let mut rig = Rig3d::new(Placement::Inline);

    for context_init in [3, 4, 63, 255, 0x100, 0x101, 0x8000_0001, u32::MAX] {
        let create = Command::CtxCreate {
            name: b"",
            context_init,
        };
        assert_eq!(
            rig.call_in(1, &create),
            BAD_PARAMETER,
            "kind {context_init:#x}"
        );
    }
    assert!(rig.device.backend().contexts().is_empty());
}

#[test]
fn contexts_end_at_their_limit_and_one_that_goes_makes_room() {
    for mut rig in Rig3d::each_with(1, &limited(|limits| limits.contexts = 3)) {
        for context in 1..=3 {
            assert_eq!(rig.create_context(context), OK);
        }
        assert_eq!(rig.create_context(4), OUT_OF_MEMORY);
        assert_eq!(rig.create_context(3), BAD_CONTEXT, "the id comes first");

        assert_eq!(rig.destroy_context(2), OK);
        assert_eq!(rig.create_context(4), OK);
        assert_eq!(rig.create_context(5), OUT_OF_MEMORY);
    }
}

#[test]
fn a_context_that_was_refused_does_not_count() {
    for mut rig in Rig3d::each_with(1, &limited(|limits| limits.contexts = 1)) {
        let bad = Command::CtxCreate {
            name: b"",
            context_init: 9,
        };
        assert_eq!(rig.call_in(1, &bad), BAD_PARAMETER);

        assert_eq!(rig.create_context(1), OK);
    }
}

#[test]
fn attaching_tells_unknown_contexts_and_unknown_resources_apart() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(5, 4, 4), OK);

        for context in [0, 2, u32::MAX] {
            assert_eq!(rig.attach_to(context, 5), BAD_CONTEXT);
            assert_eq!(rig.detach_from(context, 5), BAD_CONTEXT);
        }
        for id in [0, 6, u32::MAX] {
            assert_eq!(rig.attach_to(1, id), BAD_RESOURCE);
            assert_eq!(rig.detach_from(1, id), BAD_RESOURCE);
        }
    }
}

#[test]
fn attached_twice_is_attached_once() {
    for mut rig in Rig3d::each() {
        let context = RendererContext(1);
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(5, 4, 4), OK);
        assert_eq!(rig.attach_to(1, 5), OK);
        assert_eq!(rig.attach_to(1, 5), OK);
        assert_eq!(
            rig.journal.attached(context),
            Some(vec![RendererResource(5)])
        );

        assert_eq!(rig.detach_from(1, 5), OK);

        assert_eq!(rig.journal.attached(context), Some(vec![]));
    }
}

#[test]
fn what_is_not_attached_can_be_detached() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(5, 4, 4), OK);

        assert_eq!(rig.detach_from(1, 5), OK);
    }
}

#[test]
fn each_context_has_resources_of_its_own() {
    for mut rig in Rig3d::each() {
        for context in BOTH {
            assert_eq!(rig.create_context(context), OK);
        }
        assert_eq!(rig.create_3d(5, 4, 4), OK);
        assert_eq!(rig.attach(5, &[(IMAGE, 64)]), OK);
        assert_eq!(rig.attach_to(1, 5), OK);
        let transfer = Command::TransferToHost3d(whole(5, 4, 4));

        assert_eq!(rig.call_in(1, &transfer), OK);
        assert_eq!(rig.call_in(2, &transfer), UNSPEC);

        assert_eq!(rig.detach_from(1, 5), OK);
        assert_eq!(rig.call_in(1, &transfer), UNSPEC);
    }
}

#[test]
fn attachments_end_at_their_limit() {
    for mut rig in Rig3d::each_with(1, &limited(|limits| limits.attachments = 3)) {
        for context in BOTH {
            assert_eq!(rig.create_context(context), OK);
            assert_eq!(rig.create_3d(4 + context, 4, 4), OK);
        }
        for (context, id) in [(1, 5), (1, 6), (2, 5)] {
            assert_eq!(rig.attach_to(context, id), OK);
        }

        assert_eq!(rig.attach_to(2, 6), OUT_OF_MEMORY);
        assert_eq!(rig.attach_to(2, 5), OK, "it is attached already");

        assert_eq!(rig.detach_from(1, 6), OK);
        assert_eq!(rig.attach_to(2, 6), OK);
    }
}

#[test]
fn whatever_ends_an_attachment_makes_room_for_another() {
    let limits = limited(|limits| limits.attachments = 2);
    for mut rig in Rig3d::each_with(1, &limits) {
        for round in 0..20 {
            for context in BOTH {
                assert_eq!(rig.create_context(context), OK);
            }
            // One 2D resource, one of the renderer's.
            assert_eq!(rig.create(5, 4, 4), OK);
            assert_eq!(rig.create_3d(6, 4, 4), OK);
            assert_eq!(rig.attach_to(1, 5), OK);
            assert_eq!(rig.attach_to(2, 6), OK);
            assert_eq!(rig.attach_to(1, 6), OUT_OF_MEMORY, "round {round}");
            if round % 2 == 0 {
                assert_eq!(rig.unref(5), OK);
                assert_eq!(rig.destroy_context(2), OK);
                assert_eq!(rig.attach_to(1, 6), OK);
                assert_eq!(rig.destroy_context(1), OK);
                assert_eq!(rig.unref(6), OK);
            } else {
                assert_eq!(rig.destroy_context(1), OK);
                assert_eq!(rig.unref(6), OK);
                assert_eq!(rig.attach_to(2, 5), OK);
                assert_eq!(rig.unref(5), OK);
                assert_eq!(rig.destroy_context(2), OK);
            }
        }
    }
}

#[test]
fn a_context_with_resources_goes_and_they_stay() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(5, 4, 4), OK);
        assert_eq!(rig.attach_to(1, 5), OK);

        assert_eq!(rig.destroy_context(1), OK);

        assert_eq!(rig.journal.resources(), [RendererResource(5)]);
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(
            rig.journal.attached(RendererContext(1)),
            Some(vec![]),
            "the new context has nothing of the one before"
        );
    }
}

#[test]
fn a_resource_that_goes_leaves_all_contexts() {
    for mut rig in Rig3d::each() {
        for context in 1..=64 {
            assert_eq!(rig.create_context(context), OK);
        }
        assert_eq!(rig.create_3d(5, 4, 4), OK);
        for context in 1..=64 {
            assert_eq!(rig.attach_to(context, 5), OK);
        }

        assert_eq!(rig.unref(5), OK);

        for context in 1..=64 {
            let context = RendererContext(context);
            assert_eq!(rig.journal.attached(context), Some(vec![]));
        }
        // The next of that id is none of their business.
        assert_eq!(rig.create_3d(5, 4, 4), OK);
        assert_eq!(rig.attach(5, &[(IMAGE, 64)]), OK);
        let transfer = Command::TransferToHost3d(whole(5, 4, 4));
        assert_eq!(rig.call_in(1, &transfer), UNSPEC);
    }
}
