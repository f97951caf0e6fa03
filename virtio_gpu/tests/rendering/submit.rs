//! SUBMIT_3D: streams, and what is no stream.

use gpu_renderer::ContextId as RendererContext;
use gpu_renderer::testing::{Call, Method, Order};
use gpu_renderer::{RenderError, ResourceId as RendererResource};
use virtio_gpu::Limits;
use virtio_gpu::protocol::ErrorCode;

use crate::rig::{
    BAD_CONTEXT, BAD_PARAMETER, CONTROL, Fence, Placement, Rig3d, UNSPEC, request, stream, submit,
};
use crate::support::OK;

#[test]
fn the_renderer_gets_the_words_of_the_stream() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(3), OK);
        rig.journal.take_calls();
        let bytes = [3, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];

        assert_eq!(rig.call_in(3, &submit(&bytes)), OK);

        let expected = Call::Submit {
            context: RendererContext(3),
            commands: vec![3, 1, 3, 0],
        };
        assert_eq!(rig.journal.take_calls(), [expected]);
    }
}

#[test]
fn an_empty_stream_is_one() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.call_in(1, &submit(&[])), OK);
    }
}

#[test]
fn a_stream_is_whole_words() {
    let mut rig = Rig3d::new(Placement::Inline);
    assert_eq!(rig.create_context(1), OK);
    rig.journal.take_calls();

    for length in [1, 2, 3, 5, 1023] {
        let bytes = vec![0; length];
        assert_eq!(rig.call_in(1, &submit(&bytes)), BAD_PARAMETER);
    }
    assert_eq!(rig.journal.take_calls(), []);
}

#[test]
fn an_unknown_context_takes_no_stream() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        for context in [0, 2, u32::MAX] {
            assert_eq!(rig.call_in(context, &submit(&[])), BAD_CONTEXT);
        }
        assert_eq!(rig.destroy_context(1), OK);
        assert_eq!(rig.call_in(1, &submit(&[])), BAD_CONTEXT);
    }
}

#[test]
fn a_stream_ends_at_its_limit() {
    let mut limits = Limits::default();
    limits.submit_bytes = 1 << 20;
    for mut rig in Rig3d::each_with(1, &limits) {
        assert_eq!(rig.create_context(1), OK);
        let sleeps = |bytes: usize| [3_u32, 0].repeat(bytes / 8);
        let bytes =
            |words: Vec<u32>| -> Vec<u8> { words.into_iter().flat_map(u32::to_le_bytes).collect() };

        let most = bytes(sleeps(1 << 20));
        assert_eq!(rig.call_in(1, &submit(&most)), OK);

        let too_long = bytes(sleeps((1 << 20) + 8));
        let refused = rig.call_in(1, &submit(&too_long));
        let codes = [ErrorCode::OutOfMemory, ErrorCode::InvalidParameter];
        assert!(codes.map(Err).contains(&refused), "{refused:?}");
    }
}

#[test]
fn a_stream_that_promises_more_than_there_is_is_refused() {
    let mut rig = Rig3d::new(Placement::Inline);
    assert_eq!(rig.create_context(1), OK);
    rig.journal.take_calls();
    for promised in [9_u32, 16, 1 << 20, u32::MAX - 3, u32::MAX] {
        let mut bytes = request(1, &submit(&[0; 8]), Fence::Global(4));
        bytes[24..28].copy_from_slice(&promised.to_le_bytes());

        let answer = rig.call_bytes(CONTROL, &bytes, 24).remove(0);

        let (header, outcome) = answer.decode();
        assert_eq!((outcome, header.fence_id), (BAD_PARAMETER, 4));
    }
    assert_eq!(rig.journal.take_calls(), []);
}

#[test]
fn a_failing_stream_is_reported_and_returns_its_fence() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        let failing = stream(&[Order::Fail]);
        let unknown = [0xff; 8];

        for fence in [Fence::Global(1 << 40), Fence::Ring(5, 1 << 40)] {
            for (bytes, expected) in [(&failing[..], UNSPEC), (&unknown[..], BAD_PARAMETER)] {
                let (header, outcome) = rig.answer_to(1, &submit(bytes), fence).decode();
                assert_eq!(outcome, expected);
                assert_eq!(header.fence_id, 1 << 40);
                assert_eq!(header.flags.bits() & 1, 1, "FENCE");
            }
        }
        assert_eq!(rig.call_in(1, &submit(&[])), OK, "the context lives on");
    }
}

#[test]
fn a_fence_that_cannot_be_made_is_returned_with_an_error() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        let refused = RenderError::Refused {
            call: "planned",
            code: 1,
        };
        rig.journal.fail_next(Method::CreateFence, refused);

        let (header, outcome) = rig.answer_to(1, &submit(&[]), Fence::Global(3)).decode();

        assert_eq!((outcome, header.fence_id), (UNSPEC, 3));
        let (header, outcome) = rig.answer_to(1, &submit(&[]), Fence::Global(4)).decode();
        assert_eq!((outcome, header.fence_id), (OK, 4));
    }
}

#[test]
fn what_a_context_may_not_use_its_streams_cannot_draw_to() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_context(1), OK);
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        let fill = Order::Fill {
            resource: RendererResource(1),
            colour: 9,
        };

        assert!(rig.submit(1, &[fill]).is_err());
        assert_eq!(rig.texel(1), 0);

        assert_eq!(rig.attach_to(1, 1), OK);
        assert_eq!(rig.submit(1, &[fill]), OK);
        assert_eq!(rig.texel(1), 9);
    }
}

#[test]
fn streams_of_two_contexts_are_carried_out_in_the_order_of_the_queue() {
    for mut rig in Rig3d::each() {
        for context in [1, 2] {
            assert_eq!(rig.create_context(context), OK);
        }
        assert_eq!(rig.create_3d(1, 4, 4), OK);
        for context in [1, 2] {
            assert_eq!(rig.attach_to(context, 1), OK);
        }
        for colour in 1..=20 {
            let fill = Order::Fill {
                resource: RendererResource(1),
                colour,
            };
            let context = 1 + colour % 2;
            rig.send_in(context, &submit(&stream(&[fill])), Fence::None);
        }
        rig.tell();

        rig.wait_for(20);

        assert_eq!(rig.texel(1), 20);
    }
}
