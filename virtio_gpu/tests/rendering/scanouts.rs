//! What the renderer draws, on scanouts: read back where it changed, shown
//! right, and only then answered.

use gpu_display::{Event, PictureMemory};
use gpu_renderer::ResourceId as RendererResource;
use gpu_renderer::testing::Call;
use virtio_gpu::Limits;
use virtio_gpu::protocol::{Command, ResourceCreate3d};

use crate::rig::{BAD_PARAMETER, Fence, Placement, Rig3d, buffer, flush, picture};
use crate::support::{IMAGE, OK, Record, Rect, gradient, rect};
use std::time::Instant;

/// A picture of the renderer's of 8x8 in this colour, on scanout 0.
pub fn on_screen(colour: u32) -> [Rig3d; 2] {
    Rig3d::each().map(|mut rig| {
        show(&mut rig, colour);
        rig
    })
}

pub fn show(rig: &mut Rig3d, colour: u32) {
    rig.painted(1, 8, 8, colour);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    rig.rest();
    rig.records();
    rig.journal.take_calls();
}

/// The newest frame.
pub fn newest(rig: &mut Rig3d) -> (Vec<Rect>, Vec<u32>) {
    rig.rest();
    rig.frames().pop().expect("a frame was presented")
}

#[test]
fn a_renderer_s_picture_is_shown_when_it_is_set() {
    for mut rig in Rig3d::each() {
        rig.painted(1, 8, 8, 0x112233);
        rig.journal.take_calls();

        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);

        let (damage, pixels) = newest(&mut rig);
        assert_eq!(damage, [rect(0, 0, 8, 8)]);
        assert_eq!(pixels, [0x112233; 64]);
        assert_eq!(rig.reads(), [[rect(0, 0, 8, 8)]]);
    }
}

#[test]
fn it_is_read_into_a_memory_file_for_a_display_that_reads_those() {
    for (memory, expected) in [(PictureMemory::Shared, true), (PictureMemory::Any, false)] {
        for mut rig in Rig3d::each() {
            rig.device.display_mut().memory = memory;
            show(&mut rig, 0x112233);

            let shown = rig.device.display().buffers.last().unwrap();
            let shown = shown.upgrade().unwrap();

            assert_eq!(shown.shared_fd().is_some(), expected, "{memory:?}");
        }
    }
}

#[test]
fn a_part_of_it_shows_that_part() {
    for mut rig in Rig3d::each() {
        assert_eq!(rig.create_3d(1, 8, 8), OK);
        assert_eq!(rig.attach(1, &[(IMAGE, 256)]), OK);
        rig.paint(IMAGE, 8, 8, gradient);
        assert_eq!(rig.transfer(1, rect(0, 0, 8, 8), 0), OK);
        rig.journal.take_calls();

        assert_eq!(rig.set_scanout(0, 1, rect(3, 5, 2, 3)), OK);

        let (_, pixels) = newest(&mut rig);
        let expected: Vec<_> = (5..8)
            .flat_map(|y| (3..5).map(move |x| gradient(x, y)))
            .collect();
        assert_eq!(pixels, expected);
        let read = Call::ReadBack {
            resource: RendererResource(1),
            x: 3,
            y: 5,
            rects: vec![rect(0, 0, 2, 3)],
        };
        assert_eq!(rig.journal.take_calls(), [read]);
    }
}

#[test]
fn a_flush_reads_and_presents_what_changed_and_no_more() {
    for mut rig in on_screen(1) {
        rig.fill(1, 1, 2);
        rig.journal.take_calls();
        let before = rig.device.backend().render_statistics();

        assert_eq!(rig.flush(1, rect(2, 3, 4, 2)), OK);

        let (damage, pixels) = newest(&mut rig);
        assert_eq!(damage, [rect(2, 3, 4, 2)]);
        assert_eq!(rig.reads(), [[rect(2, 3, 4, 2)]]);
        assert_eq!(pixels[3 * 8 + 2], 2, "what was flushed is new");
        assert_eq!(pixels[0], 1, "what was not flushed was not read");
        let after = rig.device.backend().render_statistics();
        assert_eq!(after.reads - before.reads, 1);
        assert_eq!(after.read_bytes - before.read_bytes, 32);
    }
}

#[test]
fn damage_is_clipped_to_the_scanout_and_moved_to_its_origin() {
    for mut rig in Rig3d::each() {
        rig.painted(1, 16, 16, 1);
        assert_eq!(rig.set_scanout(0, 1, rect(4, 4, 8, 8)), OK);
        rig.rest();
        rig.records();
        rig.journal.take_calls();

        assert_eq!(rig.flush(1, rect(0, 0, 6, 5)), OK);

        assert_eq!(newest(&mut rig).0, [rect(0, 0, 2, 1)]);
        assert_eq!(rig.reads(), [[rect(0, 0, 2, 1)]]);
    }
}

