//! The recording renderer keeps to the contract of `Renderer`.
#![allow(clippy::unwrap_used)]

mod fixtures;

use std::sync::Arc;

use fixtures::{CONTEXT, RESOURCE, backing, buffer, bytes, texture, transfer};
use gpu_buffer::Rect;
use gpu_renderer::testing::{Call, Journal, Method, Order, Recording};
use gpu_renderer::{
    ContextArgs, ContextId, Direction, FenceId, PassedFence, ReadBack, RenderError, Renderer,
    ResourceId, Timeline, Upload,
};
use vm_memory::{Bytes, GuestAddress};

/// A context with a texture of 2x2.
fn drawing() -> (Recording, Journal) {
    let (mut recording, journal) = Recording::new();
    let args = ContextArgs::default();
    recording.create_context(CONTEXT, &args).unwrap();
    recording.create_resource(RESOURCE, &texture(2, 2)).unwrap();
    recording.attach_resource(CONTEXT, RESOURCE).unwrap();
    (recording, journal)
}

#[test]
fn a_new_texture_is_black() {
    let (_recording, journal) = drawing();

    assert_eq!(journal.pixels(RESOURCE), Some(vec![0; 16]));
}

#[test]
fn a_transfer_to_the_host_gathers_the_backing() {
    let (mut recording, journal) = drawing();
    let (guest, list) = backing();
    guest.write_slice(&[1; 8], GuestAddress(0x1000)).unwrap();
    guest.write_slice(&[2; 8], GuestAddress(0x2000)).unwrap();

    recording.attach_backing(RESOURCE, list).unwrap();
    recording.transfer(&transfer(Direction::ToHost)).unwrap();

    let expected = [[1; 8], [2; 8]].concat();
    assert_eq!(journal.pixels(RESOURCE), Some(expected));
    assert_eq!(journal.backed(), [RESOURCE]);
}

#[test]
fn a_transfer_of_a_part_obeys_offset_and_stride() {
    let (mut recording, journal) = drawing();
    let (guest, list) = backing();
    guest.write_slice(&[9; 4], GuestAddress(0x1004)).unwrap();
    guest.write_slice(&[8; 4], GuestAddress(0x2004)).unwrap();
    recording.attach_backing(RESOURCE, list).unwrap();

    let mut right_column = transfer(Direction::ToHost);
    right_column.region.x = 1;
    right_column.region.width = 1;
    right_column.offset = 4;
    right_column.stride = 8;
    recording.transfer(&right_column).unwrap();

    let expected = [[0; 4], [9; 4], [0; 4], [8; 4]].concat();
    assert_eq!(journal.pixels(RESOURCE), Some(expected));
}

#[test]
fn a_transfer_from_the_host_scatters_the_pixels() {
    let (mut recording, _journal) = drawing();
    let (guest, list) = backing();
    recording.attach_backing(RESOURCE, list).unwrap();
    let fill = Order::Fill {
        resource: RESOURCE,
        colour: 0x4433_2211,
    };
    let mut stream = Order::stream(&[fill]);
    recording.submit(CONTEXT, &mut stream).unwrap();

    recording.transfer(&transfer(Direction::FromHost)).unwrap();

    let (mut first, mut second) = ([0; 8], [0; 8]);
    guest.read_slice(&mut first, GuestAddress(0x1000)).unwrap();
    guest.read_slice(&mut second, GuestAddress(0x2000)).unwrap();
    assert_eq!(first, [0x11, 0x22, 0x33, 0x44, 0x11, 0x22, 0x33, 0x44]);
    assert_eq!(second, first);
}

#[test]
fn a_transfer_that_leaves_texture_or_backing_is_refused() {
    let (mut recording, _journal) = drawing();
    let whole = transfer(Direction::ToHost);
    let no_backing = recording.transfer(&whole);
    recording.attach_backing(RESOURCE, backing().1).unwrap();

    let mut one_byte_too_far = whole;
    one_byte_too_far.offset = 1;
    let mut too_wide = whole;
    too_wide.region.width = 3;
    let mut elsewhere = whole;
    elsewhere.context = Some(ContextId(8));

    assert_eq!(no_backing, Err(RenderError::Backing(RESOURCE)));
    assert_eq!(recording.transfer(&whole), Ok(()));
    let beyond = recording.transfer(&one_byte_too_far);
    assert_eq!(beyond, Err(RenderError::Backing(RESOURCE)));
    let outside = recording.transfer(&too_wide);
    assert!(matches!(outside, Err(RenderError::Impossible(_))));
    let unknown = recording.transfer(&elsewhere);
    assert_eq!(unknown, Err(RenderError::UnknownContext(ContextId(8))));
}

#[test]
fn a_context_reaches_only_what_is_attached_to_it() {
    let (mut recording, _journal) = drawing();
    recording.attach_backing(RESOURCE, backing().1).unwrap();
    recording.detach_resource(CONTEXT, RESOURCE).unwrap();

    let of_the_context = recording.transfer(&transfer(Direction::ToHost));
    let mut own = transfer(Direction::ToHost);
    own.context = None;

    assert!(matches!(of_the_context, Err(RenderError::Impossible(_))));
    assert_eq!(recording.transfer(&own), Ok(()));
}

