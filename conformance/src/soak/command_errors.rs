//! Each way in which a command can fail, on its own: one for each `CommandError` that a 2D guest can cause, and for
//! each way in which bytes are no command.

use virtio_gpu::{Limits, QueueIndex};

use super::machine::{IMAGE, Machine};
use super::meter::Course;
use super::objects::picture;
use super::{PATH_ROUNDS, Plan};
use crate::daemon::Daemon;
use crate::message::{
    Message, attach, attach_promising, capset, capset_info, create, create_format, detach,
    display_info, edid, flush, move_cursor, set_scanout, transfer, unref, update_cursor, whole,
};
use gpu_buffer::Rect;

const OK_DISPLAY_INFO: u32 = 0x1101;
const UNSPEC: u32 = 0x1200;
const OUT_OF_MEMORY: u32 = 0x1201;
const INVALID_SCANOUT: u32 = 0x1202;
const INVALID_RESOURCE: u32 = 0x1203;
const INVALID_PARAMETER: u32 = 0x1205;

/// `VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB`.
const CREATE_BLOB: u32 = 0x010c;
/// `VIRTIO_GPU_CMD_CTX_CREATE`.
const CREATE_CONTEXT: u32 = 0x0200;

/// One failing command.
struct Path {
    name: &'static str,
    /// What makes it fail.
    before: Vec<Message>,
    message: Message,
    answer: u32,
}

pub(super) fn command_errors(plan: &Plan) -> Vec<Course> {
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    let mut courses = Vec::new();
    for path in paths() {
        machine.succeed(&path.before);
        // The longest request is a quarter of a mebibyte.
        let copies = (1 << 22) / path.message.bytes.len();
        let batch = vec![path.message; copies.clamp(1, 64)];
        courses.push(plan.course(path.name, &daemon, &mut machine, |machine| {
            let answers = machine.carry_out(&batch);
            assert!(
                answers.iter().all(|answer| *answer == path.answer),
                "{}: {answers:x?}",
                path.name
            );
            answers.len() as u64
        }));
        machine.reset();
    }
    courses.push(stopped(plan, &daemon, &mut machine));
    courses
}

fn paths() -> Vec<Path> {
    let path = |name, message, answer| Path {
        name,
        before: Vec::new(),
        message,
        answer,
    };
    let image = |name, message, answer| Path {
        before: picture(1, 64, 32).to_vec(),
        ..path(name, message, answer)
    };
    let bare = |name, message, answer| Path {
        before: vec![create(1, 64, 32)],
        ..path(name, message, answer)
    };
    let raw = |kind: u32, length: usize| {
        let mut bytes = vec![0; length.max(24)];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes.truncate(length);
        Message::raw(bytes)
    };
    let mut paths = vec![
        path("unknown type", raw(0x0fff, 24), UNSPEC),
        path("short header", raw(0x0100, 23), INVALID_PARAMETER),
        path(
            "short command",
            create(1, 4, 4).resized(39),
            INVALID_PARAMETER,
        ),
        path("command of 3D", raw(CREATE_CONTEXT, 96), UNSPEC),
        path("blob", raw(CREATE_BLOB, 56), INVALID_PARAMETER),
        path(
            "command on the wrong queue",
            display_info().on(QueueIndex::Cursor).room(24),
            UNSPEC,
        ),
        path(
            "flush of no resource",
            flush(7, whole(1, 1)),
            INVALID_RESOURCE,
        ),
        path("unref of no resource", unref(7), INVALID_RESOURCE),
        path(
            "cursor of no resource",
            update_cursor(0, 7),
            INVALID_RESOURCE,
        ),
        path("resource 0", create(0, 4, 4), INVALID_RESOURCE),
        bare("resource taken", create(1, 4, 4), INVALID_RESOURCE),
        bare(
            "scanout 16",
            set_scanout(16, 1, whole(1, 1)),
            INVALID_SCANOUT,
        ),
        path(
            "cursor on scanout 16",
            move_cursor(16, 0, 0),
            INVALID_SCANOUT,
        ),
        path("format 9", create_format(1, 9, 4, 4), INVALID_PARAMETER),
        path("width 0", create(1, 0, 4), INVALID_PARAMETER),
        path("side 16385", create(1, 16_385, 1), INVALID_PARAMETER),
        Path {
            before: vec![create(1, 257, 1)],
            ..path("giant cursor", update_cursor(0, 1), INVALID_PARAMETER)
        },
        image(
            "transfer outside",
            transfer(1, Rect::new(1, 0, 64, 1), 0),
            INVALID_PARAMETER,
        ),
        image("flush outside", flush(1, whole(64, 33)), INVALID_PARAMETER),
        image(
            "scanout outside",
            set_scanout(0, 1, whole(65, 1)),
            INVALID_PARAMETER,
        ),
        path("EDID of scanout 16", edid(16), INVALID_PARAMETER),
        path("capability set", capset(1, 1), INVALID_PARAMETER),
        path("capability set info", capset_info(0), INVALID_PARAMETER),
        image("backing twice", attach(1, &[(IMAGE, 4096)]), UNSPEC),
        bare("no backing to detach", detach(1), UNSPEC),
        bare(
            "no backing to transfer",
            transfer(1, whole(1, 1), 0),
            UNSPEC,
        ),
        bare(
            "backing outside memory",
            attach(1, &[(IMAGE, 64), (1 << 40, 64)]),
            UNSPEC,
        ),
        bare(
            "fewer entries than promised",
            attach_promising(1, 3, &[(IMAGE, 64); 2]),
            UNSPEC,
        ),
        bare(
            "16385 backing entries",
            attach(1, &[(IMAGE, 1); 16_385]),
            UNSPEC,
        ),
        Path {
            before: vec![create(1, 64, 32), attach(1, &[(IMAGE, 100)])],
            ..path(
                "backing too short",
                transfer(1, whole(64, 32), 0),
                INVALID_PARAMETER,
            )
        },
    ];
    paths.extend(limits());
    paths
}

