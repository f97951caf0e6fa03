//! How long a cursor waits while the control queue is never empty.

use virtio_gpu::protocol::{Command, CursorPosition, ScanoutId};

use super::Setting;
use super::flood::{self, BATCH, Next};
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, UHD, attach, create, flush, request, transfer};
use crate::report::{Goal, Line, Report, percentile};
use crate::screen::SendBuffer;

const RESOURCE: u32 = 1;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    for program in setting.programs() {
        for (what, size, with) in [
            ("flushes", FULL_HD, None),
            ("1080p transfers", FULL_HD, Some(())),
            ("4K transfers", UHD, Some(())),
        ] {
            let mut front_end = FrontEnd::start(program, &setting.guest, 0, SendBuffer::Default);
            front_end.control.succeed(&[
                create(RESOURCE, size),
                attach(RESOURCE, Backing::Whole, size.bytes()),
            ]);
            let command = match with {
                Some(()) => transfer(RESOURCE, size, size.bounds()),
                None => flush(RESOURCE, size.bounds()),
            };
            let batch = vec![command; usize::from(BATCH)];
            let times = waits(setting, &mut front_end, &batch);
            for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
                report.add(Line {
                    what: format!("cursor beside {what}, {name}: {}", program.name),
                    unit: "ms",
                    values: vec![percentile(&times, share)],
                    goal: match (program.name, name) {
                        ("ours", "p99") => Goal::AtMost(16.0),
                        _ => Goal::None,
                    },
                });
            }
        }
    }
}

/// Milliseconds that each cursor command took; a last one of ten seconds where the device never got to it.
fn waits(setting: &Setting, front_end: &mut FrontEnd, batch: &[Vec<u8>]) -> Vec<f64> {
    let moving = request(&Command::MoveCursor {
        position: CursorPosition {
            scanout: ScanoutId(0),
            x: 10,
            y: 10,
        },
    });
    let FrontEnd {
        control, cursor, ..
    } = front_end;
    control.lay_out(batch, true);
    cursor.lay_out(&[moving], false);
    flood::beside(setting, control, || {
        cursor.submit(1);
        match cursor.is_answered() {
            true => Next::Again,
            false => Next::Stop,
        }
    })
}
