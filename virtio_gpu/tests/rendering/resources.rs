//! RESOURCE_CREATE_3D, RESOURCE_UNREF, and backing of what the renderer has.

use gpu_renderer::testing::{Call, Method, Order};
use gpu_renderer::{RenderError, ResourceId as RendererResource};
use virtio_gpu::Limits;
use virtio_gpu::protocol::{Command, ResourceCreate3d, ResourceId};

use crate::rig::{
    BAD_PARAMETER, BAD_RESOURCE, Fence, OUT_OF_MEMORY, Placement, Rig3d, UNSPEC, buffer, picture,
    unref,
};
use crate::support::{IMAGE, OK, rect};

/// What a new resource costs its guest.
fn charge(create: ResourceCreate3d) -> u64 {
    let mut rig = Rig3d::new(Placement::Inline);
    let before = rig.device.backend().resources().renderer_bytes();
    assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(create)), OK);
    rig.device.backend().resources().renderer_bytes() - before
}

#[test]
fn the_renderer_is_told_every_argument() {
    let mut rig = Rig3d::new(Placement::Inline);
    let create = ResourceCreate3d {
        resource: ResourceId(9),
        target: 3,
        format: 100,
        bind: 0x80_0001,
        width: 8,
        height: 7,
        depth: 6,
        array_size: 1,
        last_level: 2,
        samples: 1,
        flags: 1,
    };

    assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(create)), OK);

    let args = rig.journal.args(RendererResource(9)).unwrap();
    assert_eq!(
        (args.target, args.format, args.bind, args.flags),
        (3, 100, 0x80_0001, 1)
    );
    assert_eq!((args.width, args.height, args.depth), (8, 7, 6));
    assert_eq!((args.array_size, args.last_level, args.samples), (1, 2, 1));
}

#[test]
fn resources_of_2d_and_3d_share_their_ids() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(0, 4, 4), BAD_RESOURCE);
        assert_eq!(rig.create(1, 4, 4), OK);
        assert_eq!(rig.create_3d(1, 4, 4), BAD_RESOURCE);
        assert_eq!(rig.create_3d(2, 4, 4), OK);
        assert_eq!(rig.create_3d(2, 4, 4), BAD_RESOURCE);
        assert_eq!(rig.create(2, 4, 4), BAD_RESOURCE);

        assert_eq!(rig.journal.resources(), [RendererResource(2)]);
        assert_eq!(rig.device.backend().resources().len(), 2);
    }
}

#[test]
fn they_share_the_limit_on_their_number_too() {
    let mut limits = Limits::default();
    limits.resources = 2;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create(1, 4, 4), OK);
        assert_eq!(rig.create_3d(2, 4, 4), OK);
        assert_eq!(rig.create_3d(3, 4, 4), OUT_OF_MEMORY);
        assert_eq!(rig.create(3, 4, 4), OUT_OF_MEMORY);

        assert_eq!(rig.unref(1), OK);
        assert_eq!(rig.create_3d(3, 4, 4), OK);
    }
}

#[test]
fn a_resource_is_charged_what_its_texels_take() {
    // Four bytes a texel where the format is known, sixteen where it is not.
    assert_eq!(charge(picture(1, 10, 20)), 800);
    assert_eq!(charge(buffer(1, 1000)), 1000);
    let unknown = ResourceCreate3d {
        format: 100,
        ..picture(1, 10, 20)
    };
    assert_eq!(charge(unknown), 3200);
    let deep = ResourceCreate3d {
        target: 3,
        depth: 5,
        ..picture(1, 10, 20)
    };
    assert_eq!(charge(deep), 4000);
    let layered = ResourceCreate3d {
        target: 7,
        array_size: 3,
        ..picture(1, 10, 20)
    };
    assert_eq!(charge(layered), 2400);
    let sampled = ResourceCreate3d {
        samples: 4,
        ..picture(1, 10, 20)
    };
    assert_eq!(charge(sampled), 3200);
    // All smaller levels together take less than half as much again.
    let levels = ResourceCreate3d {
        last_level: 3,
        ..picture(1, 16, 16)
    };
    assert_eq!(charge(levels), 1536);
}

#[test]
fn the_renderer_s_bytes_end_at_their_limit() {
    let mut limits = Limits::default();
    limits.renderer_bytes = 4096;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create_3d(1, 32, 31), OK);
        assert_eq!(rig.create_3d(2, 33, 1), OUT_OF_MEMORY, "a texel more");
        assert_eq!(rig.create_3d(2, 32, 1), OK, "exactly");
        assert_eq!(rig.create_3d(3, 1, 1), OUT_OF_MEMORY);

        assert_eq!(rig.unref(2), OK);
        assert_eq!(rig.create_3d(3, 1, 32), OK);
        assert_eq!(rig.device.backend().resources().renderer_bytes(), 4096);
    }
}

#[test]
fn sizes_beyond_all_numbers_are_out_of_memory() {
    let mut rig = Rig3d::new(Placement::Inline);
    rig.journal.take_calls();
    let huge = u32::MAX;
    let create = ResourceCreate3d {
        target: 2,
        depth: huge,
        array_size: huge,
        samples: huge,
        last_level: huge,
        ..picture(1, huge, huge)
    };

    assert_eq!(
        rig.call_in(0, &Command::ResourceCreate3d(create)),
        OUT_OF_MEMORY
    );

    assert_eq!(rig.device.backend().resources().renderer_bytes(), 0);
    assert_eq!(rig.journal.take_calls(), []);
}

