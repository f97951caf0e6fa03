//! What the renderer draws, shown where it is drawn: neither read nor copied,
//! and not before it is drawn.

use std::time::Instant;

use gpu_display::{Event, Presented};
use gpu_renderer::testing::{Call, Method};
use gpu_renderer::{RenderError, ResourceId as RendererResource};
use virtio_gpu::protocol::{Command, ResourceId, ScanoutId};

use crate::rig::{Fence, OUT_OF_MEMORY, Placement, Rig3d, flush, unref};
use crate::support::{OK, Rect, rect};

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 8,
    height: 8,
};

/// Devices that share, with a renderer in the same thread and on its own.
pub fn each(scanouts: u32) -> [Rig3d; 2] {
    [Placement::Inline, Placement::Thread].map(|placement| Rig3d::sharing(placement, scanouts))
}

/// A picture of 8x8 in this colour on scanout 0.
pub fn show(rig: &mut Rig3d, colour: u32) {
    rig.painted(1, 8, 8, colour);
    assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
    rig.rest();
}

/// The same, of which everything is known.
pub fn on_screen(colour: u32) -> [Rig3d; 2] {
    each(1).map(|mut rig| {
        show(&mut rig, colour);
        assert_eq!(rig.shared_frames().len(), 1);
        rig.journal.take_calls();
        rig
    })
}

/// The resources that the renderer was asked to share since the last time.
pub fn shares(rig: &Rig3d) -> Vec<u32> {
    let calls = rig.journal.take_calls().into_iter();
    calls
        .filter_map(|call| match call {
            Call::Share { resource } => Some(resource.0),
            Call::ReadBack { .. } => panic!("it was read"),
            _ => None,
        })
        .collect()
}

pub fn shared_frames(rig: &Rig3d) -> u64 {
    rig.device.backend().render_statistics().shared_frames
}

fn set_scanout(id: u32) -> Command<'static> {
    Command::SetScanout {
        rect: WHOLE,
        scanout: ScanoutId(0),
        resource: ResourceId::or_none(id),
    }
}

#[test]
fn a_picture_is_presented_where_it_is_and_never_read() {
    for mut rig in each(1) {
        show(&mut rig, 0x112233);
        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![0x112233; 64])]);

        rig.fill(1, 1, 0x445566);
        assert_eq!(rig.flush(1, rect(2, 3, 4, 2)), OK);
        rig.rest();

        let damage = vec![rect(2, 3, 4, 2)];
        assert_eq!(rig.shared_frames(), [(damage, vec![0x445566; 64])]);
        assert_eq!(shares(&rig), [1]);
        let done = rig.device.backend().render_statistics();
        assert_eq!((done.reads, done.read_bytes, done.shared_frames), (0, 0, 2));
    }
}

#[test]
fn its_memory_is_asked_for_once_however_often_pages_are_flipped() {
    for mut rig in each(1) {
        rig.painted(1, 8, 8, 1);
        rig.painted(2, 8, 8, 2);
        for flip in 0..10 {
            let id = 1 + flip % 2;
            assert_eq!(rig.set_scanout(0, id, WHOLE), OK);
            assert_eq!(rig.flush(id, WHOLE), OK);
            rig.rest();
            assert_eq!(rig.shared_frames().pop().unwrap().1, [id; 64]);
        }

        assert_eq!(shares(&rig), [1, 2]);
    }
}

#[test]
fn a_page_flip_and_its_flush_are_one_frame() {
    for mut rig in on_screen(1) {
        rig.painted(2, 8, 8, 2);
        rig.send_in(0, &set_scanout(2), Fence::None);
        rig.send_in(0, &flush(2, WHOLE), Fence::None);
        rig.tell();
        rig.wait_for(2);
        rig.rest();

        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![2; 64])]);
    }
}

