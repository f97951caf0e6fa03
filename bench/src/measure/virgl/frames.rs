//! Rendered pictures: cleared, flushed, read back and shown, beside clearing and one read-back done directly.

use super::Setting;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
use crate::guest::{FULL_HD, flush, show};
use crate::report::{Contender, Goal, Race, Report};
use crate::screen::SendBuffer;
use crate::texture::{Fence, Pixels, Texture, create_context, submit};

const TEXTURE: Texture = Texture {
    number: 1,
    size: FULL_HD,
    pixels: Pixels::Bgrx,
};

/// How our daemon is told to show what it renders to nobody.
const HEADLESS: &[&str] = &[
    "--renderer",
    "virgl",
    "--display",
    "headless",
    "--scanout",
    "1920x1080",
];

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    let Some(mut direct) = super::direct() else {
        return;
    };
    direct.create(TEXTURE);
    let read = Direct::reader(TEXTURE);
    let clear = TEXTURE.clear();

    let program = setting.ours.told("ours", HEADLESS);
    let mut front_end = FrontEnd::start(&program, &setting.guest, 0, SendBuffer::Default);
    let control = &mut front_end.control;
    control.succeed(&[create_context()]);
    control.succeed(&TEXTURE.creation());
    control.succeed(&[show(TEXTURE.number, TEXTURE.size)]);
    let frame = [
        submit(&clear, Fence::Unused),
        flush(TEXTURE.number, TEXTURE.size.bounds()),
    ];
    control.lay_out(&frame, true);
    control.round(2);
    control.check();

    let contenders = vec![
        Contender {
            name: "ours",
            measure: Box::new(|| setting.rate(1.0, || control.round(2))),
        },
        Contender {
            name: "direct",
            measure: Box::new(|| {
                setting.rate(1.0, || {
                    direct.submit(&clear);
                    direct.read(&read);
                })
            }),
        },
    ];
    Race {
        what: format!("rendered frames {}, headless", TEXTURE.size.name),
        unit: "frames/s",
        rounds: setting.rounds,
        contenders,
        goals: &[Goal::AtLeast(0.9)],
    }
    .run(report);
}