#[test]
fn what_the_renderer_refuses_is_not_there_and_costs_nothing() {
    for mut rig in Rig3d::each() {
        // A size of 0 and one that no texture has.
        assert_eq!(rig.create_3d(1, 0, 4), BAD_PARAMETER);
        assert_eq!(rig.create_3d(1, 20_000, 1), OUT_OF_MEMORY);

        let resources = rig.device.backend().resources();
        assert!(resources.is_empty());
        assert_eq!(resources.renderer_bytes(), 0);
        assert_eq!(rig.unref(1), BAD_RESOURCE);
        assert_eq!(rig.create_3d(1, 4, 4), OK, "the id is free");
    }
}

#[test]
fn unref_takes_a_resource_from_tracker_and_renderer() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);

        assert_eq!(rig.unref(1), OK);

        assert_eq!(rig.journal.resources(), []);
        let resources = rig.device.backend().resources();
        assert!(resources.is_empty());
        assert_eq!(
            (resources.renderer_bytes(), resources.backing_entries()),
            (0, 0)
        );
        assert_eq!(rig.unref(1), BAD_RESOURCE);
    }
}

/// Sends a command to a renderer that stands still, and sees that it is not
/// answered before the renderer has done what it says.
fn is_answered_when_done(command: &Command<'_>, is_done: impl Fn(&Rig3d) -> bool) {
    let mut rig = Rig3d::new(Placement::Thread);
    assert_eq!(rig.create_3d(1, 4, 4), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
    rig.journal.pause();
    let sent = rig.begin(0, command, Fence::None);
    rig.linger();
    assert_eq!(rig.answered(), [], "the renderer still has the memory");
    assert!(!is_done(&rig));

    rig.journal.resume();

    let answer = rig.wait_for(1).remove(0);
    assert_eq!((answer.sent, answer.outcome()), (sent, OK));
    assert!(is_done(&rig));
}

#[test]
fn unref_is_answered_when_the_renderer_has_let_the_memory_go() {
    is_answered_when_done(&unref(1), |rig| rig.journal.resources().is_empty());
}

#[test]
fn detach_is_answered_when_the_renderer_has_let_the_memory_go() {
    let resource = ResourceId(1);
    is_answered_when_done(&Command::ResourceDetachBacking { resource }, |rig| {
        rig.journal.backed().is_empty()
    });
}

#[test]
fn a_renderer_resource_has_one_backing_at_a_time() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        assert_eq!(rig.detach(1), UNSPEC);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), UNSPEC);
        assert_eq!(rig.journal.backed(), [RendererResource(1)]);

        assert_eq!(rig.detach(1), OK);
        assert_eq!(rig.journal.backed(), []);
        assert_eq!(rig.detach(1), UNSPEC);
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
    }
}

#[test]
fn a_buffer_has_backing_as_a_picture_has() {
    for mut rig in Rig3d::each() {
        assert_eq!(
            rig.call_in(0, &Command::ResourceCreate3d(buffer(1, 100))),
            OK
        );

        assert_eq!(rig.attach(1, &[(IMAGE, 50), (IMAGE + 4096, 50)]), OK);

        assert_eq!(rig.device.backend().resources().backing_entries(), 2);
        let attached = Call::AttachBacking {
            resource: RendererResource(1),
            bytes: 100,
        };
        assert_eq!(rig.journal.calls().last(), Some(&attached));
    }
}

#[test]
fn an_id_can_be_used_again_in_the_batch_that_gave_it_up() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        rig.journal.take_calls();

        rig.send_in(0, &unref(1), Fence::None);
        let again = Command::ResourceCreate3d(picture(1, 8, 8));
        rig.send_in(0, &again, Fence::None);
        rig.begin(0, &unref(1), Fence::None);
        let answers = rig.wait_for(3);

        assert!(answers.iter().all(|answer| answer.outcome() == OK));
        let resource = RendererResource(1);
        let calls = rig.journal.take_calls();
        assert!(matches!(calls[0], Call::DestroyResource { .. }));
        assert!(matches!(calls[1], Call::CreateResource { args, .. } if args.width == 8));
        assert_eq!(calls[2], Call::DestroyResource { resource });
        assert!(rig.device.backend().resources().is_empty());
    }
}

#[test]
fn an_id_goes_over_from_3d_to_2d_and_back() {
    for mut rig in Rig3d::each() {
        for _ in 0..3 {
            assert_eq!(rig.create_3d(1, 4, 4), OK);
            assert_eq!(rig.unref(1), OK);
            rig.image(1, 4, 4, |_, _| 7);
            assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 4, 4)), OK);
            assert_eq!(rig.unref(1), OK);
        }
        let resources = rig.device.backend().resources();
        assert_eq!((resources.host_bytes(), resources.renderer_bytes()), (0, 0));
    }
}

#[test]
fn a_thousand_lives_of_a_resource_leave_nothing() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        for round in 0..1000 {
            assert_eq!(rig.create_3d(1, 4, 4), OK);
            assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
            assert_eq!(rig.attach_to(1, 1), OK);
            if round % 3 == 0 {
                rig.journal
                    .fail_next(Method::Submit, RenderError::Impossible("planned"));
                assert_eq!(rig.submit(1, &[Order::Fail]), BAD_PARAMETER);
            }
            assert_eq!(rig.unref(1), OK);
        }

        let backend = rig.device.backend();
        assert_eq!(backend.resources().renderer_bytes(), 0);
        assert_eq!(backend.resources().backing_entries(), 0);
        assert_eq!(rig.device.in_flight(), 0);
        assert_eq!(rig.journal.resources(), []);
        assert_eq!(backend.awaited_jobs(), 0);
    }
}
