//! Pictures through the display socket: TRANSFER_TO_HOST_2D and RESOURCE_FLUSH until the front end has them.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use gpu_buffer::Rect;

use super::Setting;
use crate::baseline::Copy;
use crate::front_end::FrontEnd;
use crate::guest::{
    Backing, FULL_HD, Part, Size, UHD, attach, create, flush, show, transfer, unref,
};
use crate::report::{Contender, Goal, Race, Report};
use crate::screen::{Screen, SendBuffer, UPDATE, update_header};

const RESOURCE: u32 = 1;

/// Pictures that a guest does not wait for: one is drawn while another is on its way.
const AHEAD: u64 = 1;

/// The best that a socket is given here by anybody.
const LARGE: SendBuffer = SendBuffer::Bytes(4 << 20);

/// Small rectangles of one batch.
const SMALL: u16 = 8;

/// The same for batches of small rectangles.
const BATCHES_AHEAD: u64 = 8;

/// Whole pictures.
pub(super) fn measure(setting: &Setting, report: &mut Report) {
    let mut front_ends = start(setting);
    for size in [FULL_HD, UHD] {
        for work in [Work::TransferAndFlush, Work::Flush] {
            whole(setting, report, &mut front_ends, size, work);
        }
    }
}

/// Small parts of a picture.
pub(super) fn measure_damage(setting: &Setting, report: &mut Report) {
    small(setting, report, &mut start(setting));
}

/// Ours, and QEMU's with the send buffer that it gets and with the best.
fn start(setting: &Setting) -> Vec<FrontEnd> {
    let mut front_ends = vec![FrontEnd::start(
        &setting.ours,
        &setting.guest,
        0,
        SendBuffer::Default,
    )];
    if let Some(qemu) = &setting.qemu {
        let start = |area, buffer| FrontEnd::start(qemu, &setting.guest, area, buffer);
        front_ends.push(start(1, SendBuffer::Default));
        let mut large = start(2, LARGE);
        large.name = "qemu, 4 MiB";
        front_ends.push(large);
    }
    front_ends
}

/// What a guest does for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    TransferAndFlush,
    Flush,
}

fn whole(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    size: Size,
    work: Work,
) {
    let mut batch = vec![flush(RESOURCE, size.bounds())];
    let what = match work {
        Work::Flush => format!("frames {}, flush", size.name),
        Work::TransferAndFlush => {
            batch.insert(0, transfer(RESOURCE, size, size.bounds()));
            format!("frames {}, transfer+flush", size.name)
        }
    };
    prepare(front_ends, size, &batch);
    let pace = Pace {
        requests: batch.len() as u16,
        updates: 1,
        ahead: AHEAD,
    };
    let raw = [
        ("raw writer", RawWriter::open(SendBuffer::Default, size)),
        ("raw writer, 4 MiB", RawWriter::open(LARGE, size)),
    ];
    let copy = Copy::new(&setting.guest, Part::whole(size), Backing::Whole);
    let copied = || match work {
        Work::Flush => {}
        Work::TransferAndFlush => copy.run(1),
    };
    let mut contenders: Vec<_> = front_ends
        .iter_mut()
        .map(|front_end| {
            let name = front_end.name;
            Contender {
                name,
                measure: Box::new(move || pace.rate(setting, front_end)),
            }
        })
        .collect();
    for (place, (name, writer)) in raw.iter().enumerate() {
        contenders.insert(
            place + 1,
            Contender {
                name,
                measure: Box::new(|| writer.rate(setting, &copied)),
            },
        );
    }
    Race {
        what,
        unit: "frames/s",
        rounds: setting.rounds,
        contenders,
        goals: &[
            Goal::AtLeast(0.85),
            Goal::AtLeast(0.85),
            Goal::AtLeast(1.3),
            Goal::AtLeast(1.3),
        ],
    }
    .run(report);
    hide(front_ends);
}

