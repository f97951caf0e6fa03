//! TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D of whole textures, beside the same transfers done directly.

use gpu_renderer::Direction;

use super::Setting;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, attach, unref};
use crate::report::{Goal, Race, Report};
use crate::texture::{Pixels, Texture};

/// Transfers at a kick.
const BATCH: u16 = 8;

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    let Some(mut direct) = super::direct() else {
        return;
    };
    let mut front_ends = setting.start_rendering();
    for pixels in [Pixels::Rgba, Pixels::Bgrx] {
        for backing in [Backing::Whole, Backing::Pages] {
            let texture = Texture {
                number: 1,
                size: FULL_HD,
                pixels,
            };
            direct.create(texture);
            direct.attach(texture, &setting.guest, backing);
            for front_end in &mut front_ends {
                let mut requests = texture.creation();
                requests.push(attach(texture.number, backing, texture.size.bytes()));
                front_end.control.succeed(&requests);
            }
            for direction in [Direction::ToHost, Direction::FromHost] {
                let copy = Copy {
                    texture,
                    backing,
                    direction,
                };
                race(setting, report, &mut front_ends, &mut direct, copy);
            }
            direct.destroy(texture);
            for front_end in &mut front_ends {
                front_end.control.succeed(&[unref(texture.number)]);
            }
        }
    }
}

/// What is copied, and which way.
#[derive(Clone, Copy, Debug)]
struct Copy {
    texture: Texture,
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
    let Copy {
        texture,
        backing,
        direction,
    } = copy;
    let requests = vec![texture.transfer(direction); usize::from(BATCH)];
    let contenders = super::contenders(setting, front_ends, &requests, || {
        for _ in 0..BATCH {
            direct.transfer(texture, direction);
        }
    });
    let way = match direction {
        Direction::ToHost => "to",
        Direction::FromHost => "from",
    };
    Race {
        what: format!(
            "3D {way} host, {} {}, {}",
            texture.size.name,
            texture.pixels.name(),
            backing.name()
        ),
        unit: "frames/s",
        rounds: setting.rounds,
        contenders,
        goals: &[Goal::AtLeast(0.95), Goal::AtLeast(1.0)],
    }
    .run(report);
}
