//! Pictures in a GPU's memory at the front end's display socket. A memory file stands for the dma-buf: nobody here
//! looks into it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{
    Display, DisplayError, DmaBuf, DmaBufPlane, Event, Frame, Hotspot, PixelSource, Position,
    Presented, Role, SurfaceId, SurfaceRequest,
};
use vhost_user_gpu::remote_display::{RemoteDisplay, SharedPictures};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::gpu_socket::*;
use support::remote::*;

const DMABUF_UPDATE: u32 = 10;
const DMABUF_SCANOUT2: u32 = 12;

/// `I915_FORMAT_MOD_X_TILED`.
const TILED: u64 = 0x0100_0000_0000_0001;
/// `DRM_FORMAT_MOD_INVALID`.
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;
/// "XR24", as the kernel spells it.
const XR24: u32 = 0x3432_5258;

/// A display that hands pictures over, whose front end has these protocol features.
fn sharing(features: u64) -> (RemoteDisplay, GpuSocket) {
    let mut display = RemoteDisplay::new().unwrap();
    display.set_shared_pictures(SharedPictures::Yes);
    let mut gpu = attach(&mut display);
    gpu.features = features;
    answer_greeting(&mut display, &mut gpu);
    (display, gpu)
}

fn file() -> OwnedFd {
    tempfile::tempfile().unwrap().into()
}

fn inode(fd: &OwnedFd) -> u64 {
    let file = File::from(fd.try_clone().unwrap());
    file.metadata().unwrap().ino()
}

/// A picture of 8x4 in a dma-buf whose rows are 64 bytes apart.
fn picture(modifier: u64) -> Arc<DmaBuf> {
    Arc::new(DmaBuf {
        width: 8,
        height: 4,
        format: DrmFourcc::Xrgb8888,
        modifier,
        planes: vec![DmaBufPlane {
            fd: file(),
            offset: 0,
            stride: 64,
        }],
    })
}

fn show(
    display: &mut RemoteDisplay,
    surface: SurfaceId,
    picture: &Arc<DmaBuf>,
    damage: &[Rect],
) -> Result<Presented, DisplayError> {
    let layout = Layout::packed(picture.width, picture.height, DrmFourcc::Xrgb8888).unwrap();
    let frame = Frame {
        pixels: PixelSource::DmaBuf(picture),
        layout,
        crop: layout.bounds(),
        damage,
    };
    display.present(surface, &frame)
}

fn all() -> [Rect; 1] {
    [Rect::new(0, 0, 8, 4)]
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_ne_bytes).collect()
}

/// Answers a DMABUF_UPDATE: the picture is shown.
fn shown(display: &mut RemoteDisplay, gpu: &mut GpuSocket) {
    gpu.reply(DMABUF_UPDATE, &[]);
    dispatch(display);
}

/// Has a picture taken by the front end and shown.
fn taken(display: &mut RemoteDisplay, gpu: &mut GpuSocket, of: &Arc<DmaBuf>) -> SurfaceId {
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();
    assert_eq!(
        show(display, surface, of, &all()).unwrap(),
        Presented::Taken
    );
    let _ = (read_with_fds(gpu), read_with_fds(gpu));
    shown(display, gpu);
    surface
}

#[test]
fn it_is_handed_over_with_its_modifier_to_a_front_end_that_takes_those() {
    let (mut display, mut gpu) = sharing(3);
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();
    let picture = picture(TILED);

    let presented = show(&mut display, surface, &picture, &all()).unwrap();

    assert_eq!(presented, Presented::Taken);
    let (message, fds) = read_with_fds(&mut gpu);
    let mut expected = bytes(&[12, 0, 48, 0, 0, 0, 8, 4, 8, 4, 64, 0, XR24]);
    expected.extend(TILED.to_ne_bytes());
    assert_eq!(message, expected);
    let [fd] = &fds[..] else { panic!("{fds:?}") };
    assert_eq!(inode(fd), inode(&picture.planes[0].fd));
    let (message, fds) = read_with_fds(&mut gpu);
    assert_eq!(message, bytes(&[10, 0, 20, 0, 0, 0, 8, 4]));
    assert!(fds.is_empty());
    assert!(gpu.is_quiet());
}