/// 64 by 64 pixels at a time of a 4K screen.
fn small(setting: &Setting, report: &mut Report, front_ends: &mut [FrontEnd]) {
    let rects = (0..u32::from(SMALL)).map(|place| Rect {
        x: 100 + place * 400,
        y: 100 + place * 200,
        width: 64,
        height: 64,
    });
    let batch: Vec<_> = rects
        .flat_map(|rect| [transfer(RESOURCE, UHD, rect), flush(RESOURCE, rect)])
        .collect();
    prepare(front_ends, UHD, &batch);
    let updates = u64::from(SMALL);
    let pace = Pace {
        requests: batch.len() as u16,
        updates,
        ahead: BATCHES_AHEAD * updates,
    };
    let contenders = front_ends
        .iter_mut()
        .map(|front_end| {
            let name = front_end.name;
            Contender {
                name,
                measure: Box::new(move || pace.rate(setting, front_end)),
            }
        })
        .collect();
    Race {
        what: "64x64 damage at 4K, 8 a kick".to_owned(),
        unit: "updates/s",
        rounds: setting.rounds,
        contenders,
        goals: &[Goal::AtLeast(1.5), Goal::AtLeast(1.5)],
    }
    .run(report);
    hide(front_ends);
}

fn prepare(front_ends: &mut [FrontEnd], size: Size, batch: &[Vec<u8>]) {
    for front_end in front_ends {
        front_end.control.succeed(&[
            create(RESOURCE, size),
            attach(RESOURCE, Backing::Whole, size.bytes()),
            show(RESOURCE, size),
        ]);
        let before = front_end.screen.updates();
        let first = flush(RESOURCE, size.bounds());
        front_end.control.succeed(&[first]);
        assert!(front_end.screen.wait_for(before + 1), "no picture came");
        front_end.control.lay_out(batch, true);
    }
}

fn hide(front_ends: &mut [FrontEnd]) {
    for front_end in front_ends {
        front_end.control.succeed(&[show(0, UHD), unref(RESOURCE)]);
    }
}

/// Keeps a guest from running away from the front end.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Requests of a batch.
    requests: u16,
    /// Pictures that a batch makes.
    updates: u64,
    /// What a guest may be ahead of the front end, in pictures.
    ahead: u64,
}

impl Pace {
    /// How many pictures a second come through.
    fn rate(self, setting: &Setting, front_end: &mut FrontEnd) -> f64 {
        let screen = &front_end.screen;
        let first = screen.updates();
        let mut wanted = first;
        let start = Instant::now();
        while start.elapsed() < setting.slice {
            front_end.control.round(self.requests);
            wanted += self.updates;
            let must_have = wanted.saturating_sub(self.ahead).max(first);
            if !screen.wait_for(must_have) {
                // Two pictures became one.
                wanted = screen.updates();
            }
        }
        screen.wait_for(wanted);
        (screen.updates() - first) as f64 / start.elapsed().as_secs_f64()
    }
}

/// Blocking writes of the same messages, with the same copy before where the guest transfers.
#[derive(Debug)]
struct RawWriter {
    screen: Screen,
    socket: UnixStream,
    message: Vec<u8>,
}

impl RawWriter {
    fn open(buffer: SendBuffer, size: Size) -> Self {
        let (screen, socket) = Screen::open(buffer);
        let length = 20 + size.bytes() as u32;
        let mut message = update_header(UPDATE, 0, length);
        let fields = [0, 0, 0, size.width, size.height];
        message.extend(fields.iter().flat_map(|word| word.to_ne_bytes()));
        message.resize(12 + length as usize, 0x55);
        Self {
            screen,
            socket,
            message,
        }
    }

    fn rate(&self, setting: &Setting, before: &dyn Fn()) -> f64 {
        let first = self.screen.updates();
        let mut sent = 0;
        let start = Instant::now();
        while start.elapsed() < setting.slice {
            before();
            (&self.socket).write_all(&self.message).unwrap();
            sent += 1;
        }
        self.screen.wait_for(first + sent);
        (self.screen.updates() - first) as f64 / start.elapsed().as_secs_f64()
    }
}
