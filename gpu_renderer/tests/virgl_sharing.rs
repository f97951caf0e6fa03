//! Textures as dma-bufs. Most of this needs a DRM device.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used)]

mod virgl_support;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use gpu_buffer::render_node::DrmNode;
use gpu_buffer::{Allocator, DrmFourcc, ExportedImage, GbmAllocator, ImageRequest, Rect, Usage};
use gpu_renderer::testing::stream::{Stream, bind, format};
use gpu_renderer::virgl::{VirglConfig, VirglRenderer};
use gpu_renderer::{
    ContextId, DmaBuf, FenceId, Plane, RenderError, Renderer, ResourceArgs, ResourceId, Timeline,
};
use virgl_support::{
    alone, bytes, context, picture, pixels, resource, start_as, wait_for, wait_for_file,
    with_renderer,
};
use vm_memory::VolatileSlice;

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

/// A renderer on the GPU behind `node`, or a line that says why there is none.
fn on_node(node: PathBuf) -> Option<VirglRenderer> {
    let config = VirglConfig {
        render_node: Some(node),
        ..VirglConfig::default()
    };
    let renderer = start_as(config)?;
    if renderer.shares_textures() {
        return Some(renderer);
    }
    println!("SKIP: {} shares no textures", renderer.description());
    None
}

/// A picture of 64 by 64 pixels that can be scanned out.
fn shown() -> ResourceArgs {
    ResourceArgs {
        bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW | 1 << 18 | 1 << 20,
        ..picture(64, 64)
    }
}

fn fill_with_red(renderer: &mut VirglRenderer, context: ContextId, resource: ResourceId) {
    let mut stream = Stream::new();
    stream
        .surface(1, resource.0, format::B8G8R8A8_UNORM)
        .framebuffer(&[1])
        .clear([1.0, 0.0, 0.0, 1.0]);
    renderer
        .submit(context, &mut stream.into_words())
        .expect("submit");
}

/// The image as the renderer takes it.
fn of_image(image: ExportedImage) -> DmaBuf {
    let planes = image.planes.into_iter().map(|plane| Plane {
        fd: plane.fd,
        stride: plane.place.stride,
        offset: u32::try_from(plane.place.offset).expect("near the start"),
    });
    DmaBuf {
        width: image.width,
        height: image.height,
        fourcc: image.format,
        modifier: None,
        planes: planes.collect(),
    }
}

#[test]
fn an_image_of_gbm_is_drawn_into_where_it_is() {
    let _one = alone();
    let Some(node) = render_node() else {
        return println!("SKIP: there is no render node");
    };
    let opened = DrmNode::open(&node).expect("node");
    let mut gbm = GbmAllocator::new(opened).expect("GBM");
    let Some(mut renderer) = on_node(node) else {
        return;
    };
    let renderer = &mut renderer;
    let context = context(renderer, 1);
    let image = gbm
        .create(&ImageRequest {
            width: 64,
            height: 64,
            format: DrmFourcc::Argb8888,
            usage: Usage::SCANOUT | Usage::RENDERING,
            modifiers: Vec::new(),
        })
        .expect("image");
    let shared = of_image(image.export().expect("exported"));
    let picture = ResourceId(1);

    renderer
        .import(picture, &shown(), &shared)
        .expect("imported");
    renderer.attach_resource(context, picture).expect("known");
    fill_with_red(renderer, context, picture);

    assert_eq!(pixels(renderer, picture, 64, 64), vec![RED; 4096]);
    let mut seen = [RED[1]; 64 * 64 * 4];
    image
        .read(
            0,
            Rect::from_size(64, 64),
            &VolatileSlice::from(&mut seen[..]),
            64 * 4,
        )
        .expect("read");
    assert!(seen.chunks_exact(4).all(|pixel| pixel == RED));
}

#[test]
fn a_texture_is_exported_and_imported_again() {
    let _one = alone();
    let Some(node) = render_node() else {
        return println!("SKIP: there is no render node");
    };
    let Some(mut renderer) = on_node(node) else {
        return;
    };
    let renderer = &mut renderer;
    let context = context(renderer, 1);
    let args = shown();
    let first = resource(renderer, context, 1, &args);
    fill_with_red(renderer, context, first);
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

/// On a virtual GPU the library refuses (EINVAL) although EGL offers native fences: it is for hosts
/// with a GPU of their own.
#[test]
fn a_fence_of_a_drawing_is_a_sync_file_that_gets_readable() {
    let _one = alone();
    let Some(node) = render_node() else {
        return println!("SKIP: there is no render node");
    };
    let Some(mut renderer) = on_node(node) else {
        return;
    };
    let renderer = &mut renderer;
    if !renderer.exports_fences() {
        return println!("SKIP: {} has no native fences", renderer.description());
    }
    let context = context(renderer, 1);
    let drawn = resource(renderer, context, 1, &shown());
    fill_with_red(renderer, context, drawn);
    let fence = FenceId(1);
    renderer
        .create_fence(Timeline::Global, fence)
        .expect("fence");

    let pending = renderer.export_fence(Some(fence)).expect("a sync file");

    wait_for_file(&pending);
    wait_for(renderer, Timeline::Global, fence);
    for passed in [Some(fence), None] {
        let passed = renderer.export_fence(passed).expect("a sync file");
        wait_for_file(&passed);
    }
    assert_eq!(pixels(renderer, drawn, 64, 64), vec![RED; 4096]);
}