#[test]
fn an_upload_and_a_read_back_copy_pixels() {
    let (mut recording, _journal) = drawing();
    let picture = buffer(2, 2);
    picture.memory().copy_from(&[1_u32, 2, 3, 4]);
    let upload = Upload {
        resource: RESOURCE,
        pixels: picture,
    };
    recording.upload(&upload).unwrap();

    let target = buffer(2, 1);
    let read = ReadBack {
        resource: RESOURCE,
        x: 0,
        y: 1,
        rects: vec![Rect::new(1, 0, 1, 1)],
        target: Arc::clone(&target),
    };
    recording.read_back(&read).unwrap();

    assert_eq!(bytes(&target), [0, 0, 0, 0, 4, 0, 0, 0]);
}

#[test]
fn ids_are_taken_once_and_free_again_after_their_end() {
    let (mut recording, journal) = drawing();
    let one = texture(1, 1);

    let context_again = recording.create_context(CONTEXT, &ContextArgs::default());
    let resource_again = recording.create_resource(RESOURCE, &one);
    let zero = recording.create_resource(ResourceId(0), &one);
    recording.destroy_resource(RESOURCE).unwrap();
    let attached = journal.attached(CONTEXT);
    let after_its_end = recording.create_resource(RESOURCE, &one);

    assert_eq!(context_again, Err(RenderError::ContextIdTaken(CONTEXT)));
    assert_eq!(resource_again, Err(RenderError::ResourceIdTaken(RESOURCE)));
    assert_eq!(zero, Err(RenderError::ResourceIdTaken(ResourceId(0))));
    assert_eq!(attached, Some(vec![]));
    assert_eq!(after_its_end, Ok(()));
    assert_eq!(journal.args(RESOURCE), Some(one));
}

#[test]
fn a_stream_ends_at_its_first_bad_command() {
    let (mut recording, journal) = drawing();
    let colour = 5;
    let resource = RESOURCE;
    let fill = Order::Fill { resource, colour };

    let mut stream = Order::stream(&[Order::Fail, fill]);
    let failed = recording.submit(CONTEXT, &mut stream);
    let cut = recording.submit(CONTEXT, &mut [1, 9]);

    assert!(matches!(failed, Err(RenderError::Refused { .. })));
    assert!(matches!(cut, Err(RenderError::Impossible(_))));
    assert_eq!(journal.pixels(RESOURCE), Some(vec![0; 16]));
}

#[test]
fn fences_pass_when_the_journal_lets_them() {
    let (mut recording, journal) = drawing();
    let ring = Timeline::Context {
        context: CONTEXT,
        ring: 63,
    };
    let global = Timeline::Global;
    let (mut held, mut one, mut rest) = (Vec::new(), Vec::new(), Vec::new());

    journal.hold_fences();
    recording.create_fence(ring, FenceId(1)).unwrap();
    recording.create_fence(global, FenceId(2)).unwrap();
    recording.poll(&mut held);
    journal.pass_fences(global);
    recording.poll(&mut one);
    journal.release_fences();
    recording.poll(&mut rest);

    let passed = |timeline, fence| PassedFence { timeline, fence };
    assert_eq!(held, []);
    assert_eq!(one, [passed(global, FenceId(2))]);
    assert_eq!(rest, [passed(ring, FenceId(1))]);
}

#[test]
fn a_fence_has_a_ring_of_a_context_and_a_number_of_its_own() {
    let (mut recording, _journal) = drawing();
    let on = |context, ring| Timeline::Context { context, ring };

    let first = recording.create_fence(on(CONTEXT, 63), FenceId(5));
    let again = recording.create_fence(on(CONTEXT, 63), FenceId(5));
    let beyond = recording.create_fence(on(CONTEXT, 64), FenceId(6));
    let nowhere = recording.create_fence(on(ContextId(8), 0), FenceId(7));

    assert_eq!(first, Ok(()));
    assert!(matches!(again, Err(RenderError::Impossible(_))));
    assert!(matches!(beyond, Err(RenderError::Impossible(_))));
    assert_eq!(nowhere, Err(RenderError::UnknownContext(ContextId(8))));
}

#[test]
fn the_journal_tells_calls_and_lets_one_fail() {
    let (mut recording, journal) = drawing();
    journal.take_calls();
    let resource = ResourceId(1);
    let args = texture(1, 1);
    let error = RenderError::OutOfMemory(resource);
    journal.fail_next(Method::CreateResource, error.clone());

    let first = recording.create_resource(resource, &args);
    let second = recording.create_resource(resource, &args);

    assert_eq!((first, second), (Err(error), Ok(())));
    let call = Call::CreateResource { resource, args };
    assert_eq!(journal.calls(), [call.clone(), call]);
}

#[test]
fn revoking_and_dropping_let_go_of_guest_memory() {
    let (mut recording, journal) = drawing();
    recording.attach_backing(RESOURCE, backing().1).unwrap();

    recording.revoke();
    let after_revoke = (journal.backed(), journal.resources());
    recording.attach_backing(RESOURCE, backing().1).unwrap();
    drop(recording);

    assert_eq!(after_revoke, (vec![], vec![RESOURCE]));
    assert_eq!(journal.backed(), []);
}
