//! Pictures in a device's memory, by DRI3. No server here has a GPU: a fake one checks what it is told,
//! and memory files stand for the dma-bufs.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{
    Display, DisplayError, DmaBuf, DmaBufPlane, Event, Frame, PixelSource, Presented, SurfaceId,
    X11Transport,
};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::common::{BLUE, RED, Source};
use crate::desk::desk;
use crate::fake::{Abilities, Asked, Fake};

/// `DRM_FORMAT_MOD_LINEAR`, Intel's Y tiling, and `DRM_FORMAT_MOD_INVALID`.
const LINEAR: u64 = 0;
const TILED: u64 = 0x0100_0000_0000_0002;
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;

/// Errors of the server.
const BAD_MATCH: u8 = 8;
const BAD_ALLOC: u8 = 11;

const WHOLE: [Rect; 1] = [Rect {
    x: 0,
    y: 0,
    width: 16,
    height: 8,
}];

/// A server with all that is needed, which takes these modifiers.
fn modern() -> Abilities {
    Abilities {
        dri3: Some((1, 2)),
        modifiers: vec![LINEAR, TILED],
        present: true,
        shm: false,
        refuses: None,
    }
}

fn plane(offset: u32, stride: u32) -> DmaBufPlane {
    let fd = memfd_create(c"memory", MFdFlags::MFD_CLOEXEC).unwrap();
    DmaBufPlane { fd, offset, stride }
}

/// A picture of 16x8 pixels.
fn picture(modifier: u64, planes: Vec<DmaBufPlane>) -> Arc<DmaBuf> {
    Arc::new(DmaBuf {
        width: 16,
        height: 8,
        format: DrmFourcc::Xrgb8888,
        modifier,
        planes,
    })
}

fn inode(plane: &DmaBufPlane) -> u64 {
    let file = File::from(plane.fd.try_clone().unwrap());
    file.metadata().unwrap().ino()
}

fn present_part(
    fake: &mut Fake,
    surface: SurfaceId,
    buffer: &Arc<DmaBuf>,
    crop: Rect,
    damage: &[Rect],
) -> Result<Presented, DisplayError> {
    let frame = Frame {
        pixels: PixelSource::DmaBuf(buffer),
        layout: Layout::packed(16, 8, DrmFourcc::Xrgb8888).unwrap(),
        crop,
        damage,
    };
    fake.display.present(surface, &frame)
}

fn present(
    fake: &mut Fake,
    surface: SurfaceId,
    buffer: &Arc<DmaBuf>,
) -> Result<Presented, DisplayError> {
    present_part(fake, surface, buffer, WHOLE[0], &WHOLE)
}

/// Shows a picture that the server is told of first; its pixmap, and the frame's number.
fn show(fake: &mut Fake, surface: SurfaceId, buffer: &Arc<DmaBuf>) -> (u32, u32) {
    assert_eq!(present(fake, surface, buffer).unwrap(), Presented::Busy);
    fake.settle();
    assert_eq!(fake.events(), [Event::Ready { surface }]);
    assert_eq!(present(fake, surface, buffer).unwrap(), Presented::Taken);
    fake.settle();
    match fake.asked.last() {
        Some(Asked::Show { pixmap, serial, .. }) => (*pixmap, *serial),
        other => panic!("{other:?}"),
    }
}

fn is_refused(result: &Result<Presented, DisplayError>, of: u64) -> bool {
    matches!(result, Err(DisplayError::DmaBufRefused { modifier, .. }) if *modifier == of)
}

#[test]
fn a_picture_is_shown_from_its_own_memory() {
    let mut fake = Fake::start(modern());
    let surface = fake.surface(16, 8);
    let buffer = picture(TILED, vec![plane(64, 128), plane(4096, 32)]);

    let (pixmap, serial) = show(&mut fake, surface, &buffer);

    let told = [
        Asked::Import {
            pixmap,
            size: (16, 8),
            planes: vec![(128, 64), (32, 4096)],
            modifier: Some(TILED),
            depth: 24,
            bits: 32,
            inodes: buffer.planes.iter().map(inode).collect(),
        },
        Asked::Show {
            pixmap,
            serial,
            update: vec![[0, 0, 16, 8]],
            at: (0, 0),
        },
    ];
    assert_eq!(fake.asked, told);
    let statistics = fake.display.statistics();
    assert_eq!((statistics.shared_frames, statistics.copied_bytes), (1, 0));
}

