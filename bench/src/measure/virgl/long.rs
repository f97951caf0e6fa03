//! Command streams that take long, one at a time and several on their way.

use super::Setting;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
use crate::guest::{FULL_HD, Size};
use crate::report::{Goal, Race, Report};
use crate::texture::{Fence, Pixels, Texture, submit};

/// Clearing them takes 0.2 ms and more.
const TEXTURES: [Texture; 2] = [
    Texture {
        number: 1,
        size: Size {
            name: "800x600",
            width: 800,
            height: 600,
        },
        pixels: Pixels::Bgrx,
    },
    Texture {
        number: 2,
        size: FULL_HD,
        pixels: Pixels::Bgrx,
    },
];

/// What a guest has on its way that does not wait for each.
const SOME: u16 = 8;

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    let Some(mut direct) = super::direct() else {
        return;
    };
    let mut front_ends = setting.start_rendering();
    for texture in TEXTURES {
        direct.create(texture);
        for front_end in &mut front_ends {
            front_end.control.succeed(&texture.creation());
        }
        race(setting, report, &mut front_ends, &mut direct, texture);
    }
}

/// Streams that each have a fence.
fn race(
    setting: &Setting,
    report: &mut Report,
    front_ends: &mut [FrontEnd],
    direct: &mut Direct,
    texture: Texture,
) {
    let clear = texture.clear();
    for (count, goal) in [(1, Goal::None), (SOME, Goal::AtLeast(0.95))] {
        let requests = vec![submit(&clear, Fence::Used); usize::from(count)];
        let contenders = super::contenders(setting, front_ends, &requests, || {
            for _ in 0..count {
                direct.submit(&clear);
                direct.fence();
            }
            direct.finish();
        });
        Race {
            what: format!("clear of {} and fence, {count} a kick", texture.size.name),
            unit: "streams/s",
            rounds: setting.rounds,
            contenders,
            goals: &[goal],
        }
        .run(report);
    }
}