#[test]
fn nothing_is_read_that_is_not_shown_or_not_flushed() {
    for mut rig in Rig3d::each() {
        rig.painted(1, 16, 16, 1);
        rig.painted(2, 8, 8, 1);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
        rig.rest();
        rig.records();
        rig.journal.take_calls();

        rig.fill(1, 1, 9);
        assert_eq!(rig.flush(2, rect(0, 0, 8, 8)), OK);
        assert_eq!(rig.flush(1, rect(8, 0, 8, 16)), OK);
        assert_eq!(rig.flush(1, rect(3, 3, 0, 0)), OK);
        rig.rest();

        assert_eq!(rig.reads(), [] as [Vec<Rect>; 0]);
        assert_eq!(rig.records(), []);
    }
}

#[test]
fn a_flush_outside_is_refused() {
    for mut rig in on_screen(1) {
        assert_eq!(rig.flush(1, rect(1, 0, 8, 8)), BAD_PARAMETER);
        let far = rect(u32::MAX, u32::MAX, 2, 2);
        assert_eq!(rig.flush(1, far), BAD_PARAMETER);
    }
}

#[test]
fn what_is_no_flat_picture_of_a_known_format_cannot_be_shown() {
    let mut rig = Rig3d::new(Placement::Inline);
    let like = |id| picture(id, 8, 8);
    let others = [
        buffer(1, 64),
        ResourceCreate3d {
            target: 3,
            depth: 2,
            ..like(2)
        },
        ResourceCreate3d {
            target: 7,
            array_size: 2,
            ..like(3)
        },
        ResourceCreate3d {
            last_level: 1,
            ..like(4)
        },
        ResourceCreate3d {
            samples: 4,
            ..like(5)
        },
        ResourceCreate3d {
            format: 100,
            ..like(6)
        },
    ];
    for create in others {
        assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(create)), OK);
        let id = create.resource.0;
        let pixel = rect(0, 0, 1, 1);
        assert_eq!(rig.set_scanout(0, id, pixel), BAD_PARAMETER, "{create:?}");
        assert_eq!(rig.flush(id, pixel), BAD_PARAMETER, "{create:?}");
    }
    assert!(rig.device.display().surfaces.is_empty());
}

#[test]
fn each_format_shows_its_own_colours() {
    // Where red, green and blue lie in memory, by the name of the format.
    let orders = [
        (1, [2, 1, 0]),
        (2, [2, 1, 0]),
        (3, [1, 2, 3]),
        (4, [1, 2, 3]),
        (67, [0, 1, 2]),
        (68, [3, 2, 1]),
        (121, [3, 2, 1]),
        (134, [0, 1, 2]),
    ];
    let mut rig = Rig3d::new(Placement::Inline);
    assert_eq!(rig.create_context(1), OK);
    for (id, (format, order)) in (1..).zip(orders) {
        let create = ResourceCreate3d {
            format,
            ..picture(id, 2, 2)
        };
        assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(create)), OK);
        assert_eq!(rig.attach_to(1, id), OK);
        let bytes = [0x11_u8, 0x22, 0x33, 0x44];
        rig.fill(1, id, u32::from_le_bytes(bytes));

        assert_eq!(rig.set_scanout(0, id, rect(0, 0, 2, 2)), OK);

        let [red, green, blue] = order.map(|place: usize| u32::from(bytes[place]));
        let expected = red << 16 | green << 8 | blue;
        assert_eq!(newest(&mut rig).1, [expected; 4], "format {format}");
    }
}

#[test]
fn a_page_flip_shows_the_whole_other_picture_on_the_same_surface() {
    for mut rig in on_screen(1) {
        rig.painted(2, 8, 8, 2);
        for (id, other) in [(2, 1), (1, 2), (2, 1)] {
            assert_eq!(rig.set_scanout(0, id, rect(0, 0, 8, 8)), OK);
            assert_eq!(newest(&mut rig).1, [id; 64]);

            // The one that is not shown any more is not read any more.
            rig.journal.take_calls();
            assert_eq!(rig.flush(other, rect(0, 0, 8, 8)), OK);
            assert_eq!(rig.reads(), [] as [Vec<Rect>; 0]);
        }
        let changed = |record: &Record| !matches!(record, Record::Presented { .. });
        assert!(!rig.records().iter().any(changed));
        assert_eq!(rig.unref(1), OK);
        assert_eq!(rig.device.display().surfaces.len(), 1);
    }
}