#[test]
fn a_picture_is_the_server_s_until_it_gives_it_back() {
    let mut fake = Fake::start(modern());
    let surface = fake.surface(16, 8);
    let buffer = picture(LINEAR, vec![plane(0, 64)]);
    let (pixmap, first) = show(&mut fake, surface, &buffer);
    assert_eq!(Arc::strong_count(&buffer), 2);

    // The next comes when the screen shows this one; it is told once, and of what changed alone.
    let again = [Rect::new(3, 4, 5, 2)];
    let early = present_part(&mut fake, surface, &buffer, WHOLE[0], &again);
    assert_eq!(early.unwrap(), Presented::Busy);
    fake.complete(first);
    assert_eq!(fake.events(), [Event::Ready { surface }]);
    let then = present_part(&mut fake, surface, &buffer, WHOLE[0], &again);
    assert_eq!(then.unwrap(), Presented::Taken);
    fake.settle();
    let second = first + 1;
    let shown = Asked::Show {
        pixmap,
        serial: second,
        update: vec![[3, 4, 5, 2]],
        at: (0, 0),
    };
    assert_eq!(fake.asked[2..], [shown]);

    // What is given back first is the earlier frame: the later one is still shown from there.
    fake.idle(pixmap, first);
    assert_eq!(Arc::strong_count(&buffer), 2);
    fake.idle(pixmap, second);
    assert_eq!(Arc::strong_count(&buffer), 1);
}

#[test]
fn a_part_is_shown_where_the_picture_belongs() {
    let mut fake = Fake::start(modern());
    let surface = fake.surface(4, 4);
    let buffer = picture(LINEAR, vec![plane(0, 64)]);
    let crop = Rect::new(8, 2, 4, 4);
    let damage = [Rect::new(1, 1, 2, 2)];

    for _ in 0..2 {
        present_part(&mut fake, surface, &buffer, crop, &damage).unwrap();
        fake.settle();
    }
    let Some(Asked::Show {
        update, at, serial, ..
    }) = fake.asked.last().cloned()
    else {
        panic!("{:?}", fake.asked)
    };
    // The first frame of a window is all of its picture.
    assert_eq!((update, at), (vec![[8, 2, 4, 4]], (-8, -2)));
    fake.complete(serial);
    present_part(&mut fake, surface, &buffer, crop, &damage).unwrap();
    fake.settle();

    let Some(Asked::Show { update, at, .. }) = fake.asked.last() else {
        panic!("{:?}", fake.asked)
    };
    assert_eq!((update.as_slice(), *at), (&[[9, 3, 2, 2]][..], (-8, -2)));
}

#[test]
fn the_server_has_three_pictures_at_most_and_forgets_those_that_are_gone() {
    let mut fake = Fake::start(modern());
    let surface = fake.surface(16, 8);
    let mut pixmaps = Vec::new();
    let buffers = [0; 4].map(|_| picture(LINEAR, vec![plane(0, 64)]));
    for buffer in &buffers[..3] {
        let (pixmap, serial) = show(&mut fake, surface, buffer);
        fake.complete(serial);
        pixmaps.push((pixmap, serial));
    }

    for _ in 0..3 {
        let presented = present(&mut fake, surface, &buffers[3]).unwrap();
        assert_eq!(presented, Presented::Busy);
        fake.settle();
        assert_eq!(fake.events(), []);
    }
    let (first, serial) = pixmaps[0];
    fake.idle(first, serial);
    assert_eq!(fake.events(), [Event::Ready { surface }]);
    drop(buffers);
    for (pixmap, serial) in &pixmaps[1..] {
        fake.idle(*pixmap, *serial);
    }
    fake.settle();

    let freed = |asked: &Asked| matches!(asked, Asked::Free(_));
    assert_eq!(fake.asked.iter().filter(|asked| freed(asked)).count(), 3);
}

