//! SET_SCANOUT and RESOURCE_FLUSH: what is shown, and how little is sent.
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod support;

use std::time::Instant;

use gpu_display::{Event, Presented, Role};
use support::{OK, Record, Rig, gradient, rect};
use virtio_gpu::protocol::{ErrorCode, Success};
use virtio_gpu::{Limits, QueueIndex};

const BAD_RESOURCE: Result<Success, ErrorCode> = Err(ErrorCode::InvalidResourceId);
const BAD_PARAMETER: Result<Success, ErrorCode> = Err(ErrorCode::InvalidParameter);
const BAD_SCANOUT: Result<Success, ErrorCode> = Err(ErrorCode::InvalidScanoutId);

#[test]
fn a_scanout_id_is_compared_with_the_configured_count() {
    let mut rig = Rig::with(2, Limits::default());
    rig.image(1, 16, 16, gradient);
    let whole = rect(0, 0, 16, 16);

    assert_eq!(rig.set_scanout(1, 1, whole), OK);
    for scanout in [2, 15, 16, u32::MAX] {
        assert_eq!(rig.set_scanout(scanout, 1, whole), BAD_SCANOUT);
        assert_eq!(rig.set_scanout(scanout, 0, whole), BAD_SCANOUT);
    }
}

#[test]
fn all_sixteen_scanouts_show_one_resource_and_go_dark_with_it() {
    let mut rig = Rig::with(16, Limits::default());
    rig.image(1, 16, 16, gradient);
    for scanout in 0..16 {
        assert_eq!(rig.set_scanout(scanout, 1, rect(0, 0, 16, 16)), OK);
    }
    rig.records();

    assert_eq!(rig.flush(1, rect(0, 0, 4, 4)), OK);
    assert_eq!(rig.frames().len(), 16);
    assert_eq!(rig.unref(1), OK);

    assert!(rig.device.display().surfaces.is_empty());
    assert!(
        rig.device
            .backend()
            .scanouts()
            .iter()
            .all(|s| s.shown.is_none())
    );
}

#[test]
fn what_all_scanouts_show_together_is_capped() {
    let mut limits = Limits::default();
    limits.shown_bytes = 2 * 16 * 16 * 4;
    let mut rig = Rig::with(3, limits);
    rig.image(1, 32, 32, gradient);
    let quarter = rect(0, 0, 16, 16);
    assert_eq!(rig.set_scanout(0, 1, quarter), OK);
    assert_eq!(rig.set_scanout(1, 1, quarter), OK);

    let refused = Err(ErrorCode::OutOfMemory);
    assert_eq!(rig.set_scanout(2, 1, rect(0, 0, 1, 1)), refused);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 17, 16)), refused);

    assert_eq!(rig.set_scanout(1, 0, quarter), OK);
    assert_eq!(rig.set_scanout(2, 1, quarter), OK);
}

#[test]
fn the_rectangle_must_lie_inside_the_resource() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    for bad in [
        rect(1, 0, 16, 16),
        rect(0, 1, 16, 16),
        rect(u32::MAX, 0, 2, 1),
        rect(0, 0, 0x4000_0000, 16),
        rect(0, 0, 0, 16),
        rect(0, 0, 16, 0),
        rect(0, 0, 0, 0),
    ] {
        assert_eq!(rig.set_scanout(0, 1, bad), BAD_PARAMETER, "{bad:?}");
    }
    assert!(rig.device.display().surfaces.is_empty());
    assert_eq!(rig.set_scanout(0, 1, rect(15, 15, 1, 1)), OK);
}

#[test]
fn an_unknown_resource_is_not_shown() {
    let mut rig = Rig::new();

    assert_eq!(rig.set_scanout(0, 9, rect(0, 0, 16, 16)), BAD_RESOURCE);
    assert_eq!(rig.flush(9, rect(0, 0, 16, 16)), BAD_RESOURCE);
    assert_eq!(rig.flush(0, rect(0, 0, 16, 16)), BAD_RESOURCE);
}