#[test]
fn it_is_handed_over_without_a_modifier_where_it_needs_none() {
    // What only the driver knows is never told as a modifier; linear pictures of old front ends neither.
    for (features, modifier) in [(3, INVALID), (1, INVALID), (1, 0)] {
        let (mut display, mut gpu) = sharing(features);
        let surface = display.create_surface(&scanout(2, 8, 4)).unwrap();

        show(&mut display, surface, &picture(modifier), &all()).unwrap();

        let (message, fds) = read_with_fds(&mut gpu);
        let expected = bytes(&[9, 0, 40, 2, 0, 0, 8, 4, 8, 4, 64, 0, XR24]);
        assert_eq!(message, expected, "{modifier:#x}");
        assert_eq!(fds.len(), 1);
    }
}

#[test]
fn its_use_is_agreed_on_in_the_greeting() {
    for (shared, used) in [(SharedPictures::Yes, 3_u64), (SharedPictures::No, 1)] {
        let mut display = RemoteDisplay::new().unwrap();
        display.set_shared_pictures(shared);
        let mut gpu = attach(&mut display);
        assert_eq!(gpu.read().request, GET_PROTOCOL_FEATURES);
        gpu.reply(GET_PROTOCOL_FEATURES, &7_u64.to_ne_bytes());
        dispatch(&mut display);

        assert_eq!(gpu.read().payload, used.to_ne_bytes(), "{shared:?}");
    }
}

#[test]
fn the_daemon_agrees_on_it_if_it_is_told_that_the_front_end_has_gl() {
    for (arguments, used) in [(&["--frontend-gl"][..], 3_u64), (&[], 1)] {
        let daemon = Daemon::start_with(support::PROGRAM, arguments);
        let mut front_end = FrontEnd::connect(&daemon);
        front_end.realize();
        let mut gpu = front_end.send_gpu_socket();
        assert_eq!(gpu.read().request, GET_PROTOCOL_FEATURES);

        gpu.reply(GET_PROTOCOL_FEATURES, &3_u64.to_ne_bytes());

        assert_eq!(gpu.read().payload, used.to_ne_bytes(), "{arguments:?}");
    }
}

#[test]
fn the_descriptor_goes_once_and_changes_are_told_as_one_rectangle() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = taken(&mut display, &mut gpu, &picture);
    let damage = [Rect::new(1, 0, 1, 1), Rect::new(4, 2, 2, 1)];

    let presented = show(&mut display, surface, &picture, &damage).unwrap();

    assert_eq!(presented, Presented::Taken);
    let (message, fds) = read_with_fds(&mut gpu);
    assert_eq!(message, bytes(&[10, 0, 20, 0, 1, 0, 5, 3]));
    assert!(fds.is_empty());
    assert!(gpu.is_quiet());
}

#[test]
fn another_picture_is_handed_over_and_shown_whole() {
    let (mut display, mut gpu) = sharing(3);
    let surface = taken(&mut display, &mut gpu, &picture(TILED));
    let other = picture(TILED);

    show(&mut display, surface, &other, &[Rect::new(1, 1, 1, 1)]).unwrap();

    let (message, fds) = read_with_fds(&mut gpu);
    assert_eq!(message[..4], DMABUF_SCANOUT2.to_ne_bytes());
    assert_eq!(inode(&fds[0]), inode(&other.planes[0].fd));
    let (message, _) = read_with_fds(&mut gpu);
    assert_eq!(message, bytes(&[10, 0, 20, 0, 0, 0, 8, 4]));
}