#[test]
fn a_refusal_is_remembered_and_a_copy_is_shown_instead() {
    let mut fake = Fake::start(Abilities {
        refuses: Some(BAD_MATCH),
        ..modern()
    });
    let surface = fake.surface(16, 8);
    let buffer = picture(TILED, vec![plane(0, 64)]);

    let asked = present(&mut fake, surface, &buffer).unwrap();
    assert_eq!(asked, Presented::Busy);
    fake.settle();
    assert_eq!(fake.events(), [Event::Ready { surface }]);
    assert!(is_refused(&present(&mut fake, surface, &buffer), TILED));
    let other = picture(TILED, vec![plane(0, 64)]);
    assert!(is_refused(&present(&mut fake, surface, &other), TILED));
    let mut copy = Source::plain(16, 8, RED);
    let copied = copy.present(&mut fake.display, surface, WHOLE[0], &WHOLE);
    assert_eq!(copied.unwrap(), Presented::Taken);
    fake.settle();

    assert_eq!(fake.asked, [Asked::Put]);
    // Another modifier is offered, and the same with another stride.
    for other in [
        picture(LINEAR, vec![plane(0, 64)]),
        picture(TILED, vec![plane(0, 128)]),
    ] {
        let presented = present(&mut fake, surface, &other).unwrap();
        assert_eq!(presented, Presented::Busy);
    }
}

#[test]
fn a_server_that_only_lacked_memory_is_offered_it_again_after_a_copy() {
    let mut fake = Fake::start(Abilities {
        refuses: Some(BAD_ALLOC),
        ..modern()
    });
    let surface = fake.surface(16, 8);
    let buffer = picture(TILED, vec![plane(0, 64)]);

    let asked = present(&mut fake, surface, &buffer).unwrap();
    assert_eq!(asked, Presented::Busy);
    fake.settle();
    assert_eq!(fake.events(), [Event::Ready { surface }]);
    assert!(is_refused(&present(&mut fake, surface, &buffer), TILED));
    fake.abilities.refuses = None;

    show(&mut fake, surface, &buffer);
}

#[test]
fn a_copy_is_free_only_when_the_last_frame_that_showed_it_is_done_with() {
    let mut fake = Fake::start(Abilities {
        shm: true,
        ..modern()
    });
    assert_eq!(fake.display.transport(), Some(X11Transport::Present));
    let surface = fake.surface(16, 8);
    let mut source = Source::plain(16, 8, RED);
    let mut copy = |fake: &mut Fake| {
        let presented = source.present(&mut fake.display, surface, WHOLE[0], &WHOLE);
        fake.settle();
        match (presented.unwrap(), fake.asked.last()) {
            (Presented::Taken, Some(Asked::Show { pixmap, serial, .. })) => {
                let shown = (*pixmap, *serial);
                fake.complete(shown.1);
                Some(shown)
            }
            _ => None,
        }
    };
    let (pixmap, first) = copy(&mut fake).unwrap();
    copy(&mut fake).unwrap();
    copy(&mut fake).unwrap();
    assert_eq!(copy(&mut fake), None);

    fake.idle(pixmap, first);
    let (again, fourth) = copy(&mut fake).unwrap();
    assert_eq!(again, pixmap);
    fake.idle(pixmap, first);
    assert_eq!(copy(&mut fake), None);
    fake.idle(pixmap, fourth);

    assert_eq!(copy(&mut fake).map(|shown| shown.0), Some(pixmap));
}