/// One command beyond each limit.
fn limits() -> [Path; 4] {
    let limits = Limits::default();
    let full = |count: u32| (1..=count).map(|id| create(id, 1, 1)).collect::<Vec<_>>();
    let path = |name, before, message| Path {
        name,
        before,
        message,
        answer: OUT_OF_MEMORY,
    };
    let backings = (limits.total_backing_entries / limits.backing_entries) as u32;
    let entry = (IMAGE, 1);
    let longest = vec![entry; limits.backing_entries];
    let mut entries = full(backings + 1);
    entries.extend((1..=backings).map(|id| attach(id, &longest)));
    // All but one of so many squares fit.
    let scanouts = 15;
    let side = (limits.shown_bytes / 4 / scanouts).isqrt() as u32 + 1;
    let mut shown = vec![create(1, side, side)];
    shown.extend((1..scanouts as u32).map(|scanout| set_scanout(scanout, 1, whole(side, side))));
    let one_more = set_scanout(0, 1, whole(side, side));
    let side = limits.side;
    let resources = limits.resources as u32;
    [
        path("bytes of pixels", Vec::new(), create(1, side, side)),
        path("bytes on scanouts", shown, one_more),
        path("resources", full(resources), create(resources + 1, 1, 1)),
        path(
            "entries of all backings",
            entries,
            attach(backings + 1, &[entry]),
        ),
    ]
}

/// A command that waits for the display when its ring stops: it is answered with what is known.
fn stopped(plan: &Plan, daemon: &Daemon, machine: &mut Machine) -> Course {
    let mut meter = plan.meter("ring stopped", PATH_ROUNDS);
    while meter.goes_on() {
        let silent = machine.neglect_display();
        machine.front_end.synchronize();
        // With its answer, what was still to be said of the display socket before has been said.
        machine.carry_out(&[unref(7)]);
        // When the second has its answer, the first was taken from the ring.
        machine.submit(&[display_info(), unref(7)]);
        machine.settle_but(1);
        let control = QueueIndex::Control;
        machine.front_end.bases[0] = machine.front_end.stop_ring(control);
        drop(silent);
        assert_eq!(machine.settle(), [OK_DISPLAY_INFO]);
        machine.front_end.send_ring_setup(control);
        machine.front_end.send_kick(control);
        meter.advance(1);
        if meter.is_due() {
            machine.replace_display();
            machine.measure(daemon, &mut meter);
        }
    }
    machine.succeed(&[create(1, 4, 4)]);
    meter.finish()
}