#[test]
fn a_new_size_configures_the_surface_and_shows_all_of_it() {
    for mut rig in on_screen(3) {
        for (width, height) in [(4, 6), (8, 8), (1, 1)] {
            assert_eq!(rig.set_scanout(0, 1, rect(0, 0, width, height)), OK);
            rig.rest();
            let records = rig.records();
            let Record::Configured(_, request) = &records[0] else {
                panic!("the surface is configured: {records:?}");
            };
            assert_eq!((request.width, request.height), (width, height));
            let Some(Record::Presented { pixels, .. }) = records.last() else {
                panic!("and presented: {records:?}");
            };
            assert_eq!(pixels.len() as u32, width * height);
            assert!(pixels.iter().all(|pixel| *pixel == 3));
        }
    }
}

#[test]
fn a_screen_goes_over_from_3d_to_2d_and_back() {
    for mut rig in on_screen(3) {
        rig.image(2, 8, 8, |_, _| 4);
        for (id, colour) in [(2, 4), (1, 3), (2, 4)] {
            assert_eq!(rig.set_scanout(0, id, rect(0, 0, 8, 8)), OK);
            assert_eq!(newest(&mut rig).1, [colour; 64]);
        }
    }
}

#[test]
fn a_flush_is_answered_when_its_pixels_were_read() {
    let mut rig = Rig3d::new(Placement::Thread);
    show(&mut rig, 1);
    rig.journal.pause();
    let sent = rig.begin(0, &flush(1, rect(0, 0, 8, 8)), Fence::Global(1));
    rig.linger();
    assert_eq!(rig.answered(), []);

    rig.journal.resume();

    assert_eq!(rig.wait_for(1)[0].sent, sent);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn a_flush_of_one_head_of_two_is_answered_when_that_was_read() {
    // Two heads side by side in one framebuffer, as desktops have them.
    for head in [0, 1] {
        let mut rig = Rig3d::with(Placement::Thread, 2, Limits::default());
        rig.painted(1, 16, 8, 1);
        for scanout in 0..2 {
            let part = rect(8 * scanout, 0, 8, 8);
            assert_eq!(rig.set_scanout(scanout, 1, part), OK);
        }
        rig.rest();
        rig.records();
        rig.journal.pause();
        let sent = rig.begin(0, &flush(1, rect(8 * head, 0, 8, 8)), Fence::None);
        rig.linger();
        assert_eq!(rig.answered(), [], "head {head}");

        rig.journal.resume();

        assert_eq!(rig.wait_for(1)[0].sent, sent);
        assert_eq!(rig.frames().len(), 1);
    }
}

#[test]
fn mirrored_scanouts_all_show_it() {
    for mut rig in Rig3d::each_with(3, &Limits::default()) {
        rig.painted(1, 8, 8, 1);
        for scanout in 0..3 {
            assert_eq!(rig.set_scanout(scanout, 1, rect(0, 0, 8, 8)), OK);
        }
        rig.rest();
        rig.records();
        rig.fill(1, 1, 2);

        assert_eq!(rig.flush(1, rect(0, 0, 8, 8)), OK);
        rig.rest();

        let frames = rig.frames();
        assert_eq!(frames.len(), 3);
        assert!(frames.iter().all(|(_, pixels)| pixels == &[2; 64]));
    }
}

#[test]
fn a_surface_whose_content_was_lost_is_presented_without_reading() {
    for mut rig in on_screen(6) {
        let surface = rig.device.display().only_surface();
        let events = &mut rig.device.display_mut().events;
        events.push_back(Event::Redraw { surface });

        let _ = rig.device.dispatch_display(Instant::now());

        let (damage, pixels) = newest(&mut rig);
        assert_eq!((damage, pixels), (vec![rect(0, 0, 8, 8)], vec![6; 64]));
        assert_eq!(rig.reads(), [] as [Vec<Rect>; 0]);
    }
}

#[test]
fn one_frame_serves_all_flushes_of_a_batch() {
    for mut rig in on_screen(1) {
        for x in 0..8 {
            rig.send_in(0, &flush(1, rect(x, 0, 1, 8)), Fence::None);
        }
        rig.tell();
        rig.wait_for(8);
        rig.rest();

        let area: u64 = rig
            .frames()
            .iter()
            .flat_map(|(d, _)| d)
            .map(Rect::area)
            .sum();
        assert_eq!(area, 64, "no pixel is presented twice");
    }
}
