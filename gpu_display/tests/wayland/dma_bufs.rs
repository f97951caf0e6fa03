//! Pictures in a device's memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{
    Display, DisplayError, DmaBuf, DmaBufPlane, Event, Frame, PixelSource, Presented, SurfaceId,
};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::common::{BLUE, RED, Source};
use crate::compositor::{DmaBufOffer, Import, Offer, Table};
use crate::desk::Desk;

/// `DRM_FORMAT_MOD_LINEAR`, and Intel's Y tiling.
const LINEAR: u64 = 0;
const TILED: u64 = 0x0100_0000_0000_0002;

const XR24: u32 = 0x3432_5258;
const NV12: u32 = 0x3231_564e;

fn offer(version: u32) -> Offer {
    let kinds = vec![(XR24, LINEAR), (XR24, TILED), (NV12, LINEAR)];
    Offer {
        dma_buf: Some(DmaBufOffer {
            version,
            kinds,
            table: Table::Good,
        }),
        ..Offer::default()
    }
}

/// A file in the place of a device's memory, whose every pixel is this.
fn memory([red, green, blue, _]: [u8; 4]) -> File {
    let file = File::from(memfd_create(c"memory", MFdFlags::MFD_CLOEXEC).unwrap());
    let bytes = [blue, green, red, 0].repeat(4096);
    file.write_all_at(&bytes, 0).unwrap();
    file
}

/// A picture of 16x8 pixels that begins at byte 64, with rows of 128 bytes.
fn picture(colour: [u8; 4], modifier: u64) -> Arc<DmaBuf> {
    Arc::new(DmaBuf {
        width: 16,
        height: 8,
        format: DrmFourcc::Xrgb8888,
        modifier,
        planes: vec![DmaBufPlane {
            fd: memory(colour).into(),
            offset: 64,
            stride: 128,
        }],
    })
}

fn present_part(
    desk: &mut Desk,
    surface: SurfaceId,
    buffer: &Arc<DmaBuf>,
    crop: Rect,
) -> Result<Presented, DisplayError> {
    let layout = Layout::packed(buffer.width, buffer.height, DrmFourcc::Xrgb8888).unwrap();
    let frame = Frame {
        pixels: PixelSource::DmaBuf(buffer),
        layout,
        crop,
        damage: &[Rect::from_size(crop.width, crop.height)],
    };
    desk.display.present(surface, &frame)
}

fn present(
    desk: &mut Desk,
    surface: SurfaceId,
    buffer: &Arc<DmaBuf>,
) -> Result<Presented, DisplayError> {
    present_part(desk, surface, buffer, Rect::new(0, 0, 16, 8))
}

/// Presents twice: the compositor looks at a new one first.
fn show(desk: &mut Desk, surface: SurfaceId, buffer: &Arc<DmaBuf>) {
    assert_eq!(present(desk, surface, buffer).unwrap(), Presented::Busy);
    desk.settle();
    assert_eq!(desk.events(), [Event::Ready { surface }]);
    assert_eq!(present(desk, surface, buffer).unwrap(), Presented::Taken);
    desk.settle();
}

fn is_refused(result: &Result<Presented, DisplayError>, kind: (DrmFourcc, u64)) -> bool {
    matches!(result, Err(DisplayError::DmaBufRefused { format, modifier })
        if (*format, *modifier) == kind)
}

#[test]
fn both_ways_of_telling_what_is_taken_are_understood() {
    for version in [3, 4, 5] {
        let desk = Desk::new(offer(version));

        let formats: Vec<_> = desk.display.dma_buf_formats().collect();

        let expected = [
            (DrmFourcc::Nv12, LINEAR),
            (DrmFourcc::Xrgb8888, LINEAR),
            (DrmFourcc::Xrgb8888, TILED),
        ];
        assert_eq!(formats, expected, "version {version}");
    }
}

#[test]
fn a_picture_is_shown_from_its_own_memory() {
    for version in [3, 4] {
        let mut desk = Desk::new(offer(version));
        let surface = desk.surface(0, 16, 8);

        show(&mut desk, surface, &picture(RED, TILED));

        let world = &desk.compositor().world;
        world.screen().assert((16, 8), |_, _| RED);
        let told = &world.imported[0];
        assert_eq!((told.width, told.height, told.format), (16, 8, XR24));
        let plane = &told.planes[0];
        assert_eq!((plane.index, plane.offset, plane.stride), (0, 64, 128));
        assert_eq!(plane.modifier, TILED);
        assert_eq!(desk.display.statistics().copied_bytes, 0);
        assert_eq!(desk.display.statistics().shared_frames, 1);
    }
}

