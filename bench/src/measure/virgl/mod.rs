//! 3D: a daemon that renders, beside virglrenderer called directly and another daemon that renders.

mod beside;
mod frames;
mod long;
mod start;
mod streams;
mod textures;

pub(super) use beside::measure as beside;
pub(super) use frames::measure as frames;
pub(super) use long::measure as long;
pub(super) use start::measure as start;
pub(super) use streams::measure as streams;
pub(super) use textures::measure as textures;

use super::Setting;
use crate::daemon::Program;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
use crate::report::Contender;
use crate::screen::SendBuffer;
use crate::texture::create_context;

/// How our daemon is told to render.
const VIRGL: &[&str] = &["--renderer", "virgl"];

impl Setting {
    /// Ours, rendering.
    fn rendering(&self) -> Program {
        self.ours.told("ours", VIRGL)
    }

    /// Front ends of ours and of the peer, each with a context.
    fn start_rendering(&self) -> Vec<FrontEnd> {
        [Some(self.rendering()), self.peer.clone()]
            .into_iter()
            .flatten()
            .zip(0..)
            .map(|(program, area)| {
                let mut front_end =
                    FrontEnd::start(&program, &self.guest, area, SendBuffer::Default);
                front_end.control.succeed(&[create_context()]);
                front_end
            })
            .collect()
    }
}

/// The renderer of this process; says why there is nothing to measure without one.
fn direct() -> Option<Direct> {
    Direct::start()
        .inspect_err(|error| println!("3D is not measured: {error}"))
        .ok()
}

/// Ours, the direct calls, the peer: all the same batch again and again.
fn contenders<'a>(
    setting: &'a Setting,
    front_ends: &'a mut [FrontEnd],
    requests: &[Vec<u8>],
    mut direct: impl FnMut() + 'a,
) -> Vec<Contender<'a>> {
    let count = requests.len() as u16;
    let mut contenders = Vec::new();
    for front_end in front_ends {
        let control = &mut front_end.control;
        control.lay_out(requests, true);
        control.round(count);
        control.check();
        contenders.push(Contender {
            name: front_end.name,
            measure: Box::new(move || setting.rate(f64::from(count), || control.round(count))),
        });
    }
    contenders.insert(
        1,
        Contender {
            name: "direct",
            measure: Box::new(move || setting.rate(f64::from(count), &mut direct)),
        },
    );
    contenders
}
