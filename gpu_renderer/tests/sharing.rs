//! Pictures in memory that others see, too: through the queue, with memory
//! files in the place of dma-bufs.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod fixtures;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use fixtures::rig::{GLOBAL, PATIENCE, Rig};
use fixtures::{CONTEXT, RESOURCE, texture};
use gpu_buffer::DrmFourcc;
use gpu_renderer::testing::{Call, Method, Order, Recording};
use gpu_renderer::{DmaBuf, RenderError, RenderQueue, ResourceId, Timeline, When, Work};

const OTHER: ResourceId = ResourceId(77);

/// Queues over a renderer that shares: inline, and on a thread.
fn sharing() -> [Rig; 2] {
    let (recording, journal) = Recording::sharing();
    let queue = RenderQueue::inline(Box::new(recording));
    let inline = Rig { queue, journal };
    let (recording, journal) = Recording::sharing();
    let starting = RenderQueue::thread(|| Ok(recording)).unwrap();
    let queue = starting.wait(PATIENCE).unwrap();
    let thread = Rig { queue, journal };
    [inline, thread].map(|mut rig| {
        rig.prepare();
        rig
    })
}

fn share(rig: &mut Rig, resource: ResourceId) -> DmaBuf {
    rig.does(Work::Share { resource }).shared.unwrap()
}

fn fill(rig: &mut Rig, resource: ResourceId, colour: u32) {
    let (context, commands) = (CONTEXT, Order::stream(&[Order::Fill { resource, colour }]));
    rig.does(Work::Submit { context, commands });
}

/// The first `bytes` bytes of a picture's only plane.
fn seen(picture: &DmaBuf, bytes: usize) -> Vec<u8> {
    let [plane] = &picture.planes[..] else {
        panic!("{picture:?}")
    };
    let file = File::from(plane.fd.try_clone().unwrap());
    let mut seen = vec![0; bytes];
    file.read_exact_at(&mut seen, u64::from(plane.offset))
        .unwrap();
    seen
}

#[test]
fn a_queue_tells_whether_its_renderer_shares() {
    assert!(sharing().iter().all(|rig| rig.queue.shares_textures()));
    let others = [Rig::inline(), Rig::thread()];
    assert!(others.iter().all(|rig| !rig.queue.shares_textures()));
}

#[test]
fn a_shared_picture_shows_what_is_drawn_later_and_outlives_the_resource() {
    for mut rig in sharing() {
        let picture = share(&mut rig, RESOURCE);
        assert_eq!((picture.width, picture.height), (2, 2));
        assert_eq!(picture.fourcc, DrmFourcc::Argb8888);
        assert_eq!(picture.modifier, Some(0), "DRM_FORMAT_MOD_LINEAR");
        assert_eq!(picture.planes[0].stride, 8);

        fill(&mut rig, RESOURCE, 0x4433_2211);
        rig.does(Work::DestroyResource { resource: RESOURCE });

        assert_eq!(seen(&picture, 16), [0x11, 0x22, 0x33, 0x44].repeat(4));
    }
}

#[test]
fn an_imported_picture_is_a_resource_and_stays_what_it_is() {
    for mut rig in sharing() {
        fill(&mut rig, RESOURCE, 0x0101_0101);
        let picture = Arc::new(share(&mut rig, RESOURCE));

        rig.does(Work::Import {
            resource: OTHER,
            args: texture(2, 2),
            picture: Arc::clone(&picture),
        });

        assert_eq!(rig.journal.pixels(OTHER), Some(vec![1; 16]));
        let (context, resource) = (CONTEXT, OTHER);
        rig.does(Work::AttachResource { context, resource });
        fill(&mut rig, OTHER, 0x0202_0202);
        assert_eq!(seen(&picture, 16), [2; 16]);
    }
}

#[test]
fn a_picture_of_another_size_and_a_taken_id_are_no_imports() {
    for mut rig in sharing() {
        let picture = Arc::new(share(&mut rig, RESOURCE));
        for (resource, args, refusal) in [
            (
                OTHER,
                texture(2, 3),
                RenderError::Impossible("a picture of another size"),
            ),
            (
                RESOURCE,
                texture(2, 2),
                RenderError::ResourceIdTaken(RESOURCE),
            ),
        ] {
            let picture = Arc::clone(&picture);
            rig.push(Work::Import {
                resource,
                args,
                picture,
            });
            assert_eq!(rig.next().result, Err(refusal));
        }
        assert_eq!(rig.journal.resources(), [RESOURCE]);
    }
}

#[test]
fn what_cannot_be_shared_ends_with_the_reason_and_without_a_picture() {
    for mut rig in [Rig::inline(), Rig::thread()] {
        rig.prepare();
        rig.push(Work::Share { resource: RESOURCE });
        let refused = rig.next();
        assert!(matches!(refused.result, Err(RenderError::Impossible(_))));
        assert!(refused.shared.is_none());
    }
    for mut rig in sharing() {
        let planned = RenderError::OutOfMemory(RESOURCE);
        rig.journal.fail_next(Method::Share, planned.clone());
        for (resource, reason) in [
            (RESOURCE, planned),
            (OTHER, RenderError::UnknownResource(OTHER)),
        ] {
            rig.push(Work::Share { resource });
            let refused = rig.next();
            assert_eq!(refused.result, Err(reason));
            assert!(refused.shared.is_none());
        }
    }
}

#[test]
fn a_picture_comes_when_its_fence_has_passed() {
    for mut rig in sharing() {
        rig.journal.hold_fences();
        let job = rig.queue.push(Work::Share { resource: RESOURCE }, GLOBAL);
        assert!(rig.next_within(Duration::from_millis(30)).is_none());

        rig.journal.release_fences();

        let completion = rig.next();
        assert_eq!((completion.job, completion.result), (job, Ok(())));
        assert!(completion.shared.is_some());
    }
}

#[test]
fn a_fence_alone_does_nothing_and_ends_when_all_before_it_is_done() {
    for mut rig in sharing() {
        rig.journal.hold_fences();
        let fenced = rig.queue.push(Work::Fence, GLOBAL);
        let bare = rig.queue.push(Work::Fence, When::Taken);
        assert_eq!(rig.next().job, bare);

        rig.journal.pass_fences(Timeline::Global);

        assert_eq!(rig.next().job, fenced);
        let calls = rig.journal.take_calls();
        let [Call::CreateFence { timeline, .. }] = calls[..] else {
            panic!("{calls:?}")
        };
        assert_eq!(timeline, Timeline::Global);
    }
}
