//! Xvfb, and another client that looks at its windows and moves them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use conformance::daemon::Running;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    ClientMessageEvent, ConfigureWindowAux, ConnectionExt, EventMask, ImageFormat, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::screen::Seen;

/// An X server.
pub(crate) struct Xvfb {
    process: Running,
    number: u32,
    eye: RustConnection,
}

impl Xvfb {
    /// A server of its own number, or of this one. `None`, and a line that says so, where it is not installed.
    pub(crate) fn start(number: Option<u32>) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|dir| dir.join("Xvfb").is_file()) {
            println!("SKIP: Xvfb is not installed");
            return None;
        }
        let mut command = Command::new("Xvfb");
        if let Some(number) = number {
            command.arg(format!(":{number}"));
        }
        command.args(["-displayfd", "1", "-screen", "0", "800x600x24"]);
        command.args(["-ac", "-noreset", "-nolisten", "tcp"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Running::start(&mut command);
        let mut line = String::new();
        let mut output = BufReader::new(process.0.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let number = line.trim().parse().expect("Xvfb says no number");
        let eye = x11rb::connect(Some(&format!(":{number}"))).unwrap().0;
        Some(Self {
            process,
            number,
            eye,
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// What `--display` calls it.
    pub(crate) fn name(&self) -> String {
        format!("x11=:{}", self.number)
    }

    /// Stops it where it is, or has it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.0.id() as i32), signal).unwrap();
    }

    fn root(&self) -> Window {
        self.eye.setup().roots[0].root
    }

    /// The windows, in the order in which they were made.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let tree = self.eye.query_tree(self.root()).unwrap().reply().unwrap();
        let mut windows = tree.children;
        windows.sort_unstable();
        windows
    }

    /// The user makes a window larger or smaller.
    pub(crate) fn resize(&self, window: Window, width: u32, height: u32) {
        let size = ConfigureWindowAux::new().width(width).height(height);
        let resized = self.eye.configure_window(window, &size);
        resized.unwrap().check().unwrap();
    }

    /// The same with a size that the server may refuse.
    pub(crate) fn try_resize(&self, window: Window, width: u32, height: u32) {
        let size = ConfigureWindowAux::new().width(width).height(height);
        let resized = self.eye.configure_window(window, &size).unwrap();
        let _ = resized.check();
    }

    /// The window's client is thrown out, as window managers do: `XKillClient`.
    pub(crate) fn throw_out(&self, window: Window) {
        self.eye.kill_client(window).unwrap().check().unwrap();
    }

    /// The user closes a window.
    pub(crate) fn close(&self, window: Window) {
        let atom = |name: &[u8]| {
            let atom = self.eye.intern_atom(false, name).unwrap().reply();
            atom.unwrap().atom
        };
        let (protocols, delete) = (atom(b"WM_PROTOCOLS"), atom(b"WM_DELETE_WINDOW"));
        let event = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
        let sent = self
            .eye
            .send_event(false, window, EventMask::NO_EVENT, event);
        sent.unwrap().check().unwrap();
    }

    /// A hand does something: `xtest_fake_input`.
    pub(crate) fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) {
        let fake = self
            .eye
            .xtest_fake_input(kind, detail, 0, self.root(), x, y, 0);
        fake.unwrap().check().unwrap();
    }

    /// A window gets the keyboard, as from a window manager.
    pub(crate) fn focus(&self, window: Window) {
        use x11rb::protocol::xproto::InputFocus;
        let focus = self
            .eye
            .set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME);
        focus.unwrap().check().unwrap();
    }
}

impl Seen for Xvfb {
    fn window(&self, (width, height): (u32, u32)) -> Option<Vec<[u8; 3]>> {
        let windows = self.windows();
        let [window] = windows[..] else {
            return None;
        };
        let (width, height) = (width as u16, height as u16);
        let geometry = self.eye.get_geometry(window).ok()?.reply().ok()?;
        if (geometry.width, geometry.height) != (width, height) {
            return None;
        }
        let format = ImageFormat::Z_PIXMAP;
        let image = self.eye.get_image(format, window, 0, 0, width, height, !0);
        let image = image.ok()?.reply().ok()?;
        Some(image.data.chunks(4).map(|p| [p[2], p[1], p[0]]).collect())
    }
}
