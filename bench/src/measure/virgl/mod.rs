//! 3D: a daemon that renders, beside virglrenderer called directly and another daemon that renders.

mod beside;
mod frames;
mod start;
mod streams;
mod textures;

pub(super) use beside::measure as beside;
pub(super) use frames::measure as frames;
pub(super) use start::measure as start;
pub(super) use streams::measure as streams;
pub(super) use textures::measure as textures;

use super::Setting;
use crate::daemon::Program;
use crate::direct::Direct;
use crate::front_end::FrontEnd;
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