#[test]
fn a_part_of_it_shows_that_part_with_its_own_damage() {
    for mut rig in each(1) {
        rig.painted(1, 16, 16, 1);
        assert_eq!(rig.set_scanout(0, 1, rect(4, 4, 8, 8)), OK);
        rig.rest();
        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![1; 64])]);

        assert_eq!(rig.flush(1, rect(0, 0, 6, 5)), OK);
        rig.rest();

        assert_eq!(rig.shared_frames()[0].0, [rect(0, 0, 2, 1)]);
    }
}

#[test]
fn nothing_is_presented_and_no_flush_answered_before_it_is_drawn() {
    for mut rig in on_screen(1) {
        rig.journal.hold_fences();
        rig.fill(1, 1, 2);
        let sent = rig.begin(0, &flush(1, rect(1, 1, 2, 2)), Fence::None);
        rig.linger();
        assert_eq!(rig.answered(), []);
        assert_eq!(rig.shared_frames(), []);

        rig.journal.release_fences();

        assert_eq!(rig.wait_for(1)[0].sent, sent);
        let damage = vec![rect(1, 1, 2, 2)];
        assert_eq!(rig.shared_frames(), [(damage, vec![2; 64])]);
    }
}

#[test]
fn a_flip_alone_is_presented_once_it_is_drawn() {
    for mut rig in on_screen(1) {
        rig.painted(2, 8, 8, 2);
        rig.journal.hold_fences();
        assert_eq!(rig.set_scanout(0, 2, WHOLE), OK, "it is answered at once");
        rig.linger();
        assert_eq!(rig.shared_frames(), []);

        rig.journal.release_fences();
        rig.rest();

        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![2; 64])]);
    }
}

#[test]
fn what_was_drawn_for_a_screen_that_shows_something_else_is_not_presented() {
    for mut rig in on_screen(1) {
        rig.painted(2, 4, 4, 2);
        rig.journal.hold_fences();
        rig.begin(0, &flush(1, WHOLE), Fence::None);
        rig.begin(
            0,
            &Command::SetScanout {
                rect: rect(0, 0, 4, 4),
                scanout: ScanoutId(0),
                resource: Some(ResourceId(2)),
            },
            Fence::None,
        );

        rig.journal.release_fences();
        rig.wait_for(2);
        rig.rest();

        assert_eq!(rig.shared_frames(), [(vec![rect(0, 0, 4, 4)], vec![2; 16])]);
    }
}

#[test]
fn a_busy_display_gets_all_that_changed_when_it_is_ready() {
    for mut rig in on_screen(1) {
        rig.device.display_mut().answer = Presented::Busy;
        for (colour, x) in [(2, 0), (3, 3), (4, 7)] {
            rig.fill(1, 1, colour);
            assert_eq!(rig.flush(1, rect(x, 0, 1, 8)), OK);
        }
        rig.rest();
        assert_eq!(rig.shared_frames(), []);
        let surface = rig.device.display().only_surface();
        let display = rig.device.display_mut();
        display.answer = Presented::Taken;
        display.events.push_back(Event::Ready { surface });

        let _ = rig.device.dispatch_display(Instant::now());
        rig.rest();

        let frames = rig.shared_frames();
        let [(damage, pixels)] = &frames[..] else {
            panic!("{frames:?}")
        };
        assert_eq!(pixels[..], [4; 64]);
        let damaged = |x| damage.iter().any(|part| part.contains(&rect(x, 0, 1, 8)));
        assert!(damaged(0) && damaged(3) && damaged(7));
        assert!(!damaged(5));
        assert_eq!(shared_frames(&rig), 2, "what is refused does not count");
    }
}

#[test]
fn a_display_that_lost_the_picture_gets_it_again_without_asking_for_it() {
    for mut rig in on_screen(6) {
        let surface = rig.device.display().only_surface();
        let events = &mut rig.device.display_mut().events;
        events.push_back(Event::Redraw { surface });

        let _ = rig.device.dispatch_display(Instant::now());
        rig.rest();

        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![6; 64])]);
        assert_eq!(shares(&rig), [] as [u32; 0]);
    }
}

