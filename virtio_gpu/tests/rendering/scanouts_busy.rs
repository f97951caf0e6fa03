//! A display that cannot take frames, or a renderer that is slow: damage is
//! kept, the newest picture wins, and memory is bounded.

use std::time::Instant;

use gpu_display::{Event, Presented};
use virtio_gpu::protocol::{Command, ResourceId, ScanoutId};

use crate::rig::{CONTROL, Fence, Placement, Rig3d, flush};
use crate::support::{OK, Rect, rect};

fn on_screen(rig: &mut Rig3d) {
    rig.painted(1, 8, 8, 1);
    assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 8, 8)), OK);
    rig.rest();
    rig.records();
    rig.journal.take_calls();
}

/// The display takes no frame, and has said so.
fn busy() -> [Rig3d; 2] {
    Rig3d::each().map(|mut rig| {
        on_screen(&mut rig);
        rig.device.display_mut().answer = Presented::Busy;
        assert_eq!(rig.flush(1, rect(0, 0, 1, 1)), OK);
        rig.rest();
        rig.records();
        rig.journal.take_calls();
        rig
    })
}

fn ready(rig: &mut Rig3d) {
    let surface = rig.device.display().only_surface();
    let display = rig.device.display_mut();
    display.answer = Presented::Taken;
    display.events.push_back(Event::Ready { surface });
    let _ = rig.device.dispatch_display(Instant::now());
    rig.rest();
}

#[test]
fn while_the_display_is_busy_flushes_are_answered_at_once_and_nothing_is_read() {
    for mut rig in busy() {
        for _ in 0..100 {
            assert_eq!(rig.flush(1, rect(0, 0, 8, 8)), OK);
        }
        rig.rest();

        assert_eq!(rig.reads(), [] as [Vec<Rect>; 0]);
        assert_eq!(rig.records(), []);
    }
}

#[test]
fn when_it_is_ready_the_newest_picture_is_shown_wherever_it_changed() {
    for mut rig in busy() {
        for (colour, x) in [(2, 3), (3, 5), (4, 7)] {
            rig.fill(1, 1, colour);
            assert_eq!(rig.flush(1, rect(x, 2, 1, 1)), OK);
        }
        rig.journal.take_calls();

        ready(&mut rig);

        let frames = rig.frames();
        let (_, pixels) = frames.last().expect("a frame was presented");
        assert_eq!(pixels[2 * 8 + 3], 4);
        assert_eq!(pixels[2 * 8 + 7], 4);
        let damaged = |x, y| {
            let pixel = rect(x, y, 1, 1);
            let mut damage = frames.iter().flat_map(|(damage, _)| damage);
            damage.any(|part| part.contains(&pixel))
        };
        assert!(damaged(0, 0), "what was refused");
        assert!(damaged(3, 2) && damaged(5, 2) && damaged(7, 2));
        assert!(!damaged(4, 4));
        assert_eq!(rig.reads().len(), 1, "read once");
    }
}

#[test]
fn a_display_that_is_busy_again_and_again_gets_the_newest_in_the_end() {
    for mut rig in busy() {
        for colour in 2..20 {
            rig.fill(1, 1, colour);
            assert_eq!(rig.flush(1, rect(0, 0, 8, 8)), OK);
            rig.device.display_mut().frames_taken = Some(1);
            ready(&mut rig);
        }
        rig.device.display_mut().frames_taken = None;
        ready(&mut rig);

        assert_eq!(rig.frames().pop().unwrap().1, [19; 64]);
    }
}

#[test]
fn a_page_flip_while_it_is_busy_shows_the_other_picture() {
    for mut rig in busy() {
        rig.painted(2, 8, 8, 7);
        assert_eq!(rig.set_scanout(0, 2, rect(0, 0, 8, 8)), OK);

        ready(&mut rig);

        assert_eq!(rig.frames().pop().unwrap().1, [7; 64]);
    }
}

#[test]
fn redraw_while_it_is_busy_is_presented_whole() {
    for mut rig in busy() {
        rig.fill(1, 1, 9);
        assert_eq!(rig.flush(1, rect(0, 0, 8, 8)), OK);
        let surface = rig.device.display().only_surface();
        let display = rig.device.display_mut();
        display.answer = Presented::Taken;
        display.events.push_back(Event::Redraw { surface });

        let _ = rig.device.dispatch_display(Instant::now());
        rig.rest();

        let frames = rig.frames();
        let (damage, pixels) = frames.last().unwrap();
        assert_eq!(damage[..], [rect(0, 0, 8, 8)]);
        assert_eq!(pixels[..], [9; 64]);
    }
}

