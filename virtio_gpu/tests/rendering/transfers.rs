//! TRANSFER_TO_HOST_3D, TRANSFER_FROM_HOST_3D, and TRANSFER_TO_HOST_2D of what
//! the renderer has.

use gpu_renderer::testing::Call;
use gpu_renderer::{
    Box3 as RendererBox, ContextId as RendererContext, Direction, ResourceId as RendererResource,
    Transfer,
};
use virtio_gpu::protocol::{Box3, Command, ResourceId, Transfer3d};
use vm_memory::{Bytes, GuestAddress};

use crate::rig::{
    BAD_CONTEXT, BAD_PARAMETER, BAD_RESOURCE, Fence, Placement, Rig3d, UNSPEC, buffer, picture,
    unref, whole,
};
use crate::support::{IMAGE, OK, gradient, rect};

/// A picture of the renderer's with backing at [`IMAGE`], attached to context
/// 1.
fn with_picture(rig: &mut Rig3d, width: u32, height: u32) {
    assert_eq!(rig.create_context(1), OK);
    assert_eq!(rig.create_3d(1, width, height), OK);
    assert_eq!(rig.attach(1, &[(IMAGE, width * height * 4)]), OK);
    assert_eq!(rig.attach_to(1, 1), OK);
}

fn guest_words(rig: &Rig3d, count: usize) -> Vec<u32> {
    let mut bytes = vec![0; 4 * count];
    rig.memory
        .read_slice(&mut bytes, GuestAddress(IMAGE))
        .unwrap();
    let words = bytes.as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

fn renderer_words(rig: &Rig3d) -> Vec<u32> {
    let bytes = rig.journal.pixels(RendererResource(1)).unwrap();
    let words = bytes.as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

#[test]
fn to_host_and_from_host_copy_pixels_both_ways() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 2);
        rig.paint(IMAGE, 4, 2, gradient);
        let painted = guest_words(&rig, 8);

        let to_host = Command::TransferToHost3d(whole(1, 4, 2));
        assert_eq!(rig.call_in(1, &to_host), OK);
        assert_eq!(renderer_words(&rig), painted);

        rig.fill(1, 1, 0x11_2233);
        let from_host = Command::TransferFromHost3d(whole(1, 4, 2));
        assert_eq!(rig.call_in(1, &from_host), OK);
        assert_eq!(guest_words(&rig, 8), [0x11_2233; 8]);
    }
}

#[test]
fn the_renderer_is_told_every_argument() {
    let mut rig = Rig3d::new(Placement::Inline);
    with_picture(&mut rig, 8, 8);
    rig.journal.take_calls();
    let transfer = Transfer3d {
        region: Box3 {
            x: 1,
            y: 2,
            z: 0,
            width: 3,
            height: 4,
            depth: 1,
        },
        offset: 16,
        resource: ResourceId(1),
        level: 0,
        stride: 40,
        layer_stride: 99,
    };
    let region = RendererBox {
        x: 1,
        y: 2,
        z: 0,
        width: 3,
        height: 4,
        depth: 1,
    };

    assert_eq!(rig.call_in(1, &Command::TransferFromHost3d(transfer)), OK);

    let expected = Transfer {
        direction: Direction::FromHost,
        context: Some(RendererContext(1)),
        resource: RendererResource(1),
        level: 0,
        stride: 40,
        layer_stride: 99,
        region,
        offset: 16,
    };
    assert_eq!(rig.journal.take_calls(), [Call::Transfer(expected)]);
}

#[test]
fn context_0_is_no_context() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        rig.journal.take_calls();

        assert_eq!(
            rig.call_in(0, &Command::TransferToHost3d(whole(1, 4, 4))),
            OK
        );

        let calls = rig.journal.take_calls();
        assert!(
            matches!(&calls[..], [Call::Transfer(transfer)] if transfer.context.is_none()),
            "{calls:?}"
        );
    }
}

#[test]
fn each_thing_that_is_missing_has_its_own_error() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        assert_eq!(rig.create_context(2), OK);
        assert_eq!(rig.create_3d(3, 4, 4), OK);
        assert_eq!(rig.attach_to(1, 3), OK);
        rig.journal.take_calls();

        for to_host in [Command::TransferToHost3d, Command::TransferFromHost3d] {
            let of = |id| to_host(whole(id, 4, 4));
            assert_eq!(rig.call_in(9, &of(1)), BAD_CONTEXT);
            assert_eq!(rig.call_in(9, &of(8)), BAD_CONTEXT);
            assert_eq!(rig.call_in(1, &of(8)), BAD_RESOURCE);
            assert_eq!(rig.call_in(0, &of(0)), BAD_RESOURCE);
            assert_eq!(rig.call_in(2, &of(1)), UNSPEC, "not attached");
            assert_eq!(rig.call_in(1, &of(3)), UNSPEC, "no backing");
        }
        assert_eq!(rig.journal.take_calls(), [], "the renderer is not asked");
    }
}

