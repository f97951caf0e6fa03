//! TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D of whole textures, beside the same transfers done directly.

use gpu_renderer::Direction;

use super::Setting;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, attach, unref};
use crate::report::{Goal, Race, Report};
use crate::texture::Texture;

const BATCH: u16 = 8;

const TEXTURE: Texture = Texture {
    number: 1,
    size: FULL_HD,
};

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    let Some(mut direct) = super::direct() else {
        return;
    };
    let mut front_ends = setting.start_rendering();
    for backing in [Backing::Whole, Backing::Pages] {
        direct.create(TEXTURE);
        direct.attach(TEXTURE, &setting.guest, backing);
        for front_end in &mut front_ends {
            let mut requests = TEXTURE.creation();
            requests.push(attach(TEXTURE.number, backing, TEXTURE.size.bytes()));
            front_end.control.succeed(&requests);
        }
        for direction in [Direction::ToHost, Direction::FromHost] {
            race(
                setting,
                report,
                &mut front_ends,
                &mut direct,
                Copy { backing, direction },
            );
        }
        direct.destroy(TEXTURE);
        for front_end in &mut front_ends {
            front_end.control.succeed(&[unref(TEXTURE.number)]);
        }
    }
}

/// What is copied, and which way.
#[derive(Clone, Copy, Debug)]
struct Copy {
    backing: Backing,
    direction: Direction,
}

fn race(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    direct: &mut Direct,
    copy: Copy,
) {
    let Copy { backing, direction } = copy;
    let requests = vec![TEXTURE.transfer(direction); usize::from(BATCH)];
    let contenders = super::contenders(setting, front_ends, &requests, || {
        for _ in 0..BATCH {
            direct.transfer(TEXTURE, direction);
        }
    });
    let way = match direction {
        Direction::ToHost => "to",
        Direction::FromHost => "from",
    };
    Race {
        what: format!(
            "transfer 3D {way} the host, {} {}, {BATCH} a kick",
            TEXTURE.size.name,
            backing.name()
        ),
        unit: "frames/s",
        rounds: setting.rounds,
        contenders,
        goals: &[Goal::AtLeast(0.95), Goal::AtLeast(1.0)],
    }
    .run(report);
}