#[test]
fn while_it_is_not_shown_the_display_is_busy_and_then_ready() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();
    show(&mut display, surface, &picture, &all()).unwrap();
    let _ = (read_with_fds(&mut gpu), read_with_fds(&mut gpu));

    for _ in 0..3 {
        let presented = show(&mut display, surface, &picture, &all()).unwrap();
        assert_eq!(presented, Presented::Busy);
        dispatch(&mut display);
        assert_eq!(events(&mut display), []);
    }
    assert!(gpu.is_quiet());
    shown(&mut display, &mut gpu);

    assert_eq!(events(&mut display), [Event::Ready { surface }]);
    assert_eq!(
        show(&mut display, surface, &picture, &all()).unwrap(),
        Presented::Taken
    );
}

#[test]
fn one_output_does_not_wait_for_another_nor_for_the_cursor() {
    let (mut display, mut gpu) = sharing(3);
    let first = display.create_surface(&scanout(0, 8, 4)).unwrap();
    let second = display.create_surface(&scanout(1, 8, 4)).unwrap();
    show(&mut display, first, &picture(TILED), &all()).unwrap();
    let _ = (read_with_fds(&mut gpu), read_with_fds(&mut gpu));

    let presented = show(&mut display, second, &picture(TILED), &all()).unwrap();

    assert_eq!(presented, Presented::Taken);
    let (message, _) = read_with_fds(&mut gpu);
    assert_eq!(message[12..16], 1_u32.to_ne_bytes());
    let _ = read_with_fds(&mut gpu);
    let cursor = display
        .create_surface(&SurfaceRequest {
            role: Role::Cursor {
                parent: first,
                hotspot: Hotspot::default(),
                position: Position::default(),
            },
            width: 2,
            height: 2,
        })
        .unwrap();
    present(&mut display, cursor, 2, 2, 0xff);
    assert_eq!(gpu.read().request, CURSOR_UPDATE);
    assert_eq!(
        show(&mut display, first, &picture(TILED), &all()).unwrap(),
        Presented::Busy
    );
    shown(&mut display, &mut gpu);
    assert_eq!(events(&mut display), [Event::Ready { surface: first }]);
}

