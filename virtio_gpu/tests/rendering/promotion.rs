//! 2D resources that become the renderer's, because a context that they are
//! attached to uses them.

use gpu_renderer::testing::{Call, Method};
use gpu_renderer::{ContextId as RendererContext, ResourceId as RendererResource};
use virtio_gpu::Limits;
use virtio_gpu::protocol::Command;

use crate::rig::{Fence, Placement, Rig3d, submit, whole};
use crate::support::{IMAGE, OK, create, gradient, rect};

/// Context 1, and a 2D resource 1 of 4x4 with the gradient, attached to it.
pub fn attached() -> [Rig3d; 2] {
    Rig3d::each().map(|mut rig| {
        attach(&mut rig);
        rig
    })
}

pub fn attach(rig: &mut Rig3d) {
    assert_eq!(rig.create_context(1), OK);
    rig.image(1, 4, 4, gradient);
    assert_eq!(rig.attach_to(1, 1), OK);
    rig.journal.take_calls();
}

pub fn promotions(rig: &Rig3d) -> u64 {
    rig.device.backend().render_statistics().promotions
}

pub fn bytes(rig: &Rig3d) -> (u64, u64) {
    let resources = rig.device.backend().resources();
    (resources.host_bytes(), resources.renderer_bytes())
}

/// What the renderer has of resource 1, as words.
pub fn texels(rig: &Rig3d) -> Vec<u32> {
    let bytes = rig.journal.pixels(RendererResource(1)).unwrap();
    let words = bytes.as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

pub fn gradient_words() -> Vec<u32> {
    let places = (0..4).flat_map(|y| (0..4).map(move |x| (x, y)));
    places.map(|(x, y)| gradient(x, y)).collect()
}

/// The names of the renderer's methods that were called.
fn called(rig: &Rig3d) -> Vec<Method> {
    let calls = rig.journal.take_calls();
    calls.iter().filter_map(Call::method).collect()
}

#[test]
fn attaching_promotes_nothing() {
    // Linux attaches every framebuffer that a program makes.
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        rig.journal.take_calls();
        for id in 1..=16 {
            rig.image(id, 4, 4, gradient);
            assert_eq!(rig.attach_to(1, id), OK);
            assert_eq!(rig.set_scanout(0, id, rect(0, 0, 4, 4)), OK);
            assert_eq!(rig.flush(id, rect(0, 0, 4, 4)), OK);
        }

        assert_eq!(rig.journal.take_calls(), []);
        assert_eq!(promotions(&rig), 0);
    }
}

#[test]
fn the_first_stream_of_its_context_promotes_a_resource_with_all_it_has() {
    for mut rig in attached() {
        assert_eq!(rig.call_in(1, &submit(&[])), OK);

        assert_eq!(promotions(&rig), 1);
        assert_eq!(texels(&rig), gradient_words());
        assert_eq!(rig.journal.backed(), [RendererResource(1)]);
        assert_eq!(
            rig.journal.attached(RendererContext(1)),
            Some(vec![RendererResource(1)])
        );
        assert_eq!(
            called(&rig),
            [
                Method::CreateResource,
                Method::Upload,
                Method::AttachBacking,
                Method::AttachResource,
                Method::Submit,
            ]
        );
    }
}

#[test]
fn what_it_becomes_is_a_flat_texture_with_the_first_row_on_top() {
    for (format, width) in [(1, 4), (2, 5), (67, 6), (134, 7)] {
        let mut rig = Rig3d::new(Placement::Inline);
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.call(create(1, format, width, 3)), OK);
        assert_eq!(rig.attach_to(1, 1), OK);

        assert_eq!(rig.call_in(1, &submit(&[])), OK);

        let args = rig.journal.args(RendererResource(1)).unwrap();
        assert_eq!((args.target, args.format), (2, format));
        assert_eq!((args.width, args.height), (width, 3));
        assert_eq!((args.depth, args.array_size), (1, 1));
        assert_eq!((args.last_level, args.samples, args.flags), (0, 0, 1));
    }
}

#[test]
fn a_second_stream_finds_it_promoted() {
    for mut rig in attached() {
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        rig.journal.take_calls();

        assert_eq!(rig.call_in(1, &submit(&[])), OK);

        assert_eq!(called(&rig), [Method::Submit]);
        assert_eq!(promotions(&rig), 1);
    }
}

#[test]
fn a_stream_of_another_context_promotes_nothing() {
    for mut rig in attached() {
        assert_eq!(rig.create_context(2), OK);
        assert_eq!(rig.call_in(2, &submit(&[])), OK);

        assert_eq!(promotions(&rig), 0);
    }
}

#[test]
fn a_3d_transfer_promotes_what_it_is_about() {
    for mut rig in attached() {
        rig.image_at(IMAGE + 4096, 2, 4, 4, gradient);
        assert_eq!(rig.attach_to(1, 2), OK);

        let transfer = Command::TransferToHost3d(whole(1, 4, 4));
        assert_eq!(rig.call_in(1, &transfer), OK);

        assert_eq!(promotions(&rig), 1);
        assert_eq!(rig.journal.resources(), [RendererResource(1)]);
    }
}

#[test]
fn what_was_never_drawn_has_nothing_to_upload() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create(1, 4, 4), OK);
        assert_eq!(rig.attach_to(1, 1), OK);
        rig.journal.take_calls();

        assert_eq!(rig.call_in(1, &submit(&[])), OK);

        assert_eq!(
            called(&rig),
            [
                Method::CreateResource,
                Method::AttachResource,
                Method::Submit
            ]
        );
        // What comes later goes where it is.
        assert_eq!(rig.attach(1, &[(IMAGE, 64)]), OK);
        assert_eq!(rig.journal.backed(), [RendererResource(1)]);
    }
}

