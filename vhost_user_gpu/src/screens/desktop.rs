//! Windows of a desktop: which one, and how to reach it.

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::PathBuf;

use gpu_display::{Display, DisplayError, InputSource, Output};

use crate::Error;

/// What the windows are called where nothing else is known.
#[cfg(any(feature = "wayland", feature = "x11"))]
const TITLE: &str = "Virtual machine";

/// What the desktop knows the program as.
#[cfg(any(feature = "wayland", feature = "x11"))]
const APPLICATION: &str = "vhost-user-gpu";

/// A display with windows.
pub(super) trait Desktop: Display + InputSource + Debug {
    /// What to call it in the log.
    fn name(&self) -> String;

    /// What was shown so far, for the log.
    fn summary(&self) -> String;

    /// Plugs an output's monitor in or out.
    ///
    /// # Errors
    ///
    /// [`DisplayError::UnknownOutput`].
    fn set_output(&mut self, output: u32, changed: Output) -> Result<(), DisplayError>;
}

/// The desktop that the environment names and that can be reached, and why it; or why there is none.
pub(super) fn of_environment(outputs: &[Output]) -> Result<(Box<dyn Desktop>, String), String> {
    let mut why = Vec::new();
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty());
    let attempts: [(&str, Connect); 2] = [
        ("WAYLAND_DISPLAY", |name, outputs| {
            wayland(Some(name.into()), outputs)
        }),
        ("DISPLAY", |name, outputs| {
            x11(name.into_string().ok(), outputs)
        }),
    ];
    for (variable, connect) in attempts {
        let Some(name) = named(variable) else {
            why.push(format!("${variable} is not set"));
            continue;
        };
        match connect(name.clone(), outputs.to_vec()) {
            Ok(desktop) => {
                why.push(format!("${variable} is {}", name.display()));
                return Ok((desktop, why.join(" and ")));
            }
            Err(error) => why.push(format!("${variable} does not help ({})", error.chain())),
        }
    }
    Err(why.join(" and "))
}

type Connect = fn(OsString, Vec<Output>) -> Result<Box<dyn Desktop>, Error>;

/// Windows on a Wayland compositor. A relative `socket` is in `$XDG_RUNTIME_DIR`, and without one the environment's is
/// taken.
#[cfg(feature = "wayland")]
pub(super) fn wayland(
    socket: Option<PathBuf>,
    outputs: Vec<Output>,
) -> Result<Box<dyn Desktop>, Error> {
    use gpu_display::{WaylandConfig, WaylandDisplay};

    let directory = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let socket = socket.map(|socket| match directory {
        Some(directory) => directory.join(socket),
        None => socket,
    });
    let display = WaylandDisplay::new(WaylandConfig {
        socket,
        title: TITLE.to_owned(),
        app_id: APPLICATION.to_owned(),
        outputs,
    });
    Ok(Box::new(display.map_err(Error::Display)?))
}

/// Windows on a Wayland compositor, which this build does not know.
#[cfg(not(feature = "wayland"))]
pub(super) fn wayland(_: Option<PathBuf>, _: Vec<Output>) -> Result<Box<dyn Desktop>, Error> {
    Err(Error::DisplayNotBuilt { feature: "wayland" })
}

/// Windows on an X server, by default the environment's.
#[cfg(feature = "x11")]
pub(super) fn x11(server: Option<String>, outputs: Vec<Output>) -> Result<Box<dyn Desktop>, Error> {
    use gpu_display::{X11Config, X11Display};

    let display = X11Display::new(X11Config {
        display: server,
        title: TITLE.to_owned(),
        class: APPLICATION.to_owned(),
        outputs,
    });
    Ok(Box::new(display.map_err(Error::Display)?))
}

/// Windows on an X server, which this build does not know.
#[cfg(not(feature = "x11"))]
pub(super) fn x11(_: Option<String>, _: Vec<Output>) -> Result<Box<dyn Desktop>, Error> {
    Err(Error::DisplayNotBuilt { feature: "x11" })
}

#[cfg(feature = "wayland")]
impl Desktop for gpu_display::WaylandDisplay {
    fn name(&self) -> String {
        "Wayland".to_owned()
    }

    fn summary(&self) -> String {
        let done = self.statistics();
        summary(done.frames, done.shared_frames, done.copied_bytes)
    }

    fn set_output(&mut self, output: u32, changed: Output) -> Result<(), DisplayError> {
        Self::set_output(self, output, changed)
    }
}

#[cfg(feature = "x11")]
impl Desktop for gpu_display::X11Display {
    fn name(&self) -> String {
        "X11".to_owned()
    }

    fn summary(&self) -> String {
        let done = self.statistics();
        summary(done.frames, done.shared_frames, done.copied_bytes)
    }

    fn set_output(&mut self, output: u32, changed: Output) -> Result<(), DisplayError> {
        Self::set_output(self, output, changed)
    }
}

#[cfg(any(feature = "wayland", feature = "x11"))]
fn summary(frames: u64, shared: u64, copied: u64) -> String {
    format!("{frames} frames, {shared} of them read where they were drawn, {copied} bytes copied")
}
