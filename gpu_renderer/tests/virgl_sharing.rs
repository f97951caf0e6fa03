//! Textures as dma-bufs. Most of this needs a DRM device.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used)]

mod virgl_support;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use gpu_buffer::DrmFourcc;
use gpu_renderer::testing::stream::{Stream, bind, format};
use gpu_renderer::virgl::VirglConfig;
use gpu_renderer::{DmaBuf, Plane, RenderError, Renderer, ResourceArgs, ResourceId};
use virgl_support::{alone, bytes, context, picture, pixels, resource, start_as, with_renderer};

const RED: [u8; 4] = [0, 0, 255, 255];

/// The first render node of the machine.
fn render_node() -> Option<PathBuf> {
    let mut nodes: Vec<_> = std::fs::read_dir("/dev/dri")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("renderD"))
        .collect();
    nodes.sort();
    nodes.into_iter().next()
}

fn some_file() -> OwnedFd {
    File::open("/dev/null").expect("file").into()
}

#[test]
fn a_texture_is_exported_and_imported_again() {
    let _one = alone();
    let Some(node) = render_node() else {
        return println!("SKIP: there is no render node");
    };
    let config = VirglConfig {
        render_node: Some(node),
        ..VirglConfig::default()
    };
    let Some(mut renderer) = start_as(config) else {
        return;
    };
    let renderer = &mut renderer;
    if !renderer.shares_textures() {
        return println!("SKIP: {} shares no textures", renderer.description());
    }
    let context = context(renderer, 1);
    let args = ResourceArgs {
        bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW | 1 << 18 | 1 << 20,
        ..picture(64, 64)
    };
    let first = resource(renderer, context, 1, &args);
    let mut stream = Stream::new();
    stream
        .surface(1, 1, format::B8G8R8A8_UNORM)
        .framebuffer(&[1])
        .clear([1.0, 0.0, 0.0, 1.0]);
    renderer
        .submit(context, &mut stream.into_words())
        .expect("submit");
    assert_eq!(pixels(renderer, first, 64, 64), vec![RED; 4096]);

    let shared = renderer.share(first).expect("exported");
    assert_eq!((shared.width, shared.height), (64, 64));
    // The driver may keep its texels in either order, and says in which.
    assert!([DrmFourcc::Argb8888, DrmFourcc::Abgr8888].contains(&shared.fourcc));
    assert_eq!(shared.planes.len(), 1);
    assert!(shared.planes[0].stride >= 256);
    println!(
        "shared as {:?}, modifier {:x?}",
        shared.fourcc, shared.modifier
    );
    let second = ResourceId(2);
    renderer.import(second, &args, &shared).expect("imported");
    drop(shared);
    renderer.destroy_resource(first).expect("destroyed");

    assert_eq!(pixels(renderer, second, 64, 64), vec![RED; 4096]);
}

#[test]
fn without_a_device_nothing_is_shared_and_nothing_breaks() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let known = resource(renderer, context, 1, &picture(8, 8));
        if renderer.shares_textures() {
            return println!("SKIP: there is a device behind EGL");
        }
        let shared = DmaBuf {
            width: 8,
            height: 8,
            fourcc: DrmFourcc::Argb8888,
            modifier: None,
            planes: vec![Plane {
                fd: some_file(),
                stride: 32,
                offset: 0,
            }],
        };
        let new = ResourceId(2);

        let exported = renderer.share(known);
        let imported = renderer.import(new, &picture(8, 8), &shared);

        assert!(matches!(exported, Err(RenderError::Impossible(_))));
        assert!(matches!(imported, Err(RenderError::Impossible(_))));
        renderer
            .create_resource(new, &picture(8, 8))
            .expect("still free");
    });
}

#[test]
fn what_is_no_picture_is_not_shared() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let buffer = resource(renderer, context, 1, &bytes(64, bind::VERTEX_BUFFER));
        let unknown = ResourceId(9);

        assert!(matches!(
            renderer.share(buffer),
            Err(RenderError::Impossible(_))
        ));
        assert!(matches!(
            renderer.share(unknown),
            Err(RenderError::UnknownResource(_))
        ));
    });
}