#[test]
fn regions_outside_are_refused_and_copy_nothing() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        let region = |x, y, z, width, height, depth| Box3 {
            x,
            y,
            z,
            width,
            height,
            depth,
        };
        let huge = u32::MAX;

        for region in [
            region(1, 0, 0, 4, 4, 1),
            region(0, 1, 0, 4, 4, 1),
            region(0, 0, 1, 4, 4, 1),
            region(huge, 0, 0, 2, 1, 1),
            region(0, huge, 0, 1, 2, 1),
            region(0, 0, huge, 1, 1, 2),
            region(0, 0, 0, huge, huge, huge),
            region(0, 0, 0, 4, 4, 0),
        ] {
            let transfer = Transfer3d {
                region,
                ..whole(1, 4, 4)
            };
            let command = Command::TransferToHost3d(transfer);
            assert_eq!(rig.call_in(1, &command), BAD_PARAMETER, "{region:?}");
        }
        let level = Transfer3d {
            level: 1,
            ..whole(1, 4, 4)
        };
        assert_eq!(
            rig.call_in(1, &Command::TransferToHost3d(level)),
            BAD_PARAMETER
        );
    }
}

#[test]
fn offsets_past_the_backing_are_refused() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);

        for offset in [4, 64, 1 << 32, u64::MAX - 3, u64::MAX] {
            let transfer = Transfer3d {
                offset,
                ..whole(1, 4, 4)
            };
            for command in [
                Command::TransferToHost3d(transfer),
                Command::TransferFromHost3d(transfer),
            ] {
                assert!(rig.call_in(1, &command).is_err(), "offset {offset:#x}");
            }
        }
    }
}

#[test]
fn a_2d_transfer_of_a_renderer_s_picture_takes_the_guest_s_rows() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        rig.paint(IMAGE, 4, 4, gradient);

        // As Linux says it: where the rectangle's first pixel is.
        assert_eq!(rig.transfer(1, rect(1, 2, 2, 2), (2 * 4 + 1) * 4), OK);

        let words = renderer_words(&rig);
        for (place, word) in (0..).zip(words) {
            let (x, y) = (place % 4, place / 4);
            let inside = (1..3).contains(&x) && (2..4).contains(&y);
            let expected = if inside { gradient(x, y) } else { 0 };
            assert_eq!(word, expected, "pixel {x}, {y}");
        }
    }
}

#[test]
fn a_2d_transfer_keeps_its_own_rules() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        assert_eq!(
            rig.call_in(0, &Command::ResourceCreate3d(buffer(2, 64))),
            OK
        );
        assert_eq!(rig.attach(2, &[(IMAGE, 64)]), OK);
        rig.journal.take_calls();

        assert_eq!(rig.transfer(1, rect(0, 0, 5, 4), 0), BAD_PARAMETER);
        assert_eq!(rig.transfer(1, rect(0, 0, 4, 4), 4), BAD_PARAMETER);
        assert_eq!(rig.transfer(1, rect(0, 0, 0, 0), 0), OK);
        assert_eq!(
            rig.transfer(2, rect(0, 0, 4, 4), 0),
            BAD_PARAMETER,
            "a buffer is no picture"
        );
        assert_eq!(rig.journal.take_calls(), []);
    }
}

#[test]
fn what_is_no_flat_picture_is_transferred_all_the_same() {
    for mut rig in Rig3d::each() {
        let volume = virtio_gpu::protocol::ResourceCreate3d {
            target: 3,
            depth: 4,
            ..picture(1, 4, 4)
        };
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(volume)), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 256)]), OK);
        assert_eq!(rig.attach_to(1, 1), OK);
        let transfer = Transfer3d {
            region: Box3 {
                depth: 4,
                ..whole(1, 4, 4).region
            },
            ..whole(1, 4, 4)
        };

        assert_eq!(rig.call_in(1, &Command::TransferFromHost3d(transfer)), OK);
    }
}

#[test]
fn after_detach_the_guest_s_memory_is_not_touched() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        rig.fill(1, 1, 0x55);
        assert_eq!(rig.detach(1), OK);
        let before = guest_words(&rig, 16);

        let from_host = Command::TransferFromHost3d(whole(1, 4, 4));
        assert_eq!(rig.call_in(1, &from_host), UNSPEC);

        assert_eq!(guest_words(&rig, 16), before);
    }
}

#[test]
fn unref_behind_a_transfer_lets_it_end() {
    for mut rig in Rig3d::each() {
        with_picture(&mut rig, 4, 4);
        rig.fill(1, 1, 0x77);

        let from_host = Command::TransferFromHost3d(whole(1, 4, 4));
        let transfer = rig.send_in(1, &from_host, Fence::Global(1));
        let unref = rig.begin(0, &unref(1), Fence::Global(2));
        let answers = rig.wait_for(2);

        let order: Vec<_> = answers.iter().map(|answer| answer.sent).collect();
        assert_eq!(order, [transfer, unref]);
        assert!(answers.iter().all(|answer| answer.outcome() == OK));
        assert_eq!(guest_words(&rig, 16), [0x77; 16]);
    }
}
