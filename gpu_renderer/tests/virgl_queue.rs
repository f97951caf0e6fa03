//! A renderer behind a queue, on a thread of its own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic
)]

mod virgl_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_renderer::testing::stream::{Stream, Target, bind, format, slow_fragments};
use gpu_renderer::virgl::{VirglConfig, VirglRenderer};
use gpu_renderer::{
    Completion, ContextArgs, ContextId, JobId, ReadBack, RenderError, RenderQueue, ResourceArgs,
    ResourceId, Timeline, When, Work,
};
use virgl_support::{alone, buffer, bytes, contents, picture};

const CONTEXT: ContextId = ContextId(1);
const PATIENCE: Duration = Duration::from_secs(60);

fn queue() -> Option<RenderQueue> {
    let starting = RenderQueue::thread(|| VirglRenderer::new(VirglConfig::default()));
    match starting.expect("thread").wait(PATIENCE) {
        Ok(queue) => Some(queue),
        Err(error @ RenderError::Unavailable { .. }) => {
            println!("SKIP: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn wait_for(queue: &mut RenderQueue, job: JobId) -> Completion {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(completion) = queue.next_completion() {
            assert_eq!(completion.result, Ok(()));
            if completion.job == job {
                return completion;
            }
        }
        assert!(Instant::now() < end, "{job:?} never ends");
        std::thread::yield_now();
    }
}

fn create(queue: &mut RenderQueue, id: u32, args: ResourceArgs) {
    let resource = ResourceId(id);
    queue.push(Work::CreateResource { resource, args }, When::Taken);
    let work = Work::AttachResource {
        context: CONTEXT,
        resource,
    };
    queue.push(work, When::Taken);
}

fn create_context(queue: &mut RenderQueue) {
    let args = ContextArgs::default();
    let work = Work::CreateContext {
        context: CONTEXT,
        args,
    };
    queue.push(work, When::Taken);
}

#[test]
fn a_picture_is_drawn_and_read_back_through_the_queue() {
    let _one = alone();
    let Some(mut queue) = queue() else { return };
    assert_eq!(queue.capsets().len(), 2);
    create_context(&mut queue);
    create(&mut queue, 1, picture(8, 8));
    let mut stream = Stream::new();
    stream
        .surface(1, 1, format::B8G8R8A8_UNORM)
        .framebuffer(&[1])
        .clear([0.0, 0.0, 1.0, 1.0]);
    let commands = stream.into_words();
    let context = CONTEXT;
    queue.push(Work::Submit { context, commands }, When::Taken);
    let target = buffer(8, 8, 0xee);

    let read = queue.push(
        Work::ReadBack(ReadBack {
            resource: ResourceId(1),
            x: 0,
            y: 0,
            rects: vec![Rect::from_size(8, 8)],
            target: Arc::clone(&target),
        }),
        When::Taken,
    );
    let completion = wait_for(&mut queue, read);

    let returned = completion.returned.expect("the target");
    assert_eq!(contents(&returned), [[255, 0, 0, 255]; 64].as_flattened());
}

#[test]
fn the_caller_is_free_while_a_shader_runs() {
    let _one = alone();
    let Some(mut queue) = queue() else { return };
    create_context(&mut queue);
    create(&mut queue, 1, picture(64, 64));
    create(&mut queue, 2, bytes(96, bind::VERTEX_BUFFER));
    let target = Target {
        resource: 1,
        format: format::B8G8R8A8_UNORM,
        width: 64,
        height: 64,
    };
    let commands = slow_fragments(target, 2, 20_000).into_words();
    let begun = Instant::now();

    let context = CONTEXT;
    let slow = queue.push(
        Work::Submit { context, commands },
        When::Passed(Timeline::Global),
    );
    let mut longest = Duration::ZERO;
    let mut turns = 0u32;
    loop {
        let turn = Instant::now();
        let ended = queue.next_completion();
        longest = longest.max(turn.elapsed());
        turns += 1;
        if ended.is_some_and(|completion| completion.job == slow) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        assert!(begun.elapsed() < PATIENCE);
    }

    let took = begun.elapsed();
    assert!(took > Duration::from_millis(100), "{took:?}");
    assert!(turns > 20, "{turns}");
    assert!(longest < took / 2, "{longest:?} of {took:?}");
}

#[test]
fn a_second_queue_says_why_it_cannot_be() {
    let _one = alone();
    let Some(first) = queue() else { return };

    let starting = RenderQueue::thread(|| VirglRenderer::new(VirglConfig::default()));
    let second = starting.expect("thread").wait(PATIENCE);

    assert!(matches!(second, Err(RenderError::Unavailable { .. })));
    drop(first);
    assert!(queue().is_some());
}