#[test]
fn what_a_server_does_not_take_is_refused_at_once() {
    let all = |abilities: Abilities, kinds: &[(Arc<DmaBuf>, bool)]| {
        for (buffer, is_taken) in kinds {
            let mut fake = Fake::start(abilities.clone());
            let surface = fake.surface(16, 8);
            let presented = present(&mut fake, surface, buffer);
            assert_eq!(
                is_refused(&presented, buffer.modifier),
                !is_taken,
                "{abilities:?} {buffer:?}"
            );
        }
    };
    let of = |modifier| picture(modifier, vec![plane(0, 64)]);
    let shaped = |change: &dyn Fn(&mut DmaBuf)| {
        let mut buffer = Arc::into_inner(of(LINEAR)).unwrap();
        change(&mut buffer);
        Arc::new(buffer)
    };
    all(
        modern(),
        &[
            (of(LINEAR), true),
            (of(TILED), true),
            (of(TILED + 1), false),
            (of(INVALID), true),
            (picture(INVALID, vec![plane(64, 64)]), false),
            (picture(INVALID, vec![plane(0, 64), plane(0, 64)]), false),
            (picture(INVALID, vec![plane(0, 65_536)]), false),
            (picture(LINEAR, vec![]), false),
            (picture(LINEAR, [0; 5].map(|_| plane(0, 64)).into()), false),
            (shaped(&|it| it.format = DrmFourcc::Abgr8888), false),
            (shaped(&|it| it.format = DrmFourcc::Argb8888), true),
            (shaped(&|it| it.width = 65_536), false),
        ],
    );
    let old = Abilities {
        dri3: Some((1, 0)),
        ..modern()
    };
    all(old, &[(of(INVALID), true), (of(LINEAR), false)]);
    let without_dri3 = Abilities {
        dri3: None,
        ..modern()
    };
    all(without_dri3, &[(of(INVALID), false), (of(LINEAR), false)]);
    let without_present = Abilities {
        present: false,
        ..modern()
    };
    all(
        without_present,
        &[(of(INVALID), false), (of(LINEAR), false)],
    );
}

#[test]
fn an_old_server_is_told_without_a_modifier() {
    let mut fake = Fake::start(Abilities {
        dri3: Some((1, 0)),
        ..modern()
    });
    let surface = fake.surface(16, 8);
    let buffer = picture(INVALID, vec![plane(0, 64)]);

    let (pixmap, _) = show(&mut fake, surface, &buffer);

    let told = Asked::Import {
        pixmap,
        size: (16, 8),
        planes: vec![(64, 0)],
        modifier: None,
        depth: 24,
        bits: 32,
        inodes: buffer.planes.iter().map(inode).collect(),
    };
    assert_eq!(fake.asked[0], told);
}

#[test]
fn a_server_that_cannot_show_what_it_took_gets_copies_from_then_on() {
    let mut fake = Fake::start(modern());
    let surface = fake.surface(16, 8);
    let buffer = picture(LINEAR, vec![plane(0, 64)]);
    show(&mut fake, surface, &buffer);

    fake.fail_to_show();

    assert_eq!(fake.events(), [Event::Redraw { surface }]);
    assert!(is_refused(&present(&mut fake, surface, &buffer), LINEAR));
    assert_eq!(Arc::strong_count(&buffer), 1);
    let mut copy = Source::plain(16, 8, BLUE);
    let copied = copy.present(&mut fake.display, surface, WHOLE[0], &WHOLE);
    assert_eq!(copied.unwrap(), Presented::Taken);
    assert_eq!(fake.display.transport(), Some(X11Transport::Socket));
}

#[test]
fn a_server_without_a_gpu_gets_a_copy() {
    let mut desk = desk!();
    let surface = desk.surface(0, 16, 8);
    let buffer = picture(LINEAR, vec![plane(0, 64)]);
    let frame = Frame {
        pixels: PixelSource::DmaBuf(&buffer),
        layout: Layout::packed(16, 8, DrmFourcc::Xrgb8888).unwrap(),
        crop: WHOLE[0],
        damage: &WHOLE,
    };

    // Not before there is a window.
    let mut presented = Ok(Presented::Busy);
    desk.run_until(|desk| {
        presented = desk.display.present(surface, &frame);
        !matches!(presented, Ok(Presented::Busy))
    });
    desk.show_all(surface, &mut Source::plain(16, 8, RED));

    assert!(is_refused(&presented, LINEAR));
    desk.assert_shows((16, 8), |_, _| RED);
}