#[test]
fn resource_zero_switches_a_scanout_off_whatever_the_rectangle() {
    // Linux sends a size with it at a mode set.
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);

    assert_eq!(rig.set_scanout(0, 0, rect(5, u32::MAX, 1280, 800)), OK);

    assert!(rig.device.display().surfaces.is_empty());
    assert_eq!(rig.set_scanout(0, 0, rect(0, 0, 0, 0)), OK);
}

#[test]
fn the_surface_has_the_rectangle_s_size_not_the_resource_s() {
    let mut rig = Rig::new();
    rig.image(1, 64, 64, gradient);

    assert_eq!(rig.set_scanout(0, 1, rect(8, 4, 40, 30)), OK);

    let Some(Record::Created(_, request)) = rig.records().into_iter().next() else {
        panic!("a surface is made first");
    };
    assert_eq!((request.width, request.height), (40, 30));
    assert_eq!(request.role, Role::Scanout { output: 0 });
}

#[test]
fn a_sub_rectangle_shows_its_own_pixels() {
    let mut rig = Rig::new();
    rig.image(1, 64, 64, gradient);

    assert_eq!(rig.set_scanout(0, 1, rect(8, 4, 3, 2)), OK);

    let (damage, pixels) = rig.frames().remove(0);
    assert_eq!(damage, [rect(0, 0, 3, 2)]);
    assert_eq!(
        pixels,
        [
            0x40_0804, 0x40_0904, 0x40_0a04, //
            0x40_0805, 0x40_0905, 0x40_0a05,
        ]
    );
}

#[test]
fn damage_is_clipped_to_each_scanout_and_moved_to_its_origin() {
    // Two heads side by side in one framebuffer.
    let mut rig = Rig::with(2, Limits::default());
    rig.image(1, 64, 32, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 32, 32)), OK);
    assert_eq!(rig.set_scanout(1, 1, rect(32, 0, 32, 32)), OK);
    rig.records();

    assert_eq!(rig.flush(1, rect(28, 10, 8, 5)), OK);

    let damage: Vec<_> = rig.frames().into_iter().map(|frame| frame.0).collect();
    assert_eq!(damage, [[rect(28, 10, 4, 5)], [rect(0, 10, 4, 5)]]);
}

#[test]
fn a_flush_beside_the_scanout_presents_nothing() {
    let mut rig = Rig::new();
    rig.image(1, 64, 32, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 32, 32)), OK);
    rig.records();

    assert_eq!(rig.flush(1, rect(32, 0, 32, 32)), OK);
    assert_eq!(rig.flush(1, rect(3, 3, 0, 0)), OK);

    assert_eq!(rig.records(), []);
}

#[test]
fn a_flush_outside_the_resource_is_refused() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    for bad in [
        rect(0, 0, 17, 1),
        rect(0, 0, 1, 17),
        rect(16, 0, 1, 1),
        rect(u32::MAX, u32::MAX, 2, 2),
        rect(0, 0, u32::MAX, u32::MAX),
    ] {
        assert_eq!(rig.flush(1, bad), BAD_PARAMETER, "{bad:?}");
    }
    assert_eq!(rig.flush(1, rect(15, 15, 1, 1)), OK);
}

#[test]
fn a_resource_that_is_not_shown_is_flushed_to_nowhere() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);

    assert_eq!(rig.flush(1, rect(0, 0, 16, 16)), OK);

    assert_eq!(rig.records(), []);
}

#[test]
fn nothing_is_shown_before_it_is_flushed() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    rig.records();

    assert_eq!(rig.transfer(1, rect(0, 0, 16, 16), 0), OK);
    assert_eq!(rig.records(), []);
}

#[test]
fn a_page_flip_of_the_same_size_keeps_the_surface_and_shows_the_whole_new_picture() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, |_, _| 1);
    rig.image_at(support::IMAGE + 4096, 2, 16, 16, |_, _| 2);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    rig.records();

    assert_eq!(rig.set_scanout(0, 2, rect(0, 0, 16, 16)), OK);

    let records = rig.records();
    let [Record::Presented { damage, pixels, .. }] = &records[..] else {
        panic!("one frame and nothing else: {records:?}");
    };
    assert_eq!(damage[..], [rect(0, 0, 16, 16)]);
    assert!(pixels.iter().all(|pixel| *pixel == 2));
}

