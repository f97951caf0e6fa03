//! The guest in a window of the host: what is drawn inside, and what the host's desktop shows.

use std::time::{Duration, Instant};

use kms_probe::{Picture, pattern};

use crate::error::Result;
use crate::picture::{difference, write_png};
use crate::test::guest::Stage;
use crate::test::scenes::{SIZE, draw, unlike, wrong};

/// How long what was drawn may take to be seen.
const SEEN: Duration = Duration::from_secs(20);

/// Frames are flipped; the last one is in the window.
pub(crate) fn flips(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["flip", "--frames", "8"])?;
    expect_window(stage, "window-flips", &pattern(SIZE.0, SIZE.1, 7))?;
    stage.session.stop(&job)
}

/// The guest takes another mode, and the window follows.
pub(crate) fn mode(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["mode", "1024x768", "--seed", "3"])?;
    expect_window(stage, "window-mode", &pattern(1024, 768, 3))?;
    stage.session.stop(&job)
}

/// Waits until the window shows a picture, to the last pixel.
fn expect_window(stage: &mut Stage<'_>, name: &str, expected: &Picture) -> Result<()> {
    let desktop = stage
        .desktop
        .ok_or_else(|| wrong("there is no desktop of the host"))?;
    let size = (expected.width(), expected.height());
    let start = Instant::now();
    loop {
        let seen = desktop.window(size)?;
        let how = match &seen {
            None => Some("there is no window of that size".to_owned()),
            Some(seen) => difference(expected, seen),
        };
        let Some(how) = how else {
            return Ok(());
        };
        if start.elapsed() > SEEN {
            if let Some(seen) = seen {
                write_png(&seen, &stage.out.join(format!("{name}.png")))?;
            }
            return Err(unlike(stage.out, name, expected, &how));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