#[test]
fn each_plane_has_its_offset() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 16, 8);
    let file = memory(BLUE);
    file.write_all_at(b"luma", 256).unwrap();
    file.write_all_at(b"both", 1024).unwrap();
    let plane = |offset, stride| DmaBufPlane {
        fd: file.try_clone().unwrap().into(),
        offset,
        stride,
    };
    let buffer = Arc::new(DmaBuf {
        width: 16,
        height: 8,
        format: DrmFourcc::Nv12,
        modifier: LINEAR,
        planes: vec![plane(256, 64), plane(1024, 32)],
    });

    assert_eq!(
        present(&mut desk, surface, &buffer).unwrap(),
        Presented::Busy
    );
    desk.settle();

    let told = &desk.compositor().world.imported[0];
    let planes = told.planes.iter();
    let planes: Vec<_> = planes
        .map(|plane| (plane.index, plane.offset, plane.stride, plane.start()))
        .collect();
    assert_eq!(told.format, NV12);
    assert_eq!(planes, [(0, 256, 64, *b"luma"), (1, 1024, 32, *b"both")]);
}

#[test]
fn flipping_offers_each_picture_once_and_keeps_it_while_it_is_read() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 16, 8);
    let (red, blue) = (picture(RED, LINEAR), picture(BLUE, LINEAR));
    show(&mut desk, surface, &red);
    show(&mut desk, surface, &blue);

    for _ in 0..5 {
        assert_eq!(present(&mut desk, surface, &red).unwrap(), Presented::Taken);
        desk.settle();
        assert_eq!((Arc::strong_count(&red), Arc::strong_count(&blue)), (2, 1));
        assert_eq!(
            present(&mut desk, surface, &blue).unwrap(),
            Presented::Taken
        );
        desk.settle();
    }

    assert_eq!(desk.compositor().world.offered, 2);
    drop(red);
    desk.settle();
    assert_eq!(desk.compositor().world.live_buffers(), 1);
}

#[test]
fn a_part_of_a_picture_is_cut_out_by_the_compositor() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 4, 2);
    let buffer = picture(RED, LINEAR);
    let crop = Rect::new(3, 5, 4, 2);
    present_part(&mut desk, surface, &buffer, crop).unwrap();
    desk.settle();

    let presented = present_part(&mut desk, surface, &buffer, crop).unwrap();
    desk.settle();

    assert_eq!(presented, Presented::Taken);
    let shown = desk.compositor().world.surface();
    assert_eq!(shown.source, Some((3.0, 5.0, 4.0, 2.0)));
    assert_eq!(shown.size(), (4, 2));

    // A copy is its part already.
    desk.show_all(surface, &mut Source::plain(4, 2, BLUE));
    let shown = desk.compositor().world.surface();
    assert_eq!(shown.source, None);
}

#[test]
fn damage_is_told_in_the_pixels_of_the_whole_picture() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 4, 2);
    let buffer = picture(RED, LINEAR);
    let crop = Rect::new(3, 5, 4, 2);
    for _ in 0..3 {
        present_part(&mut desk, surface, &buffer, crop).unwrap();
        desk.settle();
    }

    let shown = desk.compositor().world.surface();

    assert_eq!(shown.damages.last().unwrap(), &[(3, 5, 4, 2)]);
}

#[test]
fn a_refusal_is_remembered_and_a_copy_is_shown_instead() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 16, 8);
    desk.compositor().world.import = Import::Refuse;
    let buffer = picture(RED, TILED);

    let first = present(&mut desk, surface, &buffer);
    desk.settle();
    let events = desk.events();
    let second = present(&mut desk, surface, &buffer);
    let other = present(&mut desk, surface, &picture(BLUE, TILED));
    desk.show_all(surface, &mut Source::plain(16, 8, RED));

    assert_eq!(first.unwrap(), Presented::Busy);
    assert_eq!(events, [Event::Ready { surface }]);
    assert!(is_refused(&second, (DrmFourcc::Xrgb8888, TILED)));
    assert!(is_refused(&other, (DrmFourcc::Xrgb8888, TILED)));
    assert_eq!(desk.compositor().world.offered, 1);
    desk.compositor().world.screen().assert((16, 8), |_, _| RED);
    // Another kind is another matter.
    desk.compositor().world.import = Import::Take;
    show(&mut desk, surface, &picture(BLUE, LINEAR));
}