#[test]
fn after_a_page_flip_the_old_resource_is_shown_no_more() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, |_, _| 1);
    rig.image_at(support::IMAGE + 4096, 2, 16, 16, |_, _| 2);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    assert_eq!(rig.set_scanout(0, 2, rect(0, 0, 16, 16)), OK);
    rig.records();

    assert_eq!(rig.flush(1, rect(0, 0, 16, 16)), OK);
    assert_eq!(rig.unref(1), OK);

    assert_eq!(rig.records(), []);
    assert_eq!(rig.flush(2, rect(0, 0, 1, 1)), OK);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn a_new_size_configures_the_surface_that_is_there() {
    let mut rig = Rig::new();
    rig.image(1, 64, 64, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 64, 64)), OK);
    let surface = rig.device.display().only_surface();
    rig.records();

    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 32, 48)), OK);

    let records = rig.records();
    let Record::Configured(configured, request) = &records[0] else {
        panic!("the surface is configured: {records:?}");
    };
    assert_eq!(*configured, surface);
    assert_eq!((request.width, request.height), (32, 48));
}

#[test]
fn a_resource_that_takes_over_an_id_is_not_shown_in_its_predecessor_s_place() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    assert_eq!(rig.unref(1), OK);
    assert_eq!(rig.create(1, 16, 16), OK);
    rig.records();

    assert_eq!(rig.flush(1, rect(0, 0, 16, 16)), OK);

    assert_eq!(rig.records(), []);
}

#[test]
fn a_display_that_makes_no_surface_fails_the_command() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    rig.device.display_mut().refuses_surfaces = true;

    assert_eq!(
        rig.set_scanout(0, 1, rect(0, 0, 16, 16)),
        Err(ErrorCode::Unspec)
    );

    rig.device.display_mut().refuses_surfaces = false;
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    assert_eq!(rig.frames().len(), 1);
}

#[test]
fn one_frame_serves_all_flushes_of_a_batch() {
    let mut rig = Rig::new();
    rig.image(1, 64, 64, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 64, 64)), OK);
    rig.records();
    for place in [0, 20, 40] {
        rig.driver.send(
            &virtio_gpu::protocol::Command::ResourceFlush {
                rect: rect(place, place, 4, 4),
                resource: virtio_gpu::protocol::ResourceId(1),
            },
            None,
        );
    }

    let _ = rig.kick(QueueIndex::Control);

    let frames = rig.frames();
    assert_eq!(frames.len(), 1);
    let mut damage = frames[0].0.clone();
    damage.sort_by_key(|rect| rect.x);
    assert_eq!(
        damage,
        [rect(0, 0, 4, 4), rect(20, 20, 4, 4), rect(40, 40, 4, 4)]
    );
}

#[test]
fn while_the_display_is_busy_damage_gathers_and_the_newest_frame_is_shown_later() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, |_, _| 1);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    rig.records();
    rig.device.display_mut().answer = Presented::Busy;
    assert_eq!(rig.flush(1, rect(0, 0, 2, 2)), OK);
    rig.paint(support::IMAGE, 16, 16, |_, _| 7);
    assert_eq!(rig.transfer(1, rect(0, 0, 16, 16), 0), OK);
    assert_eq!(rig.flush(1, rect(8, 8, 2, 2)), OK);
    assert_eq!(rig.records(), []);

    let surface = rig.device.display().only_surface();
    let display = rig.device.display_mut();
    display.answer = Presented::Taken;
    display.events.push_back(Event::Ready { surface });
    let _ = rig.device.dispatch_display(Instant::now());

    let (mut damage, pixels) = rig.frames().remove(0);
    damage.sort_by_key(|rect| rect.x);
    assert_eq!(damage, [rect(0, 0, 2, 2), rect(8, 8, 2, 2)]);
    assert!(pixels.iter().all(|pixel| *pixel == 7));
}

