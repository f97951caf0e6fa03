//! The choice of what renders 3D for the guest, and its start.
//!
//! OpenGL takes its time to start, so that begins first of all, on the thread where it will stay. The device waits for
//! the outcome: only then it is known what to offer the guest.

#[cfg(not(feature = "virgl"))]
mod absent;
pub mod scanout_images;
#[cfg(feature = "virgl")]
mod virgl;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use gpu_renderer::{CapsetId, Capsets, RenderError, RenderQueue};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Error;
use crate::args::{Args, Capset, Renderer};
use crate::signals::Signals;
#[cfg(not(feature = "virgl"))]
use absent as virgl;

/// What the command line says about 3D.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whether there is to be any.
    pub renderer: Renderer,
    /// The node to render on; without one, EGL without a device.
    pub render_node: Option<std::path::PathBuf>,
    /// The capability sets to offer, in the guest's order.
    pub capsets: Vec<CapsetId>,
}

impl From<&Args> for Wish {
    fn from(args: &Args) -> Self {
        let mut capsets: Vec<CapsetId> = Vec::new();
        for capset in &args.capsets {
            let id = match capset {
                Capset::Virgl => CapsetId::VIRGL,
                Capset::Virgl2 => CapsetId::VIRGL2,
            };
            if !capsets.contains(&id) {
                capsets.push(id);
            }
        }
        Self {
            renderer: args.renderer(),
            render_node: args.render_node.clone(),
            capsets,
        }
    }
}

/// A renderer that is on its way.
#[derive(Debug)]
pub struct Starting {
    wanted: Renderer,
    virgl: Option<Result<virgl::Starting, RenderError>>,
}

/// What came of it.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one in a process, for a moment"
)]
pub enum Started {
    /// There is a renderer.
    Renderer(RenderQueue),
    /// There is none, as the user wants it or is told.
    None,
    /// SIGTERM or SIGINT came first.
    Terminated,
}

impl Starting {
    /// Begins to start what is wished for. To be called after [`Signals::block`], as the renderer's threads must not
    /// take signals.
    #[must_use]
    pub fn begin(wish: Wish) -> Self {
        Self {
            wanted: wish.renderer,
            virgl: match wish.renderer {
                Renderer::None => None,
                Renderer::Auto | Renderer::Virgl => Some(virgl::Starting::begin(wish)),
            },
        }
    }

    /// Waits for the outcome, for so long at most, and logs it in one line.
    ///
    /// # Errors
    ///
    /// [`Error::Renderer`] if the user insists on 3D and it cannot be had.
    pub fn finish(self, patience: Duration, signals: &Signals) -> Result<Started, Error> {
        let Some(virgl) = self.virgl else {
            log::info!("renderer: none, as the command line says");
            return Ok(Started::None);
        };
        let result = match virgl {
            Ok(starting) => match wait(&starting, patience, signals)? {
                Wait::Interrupted => {
                    starting.abandon();
                    return Ok(Started::Terminated);
                }
                Wait::Over => starting.finish(),
                Wait::Late => starting.finish().map_err(late),
            },
            Err(error) => Err(error),
        };
        match (result, self.wanted) {
            (Ok(started), _) => {
                let sets = names(started.queue.capsets());
                log::info!("renderer: virgl on {}, with {sets}", started.description);
                Ok(Started::Renderer(started.queue))
            }
            (Err(error), Renderer::Virgl) => Err(Error::Renderer(error)),
            (Err(error), _) => {
                let error = Error::Renderer(error);
                let hint = error.hint().unwrap_or_default();
                log::warn!("renderer: none, 2D only: {} ({hint})", error.chain());
                Ok(Started::None)
            }
        }
    }
}

/// How the waiting for a renderer ended.
enum Wait {
    Over,
    Late,
    Interrupted,
}

/// Says what helps a renderer that has not failed, but is not there either.
fn late(error: RenderError) -> RenderError {
    match error {
        RenderError::Unavailable { reason, hint: None } => RenderError::Unavailable {
            reason,
            hint: Some("`--renderer-start-limit SECONDS` gives it longer".to_owned()),
        },
        failure => failure,
    }
}

fn wait(starting: &virgl::Starting, patience: Duration, signals: &Signals) -> Result<Wait, Error> {
    let begun = Instant::now();
    let end = begun.checked_add(patience).unwrap_or(begun);
    loop {
        let mut watched = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(starting.as_fd(), PollFlags::POLLIN),
        ];
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, timeout) {
            Ok(0) => return Ok(Wait::Late),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::system("poll", errno)),
            Ok(_) => {
                let [signal, _] = watched;
                return Ok(match signal.any() {
                    Some(true) => Wait::Interrupted,
                    _ => Wait::Over,
                });
            }
        }
    }
}

/// The names of capability sets, as the command line has them.
fn names(capsets: &Capsets) -> String {
    let names: Vec<String> = (0..)
        .map_while(|index| capsets.by_index(index))
        .map(|capset| match capset.id {
            CapsetId::VIRGL => "virgl".to_owned(),
            CapsetId::VIRGL2 => "virgl2".to_owned(),
            other => format!("capability set {other}"),
        })
        .collect();
    names.join(", ")
}