#[test]
fn mirrored_scanouts_all_show_the_same_memory() {
    for mut rig in each(3) {
        rig.painted(1, 8, 8, 1);
        for scanout in 0..3 {
            assert_eq!(rig.set_scanout(scanout, 1, WHOLE), OK);
        }
        rig.rest();
        assert_eq!(rig.shared_frames().len(), 3);
        rig.fill(1, 1, 2);

        assert_eq!(rig.flush(1, WHOLE), OK);
        rig.rest();

        let frames = rig.shared_frames();
        assert_eq!(frames.len(), 3);
        assert!(frames.iter().all(|(_, pixels)| pixels == &[2; 64]));
        assert_eq!(shares(&rig), [1]);
    }
}

#[test]
fn the_device_lets_go_of_the_memory_with_the_resource() {
    for mut rig in on_screen(1) {
        let held = rig.device.display_mut().held.take().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&held), 2);

        assert_eq!(rig.unref(1), OK);

        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        assert!(rig.device.display().surfaces.is_empty());
    }
}

#[test]
fn a_reset_lets_go_of_the_memory_and_of_all_that_was_awaited() {
    for mut rig in on_screen(1) {
        let held = rig.device.display_mut().held.take().unwrap();
        rig.journal.hold_fences();
        rig.begin(0, &flush(1, WHOLE), Fence::None);

        rig.device.reset();

        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        assert_eq!(rig.device.backend().awaited_jobs(), 1, "the reset itself");
    }
}

#[test]
fn memory_that_comes_for_an_id_that_is_another_resource_now_is_not_shown() {
    let mut rig = Rig3d::sharing(Placement::Thread, 1);
    rig.painted(1, 8, 8, 1);
    rig.painted(2, 8, 8, 2);
    rig.journal.pause();
    rig.begin(0, &set_scanout(1), Fence::None);
    rig.begin(0, &unref(1), Fence::None);
    let again = Command::ResourceCreate3d(crate::rig::picture(1, 8, 8));
    rig.begin(0, &again, Fence::None);
    rig.begin(0, &set_scanout(1), Fence::None);

    rig.journal.resume();
    rig.wait_for(4);
    rig.rest();

    assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![0; 64])]);
    assert_eq!(shares(&rig), [1, 1], "each has its own memory");
    assert_eq!(rig.device.backend().awaited_jobs(), 0);
}

#[test]
fn a_2d_resource_that_became_the_renderer_s_is_shared_too() {
    for mut rig in each(1) {
        assert_eq!(rig.create_context(1), OK);
        rig.image(1, 8, 8, |_, _| 7);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        assert_eq!(rig.frames(), [(vec![WHOLE], vec![7; 64])], "ours");
        assert_eq!(rig.attach_to(1, 1), OK);

        rig.fill(1, 1, 8);
        rig.rest();

        assert_eq!(rig.flush(1, WHOLE), OK);
        assert_eq!(rig.shared_frames().pop().unwrap().1, [8; 64]);
        assert_eq!(shares(&rig), [1]);
    }
}

#[test]
fn a_cursor_is_read_back_all_the_same() {
    // QEMU's display socket and most compositors take a cursor's pixels only.
    for mut rig in on_screen(1) {
        rig.painted(2, 8, 8, 5);
        assert_eq!(rig.call(crate::cursors::update(2, 0)), OK);
        rig.rest();

        let frames = rig.frames();
        assert_eq!(frames, [(vec![WHOLE], vec![5; 64])]);
        assert_eq!(rig.reads(), [[WHOLE]]);
    }
}

#[test]
fn a_fence_that_cannot_be_had_fails_the_flush_and_loses_no_frame() {
    for mut rig in on_screen(1) {
        rig.fill(1, 1, 2);
        let refused = RenderError::OutOfMemory(RendererResource(1));
        rig.journal.fail_next(Method::CreateFence, refused);

        assert_eq!(rig.flush(1, WHOLE), OUT_OF_MEMORY);
        rig.rest();

        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![2; 64])]);
    }
}
