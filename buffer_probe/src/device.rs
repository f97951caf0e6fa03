//! The whole device on this machine's GPU and desktop: our daemon with a window, driven by a front
//! end with a guest of its own, which knows what must be seen.

mod daemon;
mod scene;

use std::path::{Path, PathBuf};

use conformance::front_end::{FrontEnd, GET_FEATURES};
use conformance::guest::Guest;

use crate::error::{Error, Result};

use daemon::Daemon;

/// What to run, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct DeviceArgs {
    /// The daemon's program
    program: PathBuf,
    /// Draw in 3D, on this node
    #[arg(long, value_name = "PATH")]
    render_node: Option<PathBuf>,
    /// End when this file is there
    #[arg(long, value_name = "FILE")]
    until: PathBuf,
}

/// Shows the scene, says `ready`, and when it was looked at counts what it cost.
pub(crate) fn run(arguments: &DeviceArgs) -> Result<()> {
    let (width, height) = scene::SIZE;
    let daemon = Daemon::start(
        &arguments.program,
        &["--display=wayland", &format!("--scanout={width}x{height}")],
        arguments.render_node.as_deref(),
    )?;
    let mut front_end = FrontEnd::over(daemon.connect()?, Guest::default());
    if arguments.render_node.is_some() {
        front_end.draws_in_3d();
    }
    // What else it offers is for other tests to judge.
    front_end.offered = front_end.ask_number(GET_FEATURES);
    front_end.realize();
    front_end.start_alone();
    match arguments.render_node {
        Some(_) => scene::draw_in_3d(&mut front_end),
        None => scene::draw_in_2d(&mut front_end),
    }
    println!("ready");
    daemon::wait_until("somebody to look", || {
        Ok(arguments.until.exists().then_some(()))
    })?;
    drop(front_end);
    let log = daemon.end()?;
    println!("{}", log.trim());
    judge(&log, arguments.render_node.as_deref())
}

/// Frames were shown and nothing was copied for the window; in 3D all of them were shared, and nothing
/// was read back.
fn judge(log: &str, render_node: Option<&Path>) -> Result<()> {
    let mut promises = vec![", 0 bytes copied".to_owned()];
    let mut lies = vec!["display: 0 frames"];
    if let Some(node) = render_node {
        promises.push(format!("scanout images: GBM on {}", node.display()));
        promises.push("renderer: 0 promotions, 0 read-backs, 0 bytes read back".to_owned());
        lies.push(" 0 frames shared");
    }
    if let Some(missing) = promises.iter().find(|promise| !log.contains(*promise)) {
        return Err(Error::Wrong(format!("the daemon does not say {missing:?}")));
    }
    match lies.iter().find(|lie| log.contains(**lie)) {
        None => Ok(()),
        Some(lie) => Err(Error::Wrong(format!("the daemon says {lie:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "scanout images: GBM on /dev/dri/renderD128\n\
        renderer: 0 promotions, 0 read-backs, 0 bytes read back, 2 frames shared\n\
        display: 2 frames, 2 of them read where they were drawn, 0 bytes copied\n";

    fn judged_in_3d(log: &str) -> bool {
        judge(log, Some(Path::new("/dev/dri/renderD128"))).is_ok()
    }

    #[test]
    fn in_3d_all_frames_are_shared_and_none_is_read_back() {
        assert!(judged_in_3d(LOG));
        assert!(!judged_in_3d(&LOG.replace("0 read-backs", "1 read-backs")));
        assert!(!judged_in_3d(
            &LOG.replace("2 frames shared", "0 frames shared")
        ));
        assert!(!judged_in_3d(
            &LOG.replace("GBM on", "the renderer's own, not on")
        ));
    }

    #[test]
    fn in_2d_something_is_shown_and_nothing_is_copied() {
        assert!(judge(LOG, None).is_ok());
        assert!(judge(&LOG.replace("0 bytes copied", "10 bytes copied"), None).is_err());
        assert!(judge(&LOG.replace("display: 2", "display: 0"), None).is_err());
    }
}