#[test]
fn what_the_compositor_does_not_offer_is_refused_at_once() {
    let mut with = Desk::new(offer(4));
    let mut without = Desk::new(Offer::default());
    let surface = with.surface(0, 16, 8);
    let unknown = present(&mut with, surface, &picture(RED, 77));
    let surface = without.surface(0, 16, 8);
    let none = present(&mut without, surface, &picture(RED, LINEAR));

    assert!(is_refused(&unknown, (DrmFourcc::Xrgb8888, 77)));
    assert!(is_refused(&none, (DrmFourcc::Xrgb8888, LINEAR)));
    assert_eq!(with.compositor().world.offered, 0);
}

#[test]
fn impossible_dma_bufs_are_refused() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 16, 8);
    let none = Arc::new(DmaBuf {
        width: 16,
        height: 8,
        format: DrmFourcc::Xrgb8888,
        modifier: LINEAR,
        planes: Vec::new(),
    });
    let small = Arc::new(DmaBuf {
        width: 15,
        height: 8,
        format: DrmFourcc::Xrgb8888,
        modifier: LINEAR,
        planes: Vec::new(),
    });

    let none = present(&mut desk, surface, &none);
    let small = present(&mut desk, surface, &small);

    assert!(is_refused(&none, (DrmFourcc::Xrgb8888, LINEAR)));
    assert!(matches!(small, Err(DisplayError::Pixels(_))), "{small:?}");
}

#[test]
fn a_compositor_that_ponders_is_not_waited_for() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 16, 8);
    desk.compositor().world.import = Import::Ponder;
    let pictures: Vec<_> = (0..20).map(|_| picture(RED, LINEAR)).collect();

    for picture in &pictures {
        let presented = present(&mut desk, surface, picture);
        assert_eq!(presented.unwrap(), Presented::Busy);
        desk.settle();
    }
    assert_eq!(
        (desk.compositor().world.offered, desk.events()),
        (4, vec![])
    );
    desk.show_all(surface, &mut Source::plain(16, 8, BLUE));
    present(&mut desk, surface, &pictures[19]).unwrap();
    desk.compositor().world.stop_pondering(Import::Take);
    desk.compositor().world.import = Import::Take;
    desk.settle();

    assert_eq!(desk.events(), [Event::Ready { surface }]);
    show(&mut desk, surface, &pictures[19]);
    drop(pictures);
    desk.show_all(surface, &mut Source::plain(16, 8, BLUE));
    // Those that were given up are nobody's: only the copy is left.
    assert_eq!(desk.compositor().world.live_buffers(), 1);
}

#[test]
fn a_table_that_cannot_be_read_offers_nothing() {
    for table in [
        Table::Short,
        Table::Uneven,
        Table::Huge,
        Table::Pipe,
        Table::Overrun,
    ] {
        let mut offer = offer(4);
        offer.dma_buf.as_mut().unwrap().table = table;
        let mut desk = Desk::new(offer);
        let surface = desk.surface(0, 16, 8);

        let refused = present(&mut desk, surface, &picture(RED, LINEAR));
        desk.show_all(surface, &mut Source::plain(16, 8, RED));

        assert!(
            is_refused(&refused, (DrmFourcc::Xrgb8888, LINEAR)),
            "{table:?}"
        );
        assert_eq!(desk.display.dma_buf_formats().count(), 0, "{table:?}");
    }
}

#[test]
fn a_new_compositor_is_offered_everything_again() {
    let mut desk = Desk::new(offer(4));
    let surface = desk.surface(0, 16, 8);
    let buffer = picture(RED, TILED);
    desk.compositor().world.import = Import::Refuse;
    present(&mut desk, surface, &buffer).unwrap();
    desk.settle();

    desk.kill_compositor();
    desk.start_compositor(offer(3));
    desk.wait(std::time::Duration::from_millis(500));
    desk.events();

    show(&mut desk, surface, &buffer);
}
