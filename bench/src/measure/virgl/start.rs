//! How long a rendering daemon takes to start.

use std::process::{Command, Stdio};

use super::Setting;
use crate::measure::idle::start_to_answer;
use crate::report::{Goal, Line, Report};

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
}

/// Milliseconds in which a renderer starts in a new process.
fn start_directly() -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(crate::START_RENDERER).stderr(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}