#[test]
fn every_context_that_it_is_attached_to_can_use_it() {
    for mut rig in attached() {
        assert_eq!(rig.create_context(2), OK);
        assert_eq!(rig.attach_to(2, 1), OK);
        assert_eq!(rig.call_in(1, &submit(&[])), OK);

        rig.fill(2, 1, 0xabcdef);

        assert_eq!(rig.texel(1), 0xabcdef);
        assert_eq!(promotions(&rig), 1);
    }
}

#[test]
fn what_was_detached_before_is_not_promoted() {
    for mut rig in attached() {
        assert_eq!(rig.detach_from(1, 1), OK);
        assert_eq!(rig.call_in(1, &submit(&[])), OK);

        assert_eq!(promotions(&rig), 0);
        assert_eq!(called(&rig), [Method::Submit]);
    }
}

#[test]
fn what_is_attached_later_is_promoted_by_the_next_stream() {
    for mut rig in attached() {
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        rig.image_at(IMAGE + 4096, 2, 4, 4, gradient);
        assert_eq!(rig.attach_to(1, 2), OK);
        assert_eq!(promotions(&rig), 1);

        rig.fill(1, 2, 3);

        assert_eq!(promotions(&rig), 2);
        assert_eq!(rig.texel(2), 3);
    }
}

#[test]
fn a_list_of_attachments_ends_with_its_context_and_with_its_resource() {
    for mut rig in attached() {
        // The context of that id is another now; so is the resource.
        assert_eq!(rig.destroy_context(1), OK);
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        assert_eq!(promotions(&rig), 0);

        assert_eq!(rig.attach_to(1, 1), OK);
        assert_eq!(rig.unref(1), OK);
        rig.image(1, 4, 4, gradient);
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        assert_eq!(promotions(&rig), 0);
    }
}

#[test]
fn afterwards_2d_transfers_go_to_the_renderer() {
    for mut rig in attached() {
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        rig.paint(IMAGE, 4, 4, |_, _| 0x33);
        rig.journal.take_calls();

        assert_eq!(rig.transfer(1, rect(0, 0, 4, 2), 0), OK);

        assert_eq!(called(&rig), [Method::Transfer]);
        assert_eq!(texels(&rig)[..8], [0x33; 8]);
        assert_eq!(texels(&rig)[8..], gradient_words()[8..]);
    }
}

#[test]
fn afterwards_it_is_charged_where_it_is() {
    for mut rig in attached() {
        assert_eq!(bytes(&rig), (64, 0));
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        rig.rest();
        assert_eq!(bytes(&rig), (0, 64));

        assert_eq!(rig.unref(1), OK);
        assert_eq!(bytes(&rig), (0, 0));
    }
}

#[test]
fn a_promoted_screen_goes_on_showing_what_it_showed() {
    for mut rig in attached() {
        assert_eq!(rig.set_scanout(0, 1, rect(1, 1, 2, 2)), OK);
        rig.records();

        assert_eq!(rig.call_in(1, &submit(&[])), OK);
        rig.rest();

        let shown = [(1, 1), (2, 1), (1, 2), (2, 2)].map(|(x, y)| gradient(x, y));
        for (_, pixels) in rig.frames() {
            assert_eq!(pixels, shown);
        }
        // What is drawn now by either side is shown.
        rig.paint(IMAGE, 4, 4, |_, _| 0x44);
        assert_eq!(rig.transfer(1, rect(0, 0, 4, 4), 0), OK);
        assert_eq!(rig.flush(1, rect(0, 0, 4, 4)), OK);
        rig.rest();
        assert_eq!(rig.frames().pop().unwrap().1, [0x44; 4]);
        rig.fill(1, 1, 0x55);
        assert_eq!(rig.flush(1, rect(0, 0, 4, 4)), OK);
        rig.rest();
        assert_eq!(rig.frames().pop().unwrap().1, [0x55; 4]);
    }
}

#[test]
fn a_screen_can_be_set_in_the_batch_that_promotes_it() {
    for mut rig in attached() {
        let set = Command::SetScanout {
            rect: rect(0, 0, 4, 4),
            scanout: virtio_gpu::protocol::ScanoutId(0),
            resource: Some(virtio_gpu::protocol::ResourceId(1)),
        };
        rig.send_in(1, &submit(&[]), Fence::None);
        rig.begin(0, &set, Fence::None);

        let answers = rig.wait_for(2);
        rig.rest();

        assert!(answers.iter().all(|answer| answer.outcome() == OK));
        assert_eq!(rig.frames().pop().unwrap().1, gradient_words());
    }
}

#[test]
fn a_long_2d_transfer_before_it_is_in_the_picture_that_is_promoted() {
    let mut limits = Limits::default();
    limits.transfer_step_bytes = 16;
    limits.turn_commands = 2;
    for mut rig in Rig3d::each_with(1, &limits) {
        attach(&mut rig);
        rig.paint(IMAGE, 4, 4, |x, y| 7 + x + y);
        let transfer = Command::TransferToHost2d {
            rect: rect(0, 0, 4, 4),
            offset: 0,
            resource: virtio_gpu::protocol::ResourceId(1),
        };
        rig.send_in(0, &transfer, Fence::None);
        rig.send_in(1, &submit(&[]), Fence::None);
        rig.tell();
        rig.wait_for(2);

        assert_eq!(texels(&rig)[0], 7);
        assert_eq!(texels(&rig)[15], 13);
    }
}
