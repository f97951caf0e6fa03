//! From a guest's drawing to the front end without a copy: a renderer whose textures are memory files stands for a GPU.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;

use conformance::front_end::{FrontEnd, Reset};
use conformance::gpu_socket::GpuSocket;
use conformance::guest::Guest;
use gpu_buffer::Rect;
use gpu_renderer::testing::{Call, Journal, Order};
use support::in_thread::{self, Renderer, Serving};
use support::remote::read_with_fds;
use support::scene;
use vhost_user_gpu::serve::Service;
use virtio_gpu::protocol::{Command, ScanoutId};

const SIDE: u32 = 16;

const UPDATE: u32 = 10;

/// "AR24", as the kernel spells it.
const AR24: u32 = 0x3432_5241;

struct Rig {
    front_end: FrontEnd,
    gpu: GpuSocket,
    journal: Journal,
    serving: Serving,
}

/// A guest with a picture that it can draw in 3D.
fn drawing() -> Rig {
    let (renderer, journal) = Renderer::sharing();
    let (stream, serving) = in_thread::connected(Service::default(), renderer);
    let mut front_end = FrontEnd::over(stream, Guest::default());
    front_end.reset = Reset::Silent;
    front_end.draws_in_3d();
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();
    scene::prepare(&mut front_end, SIDE);
    Rig {
        front_end,
        gpu,
        journal,
        serving,
    }
}

fn fill(rig: &mut Rig, colour: u32) {
    let stream = scene::bytes(&Order::stream(&[Order::Fill {
        resource: gpu_renderer::ResourceId(scene::PICTURE.0),
        colour,
    }]));
    let commands = &stream[..];
    scene::succeed(&mut rig.front_end, &[Command::Submit3d { commands }]);
}

fn flush(rig: &mut Rig, rect: Rect) {
    let resource = scene::PICTURE;
    let flush = Command::ResourceFlush { rect, resource };
    rig.front_end.succeed(&[flush]);
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|word| u32::from_ne_bytes(*word)).collect()
}

#[test]
fn what_a_guest_draws_is_handed_over_once_and_then_only_what_changed_is_told() {
    let mut rig = drawing();
    fill(&mut rig, 0x0403_0201);
    let whole = Rect::from_size(SIDE, SIDE);
    rig.front_end.succeed(&[Command::SetScanout {
        rect: whole,
        scanout: ScanoutId(0),
        resource: Some(scene::PICTURE),
    }]);

    let (told, fds) = read_with_fds(&mut rig.gpu);
    let expected = [12, 0, 48, 0, 0, 0, 16, 16, 16, 16, 64, 0, AR24, 0, 0];
    assert_eq!(words(&told), expected);
    let (update, _) = read_with_fds(&mut rig.gpu);
    assert_eq!(words(&update), [10, 0, 20, 0, 0, 0, 16, 16]);
    let [fd] = <[_; 1]>::try_from(fds).unwrap();
    let picture = File::from(fd);
    let mut seen = [0; 4];
    picture.read_exact_at(&mut seen, 0).unwrap();
    assert_eq!(seen, [1, 2, 3, 4]);
    rig.gpu.reply(UPDATE, &[]);

    fill(&mut rig, 0x0807_0605);
    flush(&mut rig, Rect::new(3, 4, 5, 6));

    let (update, fds) = read_with_fds(&mut rig.gpu);
    assert_eq!(words(&update), [10, 0, 20, 0, 3, 4, 5, 6]);
    assert!(fds.is_empty());
    picture.read_exact_at(&mut seen, 0).unwrap();
    assert_eq!(seen, [5, 6, 7, 8], "the same memory");
    let calls = rig.journal.calls();
    let read = |call: &Call| matches!(call, Call::ReadBack { .. });
    assert!(!calls.iter().any(read), "nothing was read");
    drop((rig.front_end, rig.gpu));
    rig.serving.join().unwrap().unwrap();
}

#[test]
fn a_front_end_that_is_slow_to_show_gets_all_that_changed_at_once_and_holds_up_nobody() {
    let mut rig = drawing();
    fill(&mut rig, 1);
    rig.front_end.succeed(&[Command::SetScanout {
        rect: Rect::from_size(SIDE, SIDE),
        scanout: ScanoutId(0),
        resource: Some(scene::PICTURE),
    }]);
    let _ = (read_with_fds(&mut rig.gpu), read_with_fds(&mut rig.gpu));

    for x in [2, 9] {
        fill(&mut rig, x);
        flush(&mut rig, Rect::new(x, x, 1, 1));
    }
    rig.front_end.synchronize();
    assert!(rig.gpu.is_quiet());
    rig.gpu.reply(UPDATE, &[]);

    let (update, _) = read_with_fds(&mut rig.gpu);
    assert_eq!(words(&update), [10, 0, 20, 0, 2, 2, 8, 8]);
    drop((rig.front_end, rig.gpu));
    rig.serving.join().unwrap().unwrap();
}