#[test]
fn a_slow_renderer_reads_into_three_buffers_at_most() {
    let mut rig = Rig3d::new(Placement::Thread);
    on_screen(&mut rig);
    let before = rig.device.backend().render_statistics().reads;
    rig.journal.pause();
    for _ in 0..50 {
        rig.begin(0, &flush(1, rect(0, 0, 8, 8)), Fence::None);
    }
    rig.linger();

    let on_their_way = rig.device.backend().render_statistics().reads - before;
    assert!((1..=3).contains(&on_their_way), "{on_their_way}");
    // A flush that cannot be read now is not held up.
    assert_eq!(rig.device.in_flight() as u64, on_their_way);

    rig.journal.resume();
    rig.rest();
    assert_eq!(rig.device.in_flight(), 0);
}

#[test]
fn what_a_slow_renderer_could_not_read_is_read_afterwards() {
    let mut rig = Rig3d::new(Placement::Thread);
    on_screen(&mut rig);
    rig.journal.pause();
    for y in 0..8 {
        rig.begin(0, &flush(1, rect(0, y, 8, 1)), Fence::None);
    }

    rig.journal.resume();
    rig.rest();

    let rows: u32 = rig
        .reads()
        .iter()
        .flatten()
        .map(|part| part.height * part.width / 8)
        .sum();
    assert!(rows >= 8, "every row was read");
    let presented = rig.frames();
    for y in 0..8 {
        let row = rect(0, y, 8, 1);
        let mut damage = presented.iter().flat_map(|(damage, _)| damage);
        assert!(damage.any(|part| part.contains(&row)), "row {y}");
    }
}

#[test]
fn the_rest_of_a_large_picture_is_presented_while_the_next_is_read() {
    let mut limits = virtio_gpu::Limits::default();
    limits.present_step_bytes = 8 * 3 * 4;
    let mut rig = Rig3d::with(Placement::Thread, 1, limits);
    rig.painted(1, 8, 8, 1);
    let set = Command::SetScanout {
        rect: rect(0, 0, 8, 8),
        scanout: ScanoutId(0),
        resource: Some(ResourceId(1)),
    };
    rig.send_in(0, &set, Fence::None);
    let _ = rig.kick(CONTROL);
    // The first step, and no more.
    while rig.device.display().frames() == 0 {
        let _ = rig.device.dispatch_renderer(Instant::now());
    }
    let (damage, _) = rig.frames().remove(0);
    assert_eq!(damage, [rect(0, 0, 8, 3)]);
    rig.journal.pause();

    // The guest draws the next picture, which the renderer is slow to hand out.
    rig.begin(0, &flush(1, rect(0, 0, 8, 8)), Fence::None);

    let (damage, pixels) = rig.frames().remove(0);
    assert_eq!(damage, [rect(0, 3, 8, 3)]);
    assert_eq!(pixels, [1; 64]);
    rig.journal.resume();
    rig.rest();
}

#[test]
fn screens_of_ever_new_sizes_do_not_pile_up_reads() {
    let mut limits = virtio_gpu::Limits::default();
    limits.turn_commands = 1;
    let mut rig = Rig3d::with(Placement::Thread, 1, limits);
    on_screen(&mut rig);
    rig.journal.pause();
    for round in 0..100 {
        let size = 1 + round % 7;
        rig.send_in(
            0,
            &Command::SetScanout {
                rect: rect(0, 0, size, size),
                scanout: ScanoutId(0),
                resource: Some(ResourceId(1)),
            },
            Fence::None,
        );
        // Each turn presents what it has done.
        rig.tell();
    }

    let outstanding = rig.device.backend().renderer().unwrap().outstanding();
    assert!(outstanding <= 64, "{outstanding} jobs");

    rig.journal.resume();
    rig.work_until("all answers", |rig| rig.device.in_flight() == 0);
    rig.rest();
    let size = 1 + 99 % 7;
    assert_eq!(rig.frames().pop().unwrap().1.len(), size * size);
}