#[test]
fn a_scanout_that_was_refused_is_presented_before_the_others() {
    // One scanout that always has something new must not starve another.
    let mut rig = Rig::with(2, Limits::default());
    rig.image(1, 16, 16, |_, _| 1);
    rig.image_at(support::IMAGE + 4096, 2, 16, 16, |_, _| 2);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    assert_eq!(rig.set_scanout(1, 2, rect(0, 0, 16, 16)), OK);
    rig.records();

    // A viewer that takes one frame at a time; scanout 0 always has a new one.
    let mut shown = Vec::new();
    for _ in 0..4 {
        rig.device.display_mut().frames_taken = Some(0);
        assert_eq!(rig.flush(1, rect(0, 0, 16, 16)), OK);
        assert_eq!(rig.flush(2, rect(0, 0, 16, 16)), OK);
        let display = rig.device.display_mut();
        display.frames_taken = Some(1);
        let ready = display
            .surfaces
            .keys()
            .map(|surface| Event::Ready { surface: *surface });
        display.events = ready.collect();
        let _ = rig.device.dispatch_display(Instant::now());
        shown.extend(rig.frames().into_iter().map(|(_, pixels)| pixels[0]));
    }

    assert_eq!(shown, [1, 2, 1, 2]);
}

#[test]
fn a_large_scanout_is_presented_in_steps_that_cover_all_of_it() {
    let mut limits = Limits::default();
    limits.present_step_bytes = 16 * 6 * 4;
    let mut rig = Rig::with(1, limits);
    rig.image(1, 16, 16, gradient);
    rig.driver.send(
        &virtio_gpu::protocol::Command::SetScanout {
            rect: rect(0, 0, 16, 16),
            scanout: virtio_gpu::protocol::ScanoutId(0),
            resource: Some(virtio_gpu::protocol::ResourceId(1)),
        },
        None,
    );

    let turns: Vec<bool> = (0..4).map(|_| rig.kick(QueueIndex::Control).more).collect();

    assert_eq!(turns, [true, true, false, false]);
    let damage: Vec<_> = rig.frames().into_iter().map(|frame| frame.0).collect();
    assert_eq!(
        damage,
        [
            [rect(0, 0, 16, 6)],
            [rect(0, 6, 16, 6)],
            [rect(0, 12, 16, 4)]
        ]
    );
}

#[test]
fn a_frame_that_failed_is_presented_again_whole() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    rig.records();
    rig.device.display_mut().fails_to_present = true;
    assert_eq!(rig.flush(1, rect(0, 0, 2, 2)), OK);
    rig.device.display_mut().fails_to_present = false;

    assert_eq!(rig.flush(1, rect(8, 8, 2, 2)), OK);

    let (mut damage, _) = rig.frames().remove(0);
    damage.sort_by_key(|rect| rect.x);
    assert_eq!(damage, [rect(0, 0, 2, 2), rect(8, 8, 2, 2)]);
}

#[test]
fn a_busy_display_is_not_asked_again_until_it_is_ready() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    rig.device.display_mut().answer = Presented::Busy;
    assert_eq!(rig.flush(1, rect(0, 0, 2, 2)), OK);
    rig.records();

    rig.device.display_mut().answer = Presented::Taken;
    assert_eq!(rig.flush(1, rect(4, 4, 2, 2)), OK);

    assert_eq!(rig.records(), []);
}

#[test]
fn a_surface_whose_content_was_lost_is_presented_whole() {
    let mut rig = Rig::new();
    rig.image(1, 16, 16, gradient);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
    rig.records();
    let surface = rig.device.display().only_surface();

    let display = rig.device.display_mut();
    display.events.push_back(Event::Redraw { surface });
    let _ = rig.device.dispatch_display(Instant::now());

    let (damage, _) = rig.frames().remove(0);
    assert_eq!(damage, [rect(0, 0, 16, 16)]);
}
