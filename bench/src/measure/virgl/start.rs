//! How long a rendering daemon takes to start, and what it does when there is nothing to do.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::Setting;
use crate::measure::idle::{start_to_answer, wakes_a_second};
use crate::report::{Goal, Line, Report};
use crate::texture::{Fence, Pixels, Texture, submit};

const TEXTURE: Texture = Texture {
    number: 1,
    size: crate::guest::FULL_HD,
    pixels: Pixels::Bgrx,
};

pub(in crate::measure) fn measure(setting: &Setting, report: &mut Report) {
    if super::direct().is_none() {
        return;
    }
    let programs = [Some(setting.rendering()), setting.peer.clone()];
    let programs: Vec<_> = programs.into_iter().flatten().collect();
    let mut times = vec![Vec::new(); programs.len()];
    let mut direct = Vec::new();
    for _ in 0..setting.rounds * 2 {
        for (program, times) in programs.iter().zip(&mut times) {
            times.push(start_to_answer(program));
        }
        direct.push(start_directly());
    }
    let mut add = |what: &str, values, goal| {
        report.add(Line {
            what: format!("start with 3D to first answer: {what}"),
            unit: "ms",
            values,
            goal,
        });
    };
    for (program, times) in programs.iter().zip(&times) {
        add(program.name, times.clone(), Goal::None);
    }
    add("the renderer's start alone", direct.clone(), Goal::None);
    let more = times[0]
        .iter()
        .zip(&direct)
        .map(|(ours, direct)| ours - direct);
    add("ours beyond it", more.collect(), Goal::AtMost(10.0));

    let mut front_ends = setting.start_rendering();
    front_ends.truncate(1);
    for front_end in &mut front_ends {
        front_end.control.succeed(&TEXTURE.creation());
        let clear = submit(&TEXTURE.clear(), Fence::Used);
        front_end.control.succeed(&[clear]);
        sleep(Duration::from_secs(1));
        report.add(Line {
            what: "wake-ups when idle, with 3D: ours".to_owned(),
            unit: "1/s",
            values: vec![wakes_a_second(&front_end.daemon)],
            goal: Goal::AtMost(0.0),
        });
    }
}

/// Milliseconds in which a renderer starts in a new process.
fn start_directly() -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(crate::START_RENDERER).stderr(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}
