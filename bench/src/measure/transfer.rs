//! TRANSFER_TO_HOST_2D of whole pictures and of parts, 16 at each kick, beside a bare loop of memcpy over the same
//! memory.

use gpu_buffer::Rect;

use super::Setting;
use crate::baseline::Bare;
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, Part, UHD, attach, create, transfer, unref};
use crate::report::{Contender, Goal, Race, Report};
use crate::screen::SendBuffer;

const BATCH: u16 = 16;
const RESOURCE: u32 = 1;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    let mut front_ends: Vec<_> = setting
        .programs()
        .zip(0..)
        .map(|(program, area)| FrontEnd::start(program, &setting.guest, area, SendBuffer::Default))
        .collect();
    for (name, part) in [
        ("1080p", Part::whole(FULL_HD)),
        ("4K", Part::whole(UHD)),
        ("256x256 of 1080p", SQUARE),
    ] {
        for backing in [Backing::Whole, Backing::Pages] {
            let work = Work {
                name,
                part,
                backing,
            };
            race(setting, report, &mut front_ends, work);
        }
    }
}

/// A square in the middle, whose rows begin and end within pages.
const SQUARE: Part = Part {
    size: FULL_HD,
    rect: Rect::new(832, 412, 256, 256),
};

/// What is transferred.
#[derive(Clone, Copy, Debug)]
struct Work {
    name: &'static str,
    part: Part,
    backing: Backing,
}

fn race(setting: &Setting, report: &mut Report, front_ends: &mut [FrontEnd], work: Work) {
    let Work {
        name,
        part,
        backing,
    } = work;
    let size = part.size;
    let pictures = f64::from(BATCH);
    for front_end in &mut *front_ends {
        front_end.control.succeed(&[
            create(RESOURCE, size),
            attach(RESOURCE, backing, size.bytes()),
        ]);
        let batch = vec![transfer(RESOURCE, size, part.rect); usize::from(BATCH)];
        front_end.control.lay_out(&batch, true);
        front_end.control.round(BATCH);
        front_end.control.check();
    }
    let bare = Bare::copying(&setting.guest, part, backing, u32::from(BATCH));
    let mut contenders: Vec<_> = front_ends
        .iter_mut()
        .map(|front_end| Contender {
            name: front_end.name,
            measure: Box::new(|| setting.rate(pictures, || front_end.control.round(BATCH))),
        })
        .collect();
    contenders.insert(
        1,
        Contender {
            name: "memcpy",
            measure: Box::new(|| setting.rate(pictures, || bare.round())),
        },
    );
    let to_memcpy = match backing {
        Backing::Whole => Goal::AtLeast(0.97),
        Backing::Pages => Goal::AtLeast(0.95),
    };
    Race {
        what: format!("transfer {name} {}, 16 a kick", backing.name()),
        unit: "frames/s",
        rounds: setting.rounds,
        contenders,
        goals: &[to_memcpy, Goal::AtLeast(1.0)],
    }
    .run(report);
    for front_end in front_ends {
        front_end.control.succeed(&[unref(RESOURCE)]);
    }
}
