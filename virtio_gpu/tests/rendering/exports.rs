//! Other device models ask for what the renderer has.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use resource_bridge::{Buffer, Key, Owner, Reason, Sharing, Ticket};

use crate::rig::{Placement, Rig3d};
use crate::support::{OK, PATIENCE};

/// A picture of the renderer's, and a question for it under ticket 7.
fn asked(placement: Placement) -> Rig3d {
    let mut rig = Rig3d::sharing(placement, 1);
    assert_eq!(rig.create_context(1), OK);
    rig.painted(3, 8, 4, 0x0011_2233);
    let described = rig.device.describe(Key::Id(3)).unwrap();
    let shared = rig.device.share(&described, Ticket(7));
    assert!(matches!(shared, Sharing::Later), "{shared:?}");
    rig
}

fn answer(rig: &mut Rig3d) -> (Ticket, Result<Buffer, Reason>) {
    let begun = Instant::now();
    loop {
        if let Some(answer) = rig.device.next_shared() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "an answer comes");
        let _ = rig.device.dispatch_renderer(Instant::now());
        rig.work(Duration::from_millis(10));
    }
}

fn texels(buffer: Buffer) -> Vec<u8> {
    let plane = buffer.planes.into_iter().next().unwrap();
    let mut bytes = vec![0; 8 * 4 * 4];
    let file = File::from(plane.fd);
    file.read_exact_at(&mut bytes, plane.offset.into()).unwrap();
    bytes
}

#[test]
fn they_get_it_when_the_renderer_has_shared_it() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = asked(placement);
        let generation = rig.device.describe(Key::Id(3)).unwrap().generation;

        let (ticket, buffer) = answer(&mut rig);

        assert_eq!(ticket, Ticket(7));
        let buffer = buffer.unwrap();
        assert_eq!((buffer.width, buffer.height), (8, 4));
        assert_eq!(buffer.generation, generation);
        assert_eq!(texels(buffer), [0x33, 0x22, 0x11, 0].repeat(32));
        assert!(rig.device.next_shared().is_none(), "it comes once");
    }
}

#[test]
fn they_get_what_they_asked_for_though_its_id_is_used_for_something_else() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = asked(placement);
        assert_eq!(rig.unref(3), OK);
        rig.painted(3, 8, 4, 0x00aa_aaaa);

        let (_, buffer) = answer(&mut rig);

        assert_eq!(texels(buffer.unwrap()), [0x33, 0x22, 0x11, 0].repeat(32));
    }
}

#[test]
fn a_reset_answers_those_who_wait() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = asked(placement);

        rig.device.reset();

        let (ticket, buffer) = rig.device.next_shared().unwrap();
        assert_eq!(ticket, Ticket(7));
        assert!(matches!(buffer, Err(Reason::Gone)), "{buffer:?}");
        rig.work(Duration::from_millis(10));
        assert!(rig.device.next_shared().is_none(), "it comes once");
    }
}