#[test]
fn pixels_after_it_end_it_and_begin_anew() {
    let (mut display, mut gpu) = sharing(3);
    let surface = taken(&mut display, &mut gpu, &picture(TILED));

    present(&mut display, surface, 8, 4, 7);

    let (message, fds) = read_with_fds(&mut gpu);
    assert_eq!(message, bytes(&[9, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(fds.is_empty());
    let told = gpu.read();
    assert_eq!((told.request, told.words(3)), (SCANOUT, vec![0, 8, 4]));
    assert_eq!(gpu.read().request, UPDATE);
}

#[test]
fn it_after_pixels_is_handed_over() {
    let (mut display, mut gpu) = sharing(3);
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();
    present(&mut display, surface, 8, 4, 7);
    let _ = (gpu.read(), gpu.read());

    show(&mut display, surface, &picture(TILED), &[]).unwrap();

    assert_eq!(read_with_fds(&mut gpu).1.len(), 1);
}

#[test]
fn a_scanout_that_goes_takes_it_along() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = taken(&mut display, &mut gpu, &picture);

    display.destroy_surface(surface);

    let (message, fds) = read_with_fds(&mut gpu);
    assert_eq!(message, bytes(&[9, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(fds.is_empty());
    let told = gpu.read();
    assert_eq!((told.request, told.words(3)), (SCANOUT, vec![0, 0, 0]));
    assert_eq!(Arc::strong_count(&picture), 1);
}

#[test]
fn the_display_keeps_no_picture_that_was_sent() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);

    taken(&mut display, &mut gpu, &picture);

    assert_eq!(Arc::strong_count(&picture), 1);
}

#[test]
fn what_cannot_be_told_is_refused_and_nothing_is_sent() {
    let refused = |features: u64, picture: DmaBuf| {
        let (mut display, mut gpu) = sharing(features);
        let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();
        let modifier = picture.modifier;
        let presented = show(&mut display, surface, &Arc::new(picture), &all());
        let Err(DisplayError::DmaBufRefused { modifier: of, .. }) = presented else {
            panic!("{presented:?}")
        };
        assert_eq!(of, modifier);
        assert!(gpu.is_quiet());
    };
    let of = |modifier| Arc::into_inner(picture(modifier)).unwrap();
    let plane = |offset| DmaBufPlane {
        fd: file(),
        offset,
        stride: 64,
    };
    // A modifier, for a front end without DMABUF_SCANOUT2.
    refused(1, of(TILED));
    refused(0, of(TILED));
    // Planes that do not begin where the dma-buf does, and more than one.
    let planes = vec![plane(4096)];
    refused(3, DmaBuf { planes, ..of(0) });
    let planes = vec![plane(0), plane(0)];
    refused(3, DmaBuf { planes, ..of(0) });
    let planes = vec![];
    refused(3, DmaBuf { planes, ..of(0) });
}

#[test]
fn a_part_is_told_only_from_the_first_pixel_on() {
    let (mut display, mut gpu) = sharing(3);
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let picture = picture(0);
    let frame = |x| Frame {
        pixels: PixelSource::DmaBuf(&picture),
        layout: Layout::packed(8, 4, DrmFourcc::Xrgb8888).unwrap(),
        crop: Rect::new(x, 0, 4, 4),
        damage: &[],
    };

    let right = display.present(surface, &frame(4));
    let left = display.present(surface, &frame(0));

    assert!(matches!(right, Err(DisplayError::DmaBufRefused { .. })));
    assert_eq!(left.unwrap(), Presented::Taken);
    let (message, _) = read_with_fds(&mut gpu);
    assert_eq!(
        message[..48],
        bytes(&[12, 0, 48, 0, 0, 0, 4, 4, 4, 4, 64, 0])
    );
}

#[test]
fn a_display_that_was_not_told_to_refuses_all() {
    let (mut display, mut gpu) = greeted();
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();

    let presented = show(&mut display, surface, &picture(0), &all());

    assert!(matches!(presented, Err(DisplayError::DmaBufRefused { .. })));
    assert!(gpu.is_quiet());
}

#[test]
fn a_cursor_s_picture_is_refused() {
    let (mut display, mut gpu) = sharing(3);
    let parent = display.create_surface(&scanout(0, 8, 4)).unwrap();
    let cursor = display
        .create_surface(&SurfaceRequest {
            role: Role::Cursor {
                parent,
                hotspot: Hotspot::default(),
                position: Position::default(),
            },
            width: 8,
            height: 4,
        })
        .unwrap();

    let presented = show(&mut display, cursor, &picture(0), &all());

    assert!(matches!(presented, Err(DisplayError::DmaBufRefused { .. })));
    assert!(gpu.is_quiet());
}

#[test]
fn a_new_socket_is_handed_it_again_once_it_is_known_what_it_takes() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = taken(&mut display, &mut gpu, &picture);
    let mut gpu = attach(&mut display);
    assert_eq!(events(&mut display), [Event::Redraw { surface }]);

    let early = show(&mut display, surface, &picture, &all()).unwrap();
    dispatch(&mut display);
    assert_eq!((early, events(&mut display)), (Presented::Busy, vec![]));
    answer_features(&mut display, &mut gpu);

    assert_eq!(events(&mut display), [Event::Ready { surface }]);
    show(&mut display, surface, &picture, &all()).unwrap();
    let (message, fds) = read_with_fds(&mut gpu);
    assert_eq!(message[..4], DMABUF_SCANOUT2.to_ne_bytes());
    assert_eq!(fds.len(), 1);
}

#[test]
fn a_new_socket_that_never_says_what_it_takes_gets_pixels_after_a_second() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = taken(&mut display, &mut gpu, &picture);
    let mut gpu = attach(&mut display);
    assert_eq!(events(&mut display), [Event::Redraw { surface }]);
    let start = Instant::now();
    assert_eq!(
        show(&mut display, surface, &picture, &all()).unwrap(),
        Presented::Busy
    );

    let due = display.deadline().unwrap();
    assert!(due <= Instant::now() + Duration::from_secs(1));
    assert!(due >= start + Duration::from_millis(900));
    display.dispatch(due - Duration::from_millis(1)).unwrap();
    assert_eq!(events(&mut display), []);
    display.dispatch(due).unwrap();

    assert_eq!(events(&mut display), [Event::Ready { surface }]);
    let presented = show(&mut display, surface, &picture, &all());
    assert!(matches!(presented, Err(DisplayError::DmaBufRefused { .. })));
    assert_eq!(display.deadline(), None);
    // It may say so later: what was refused is asked for again. The next socket is asked anew.
    answer_features(&mut display, &mut gpu);
    assert_eq!(events(&mut display), [Event::Redraw { surface }]);
    show(&mut display, surface, &picture, &all()).unwrap();
    let mut gpu = attach(&mut display);
    assert_eq!(events(&mut display), [Event::Redraw { surface }]);
    let presented = show(&mut display, surface, &picture, &all()).unwrap();
    assert_eq!(presented, Presented::Busy);
    answer_features(&mut display, &mut gpu);
    assert_eq!(events(&mut display), [Event::Ready { surface }]);
}

#[test]
fn a_late_greeting_has_only_pictures_redrawn_that_can_be_handed_over_now() {
    for (features, redrawn) in [(3, 1), (1, 0)] {
        let (mut display, mut gpu) = sharing(3);
        let picture = picture(TILED);
        let surface = taken(&mut display, &mut gpu, &picture);
        let mut gpu = attach(&mut display);
        gpu.features = features;
        assert_eq!(events(&mut display), [Event::Redraw { surface }]);
        assert_eq!(
            show(&mut display, surface, &picture, &all()).unwrap(),
            Presented::Busy
        );
        let due = display.deadline().unwrap();
        display.dispatch(due).unwrap();
        assert_eq!(events(&mut display), [Event::Ready { surface }]);
        assert!(show(&mut display, surface, &picture, &all()).is_err());

        answer_features(&mut display, &mut gpu);

        let expected = vec![Event::Redraw { surface }; redrawn];
        assert_eq!(events(&mut display), expected, "{features}");
        assert_eq!(display.deadline(), None);
    }
}

#[test]
fn a_front_end_that_goes_leaves_nothing_waiting() {
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();
    show(&mut display, surface, &picture, &all()).unwrap();
    let _ = (read_with_fds(&mut gpu), read_with_fds(&mut gpu));
    assert_eq!(
        show(&mut display, surface, &picture, &all()).unwrap(),
        Presented::Busy
    );

    drop(gpu);
    dispatch(&mut display);

    assert_eq!(events(&mut display), [Event::Ready { surface }]);
    let presented = show(&mut display, surface, &picture, &all()).unwrap();
    assert_eq!(presented, Presented::Taken, "of which nothing is shown");
    assert_eq!(Arc::strong_count(&picture), 1);
}

#[test]
fn an_update_that_is_never_answered_is_given_up_when_a_later_question_is_answered() {
    // QEMU does not answer for an output that it does not have.
    let (mut display, mut gpu) = sharing(3);
    let picture = picture(TILED);
    let surface = display.create_surface(&scanout(9, 8, 4)).unwrap();
    show(&mut display, surface, &picture, &all()).unwrap();
    let _ = (read_with_fds(&mut gpu), read_with_fds(&mut gpu));
    assert_eq!(
        show(&mut display, surface, &picture, &all()).unwrap(),
        Presented::Busy
    );
    display.refresh(gpu_display::Query::Outputs);
    assert_eq!(gpu.read().request, GET_DISPLAY_INFO);

    gpu.reply_outputs();
    dispatch(&mut display);

    assert!(events(&mut display).contains(&Event::Ready { surface }));
}

#[test]
fn an_answer_to_no_update_loses_the_socket() {
    let (mut display, mut gpu) = sharing(3);
    let surface = display.create_surface(&scanout(0, 8, 4)).unwrap();

    shown(&mut display, &mut gpu);

    show(&mut display, surface, &picture(TILED), &all()).unwrap();
    assert!(gpu.is_quiet());
}
