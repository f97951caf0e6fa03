//! Fences on the library's one line.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used
)]

mod virgl_support;

use std::time::Duration;

use gpu_renderer::testing::stream::{Target, bind, format, slow_fragments};
use gpu_renderer::virgl::VirglRenderer;
use gpu_renderer::{ContextId, FenceId, PassedFence, RenderError, Renderer, Timeline};
use virgl_support::{bytes, context, picture, resource, wait_for, wait_for_file, with_renderer};

fn ring(context: ContextId) -> Timeline {
    Timeline::Context { context, ring: 0 }
}

/// Keeps the renderer busy for a good part of a second.
fn long_work(renderer: &mut VirglRenderer, context: ContextId) {
    let (picture, vertices) = (context.0 * 10, context.0 * 10 + 1);
    resource(renderer, context, picture, &virgl_support::picture(64, 64));
    let args = bytes(96, bind::VERTEX_BUFFER);
    resource(renderer, context, vertices, &args);
    let target = Target {
        resource: picture,
        format: format::B8G8R8A8_UNORM,
        width: 64,
        height: 64,
    };
    let stream = slow_fragments(target, vertices, 10_000);
    renderer
        .submit(context, &mut stream.into_words())
        .expect("submit");
}

fn passed_now(renderer: &mut VirglRenderer) -> Vec<PassedFence> {
    let mut passed = Vec::new();
    renderer.poll(&mut passed);
    passed
}

fn fence(renderer: &mut VirglRenderer, timeline: Timeline, id: u64) {
    renderer.create_fence(timeline, FenceId(id)).expect("fence");
}

#[test]
fn a_fence_is_a_sync_file_or_the_reason_why_not() {
    with_renderer(|renderer| {
        fence(renderer, Timeline::Global, 1);

        for fence in [Some(FenceId(1)), None] {
            let exported = renderer.export_fence(fence);
            if renderer.exports_fences() {
                wait_for_file(&exported.expect("a sync file"));
                continue;
            }
            let why = RenderError::Impossible("EGL has no native fences");
            assert_eq!(exported.err(), Some(why));
        }
        wait_for(renderer, Timeline::Global, FenceId(1));
    });
}

#[test]
fn a_fence_does_not_pass_before_its_work_is_done() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let begun = std::time::Instant::now();
        // Mesa's software GL draws it before it returns, or on threads of its
        // own, as LP_NUM_THREADS says.
        long_work(renderer, context);
        fence(renderer, Timeline::Global, 1);

        wait_for(renderer, Timeline::Global, FenceId(1));

        assert!(begun.elapsed() > Duration::from_millis(20));
        assert_eq!(passed_now(renderer), []);
    });
}

#[test]
fn fences_pass_in_their_order_and_each_line_is_told() {
    with_renderer(|renderer| {
        let first = context(renderer, 1);
        let second = context(renderer, 2);
        let lines = [Timeline::Global, ring(first), ring(second)];
        long_work(renderer, first);
        for (id, line) in (1..=9).zip(lines.into_iter().cycle()) {
            fence(renderer, line, id);
        }

        let passed = wait_for(renderer, ring(second), FenceId(9));

        let ids: Vec<_> = passed.iter().map(|each| each.fence.0).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        for (each, line) in passed.iter().zip(lines.into_iter().cycle()) {
            assert_eq!(each.timeline, line);
        }
    });
}

#[test]
fn a_fence_without_work_passes() {
    with_renderer(|renderer| {
        fence(renderer, Timeline::Global, 1);
        wait_for(renderer, Timeline::Global, FenceId(1));
    });
}

#[test]
fn the_32_bit_numbers_of_the_library_wrap_unseen() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        // The first number is 64 below the wrap.
        for id in 1..=200u64 {
            renderer.submit(context, &mut [0]).expect("submit");
            let large = id << 40;
            fence(renderer, ring(context), large);
            if id % 8 == 0 {
                let passed = wait_for(renderer, ring(context), FenceId(large));
                let ids: Vec<_> = passed.iter().map(|each| each.fence.0 >> 40).collect();
                assert_eq!(ids, (id - 7..=id).collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn fences_of_a_destroyed_context_pass_and_others_wait() {
    with_renderer(|renderer| {
        let gone = context(renderer, 1);
        let stays = context(renderer, 2);
        long_work(renderer, stays);
        fence(renderer, Timeline::Global, 1);
        fence(renderer, ring(gone), 2);
        fence(renderer, ring(stays), 3);

        renderer.destroy_context(gone).expect("destroyed");

        let passed = passed_now(renderer);
        assert!(passed.contains(&PassedFence {
            timeline: ring(gone),
            fence: FenceId(2),
        }));
        if passed.len() == 1 {
            let rest = wait_for(renderer, ring(stays), FenceId(3));
            let ids: Vec<_> = rest.iter().map(|each| each.fence.0).collect();
            assert_eq!(ids, [1, 3]);
        }
    });
}

#[test]
fn a_context_of_the_same_name_has_its_own_fences() {
    with_renderer(|renderer| {
        let id = context(renderer, 1);
        long_work(renderer, id);
        fence(renderer, ring(id), 1);
        renderer.destroy_context(id).expect("destroyed");
        let again = context(renderer, 1);

        fence(renderer, ring(again), 2);
        let passed = wait_for(renderer, ring(again), FenceId(2));

        let ids: Vec<_> = passed.iter().map(|each| each.fence.0).collect();
        assert_eq!(ids, [1, 2]);
    });
}

#[test]
fn a_reset_forgets_fences_and_new_ones_pass() {
    with_renderer(|renderer| {
        let busy = context(renderer, 1);
        long_work(renderer, busy);
        fence(renderer, Timeline::Global, 1);
        fence(renderer, ring(busy), 2);

        renderer.reset();
        assert_eq!(passed_now(renderer), []);
        let again = context(renderer, 1);
        long_work(renderer, again);
        fence(renderer, Timeline::Global, 3);

        let passed = wait_for(renderer, Timeline::Global, FenceId(3));
        assert_eq!(passed.len(), 1);
    });
}

#[test]
fn a_context_has_one_ring() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        for number in [1, 63, 255] {
            let line = Timeline::Context {
                context,
                ring: number,
            };
            let result = renderer.create_fence(line, FenceId(1));
            assert!(matches!(result, Err(RenderError::Impossible(_))));
        }
        let picture = resource(renderer, context, 1, &picture(4, 4));
        renderer.destroy_resource(picture).expect("destroyed");
    });
}
