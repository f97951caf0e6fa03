//! The guest tests of 3D: OpenGL in the guest, drawn by our device on the host.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kms_probe::{Picture, Rectangle};

use crate::error::{Error, Result};
use crate::picture::{content, count_colours, count_far, difference};
use crate::process;
use crate::rig::Job;
use crate::test::guest::Stage;
use crate::test::scenes::{RELOAD, SIZE, screen, unlike, wrong};

/// How long a program may take: GL's and Weston's libraries are large, and the host draws as well.
const LIMIT: Duration = Duration::from_secs(150);
/// What GL calls itself in a guest whose GPU is virgl. Anything else is the guest's own software.
const VIRGL: &str = "renderer: virgl";
/// GL's software renderer on a host, whose edges are the reference's edges.
const SOFTWARE: &str = "LLVMPIPE";
/// The same formula is compiled twice, once from what virgl makes of it, and rounds differently: 2
/// of 255 were seen.
const ROUNDING: u8 = 4;
/// On a GPU, one pixel in so many may lie on the other side of an edge; on the reference's own
/// renderer none may.
const EDGES: usize = 200;
/// kmscube's faces are gradients.
const CUBE_COLOURS: usize = 1000;
/// A look at the screen takes time from the guest.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const KMSCUBE_FRAMES: &str = "600";
/// The client's window on Weston is a square of 250 pixels.
const WINDOW: u32 = 250;

/// eglinfo opens the device through GBM and without a surface, and finds virgl both times.
pub(crate) fn eglinfo(stage: &mut Stage<'_>) -> Result<()> {
    let output = stage
        .session
        .run(&["sh", "-c", "eglinfo 2>/dev/null || true"], LIMIT)?;
    for platform in ["GBM platform:", "Surfaceless platform:"] {
        let section = section(&output, platform);
        // Before version 9 eglinfo names the driver instead of the renderer.
        let good =
            |line: &str| line.contains("renderer: virgl") || line == "EGL driver name: virtio_gpu";
        if !section.lines().any(good) {
            return Err(wrong(&format!(
                "eglinfo, {platform} no virgl in\n{section}"
            )));
        }
    }
    Ok(())
}

/// The lines from `title` to the next empty one.
fn section(text: &str, title: &str) -> String {
    text.lines()
        .skip_while(|line| *line != title)
        .take_while(|line| !line.is_empty())
        .fold(String::new(), |section, line| section + line + "\n")
}

/// What GL draws off screen in the guest is what it draws on the host.
pub(crate) fn off_screen(stage: &mut Stage<'_>) -> Result<()> {
    for seconds in ["0.6", "4.1"] {
        let job = start_drawing(stage, seconds)?;
        expect_drawing(stage, &job, seconds)?;
    }
    Ok(())
}

/// What GL draws for the screen is on the screen.
pub(crate) fn on_screen(stage: &mut Stage<'_>) -> Result<()> {
    let label = "ON SCREEN";
    let words = ["gl-probe", "show", "--label", label, "--seconds", "2.5"];
    let job = stage.session.start(&words)?;
    let output = stage.session.wait_for_output(&job, "ready", LIMIT)?;
    let expected = reference(stage, SIZE, label, "2.5")?;
    let seen = screen(stage, "gl-screen", 0)?;
    compare(stage, "gl-screen", &output, (&expected, &seen))?;
    stage.session.stop(&job)
}

/// kmscube draws its frames, and the cube turns.
pub(crate) fn kmscube(stage: &mut Stage<'_>) -> Result<()> {
    let job = stage.session.start(&["kmscube", "-c", KMSCUBE_FRAMES])?;
    let first = wait_for(stage, "kmscube-1", &job, is_cube)?;
    let turned = |seen: &Picture| is_cube(seen) && *seen != first;
    wait_for(stage, "kmscube-2", &job, turned)?;
    let (code, output) = stage.session.wait_for_end(&job, LIMIT)?;
    let drew = output.lines().any(|line| line.starts_with("Rendered "));
    if code != 0 || !drew || !output.contains("renderer: \"virgl") {
        return Err(wrong(&format!("kmscube ended with {code}: {output}")));
    }
    Ok(())
}

/// Waits until the screen shows what a running job is to draw.
fn wait_for(
    stage: &mut Stage<'_>,
    name: &str,
    job: &Job,
    wanted: impl Fn(&Picture) -> bool,
) -> Result<Picture> {
    let start = Instant::now();
    loop {
        stage.session.check_job(job)?;
        let seen = screen(stage, name, 0)?;
        if wanted(&seen) {
            return Ok(seen);
        }
        if start.elapsed() > LIMIT {
            let file = stage.out.join(format!("{name}.png"));
            return Err(wrong(&format!(
                "the screen does not show what it must: {}",
                file.display()
            )));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Whether a body of many colours is in the middle and touches no edge.
fn is_cube(picture: &Picture) -> bool {
    let Some(body) = content(picture, 0) else {
        return false;
    };
    let within = |start: u32, length: u32, side: u32| {
        let end = start.saturating_add(length);
        start > side / 8 && end < side.saturating_sub(side / 8) && length > side / 5
    };
    within(body.x, body.width, picture.width())
        && within(body.y, body.height, picture.height())
        && count_colours(picture) > CUBE_COLOURS
}

/// While one client toils, two others draw at the same time, and both are right.
pub(crate) fn contexts(stage: &mut Stage<'_>) -> Result<()> {
    let toil = start_toil(stage)?;
    let jobs = [
        (start_drawing(stage, "1.3")?, "1.3"),
        (start_drawing(stage, "7.7")?, "7.7"),
    ];
    for (job, seconds) in &jobs {
        expect_drawing(stage, job, seconds)?;
    }
    stage.session.check_job(&toil)?;
    stage.session.stop(&toil)
}

/// Clients die with their frames half drawn; the next one draws as if they had never been.
pub(crate) fn killed_client(stage: &mut Stage<'_>) -> Result<()> {
    for _ in 0..3 {
        let toil = start_toil(stage)?;
        stage.session.kill(&toil)?;
    }
    let job = start_drawing(stage, "3.0")?;
    expect_drawing(stage, &job, "3.0")
}

/// Weston shows a client's triangle, both drawn with GL, and the triangle turns.
pub(crate) fn weston(stage: &mut Stage<'_>) -> Result<()> {
    let job = stage.session.start(&["desktop", "weston-simple-egl"])?;
    let log = stage.session.exchange_file("weston.log");
    let explain = |error: Error| wrong(&format!("{error}\n{}", process::tail(&log, 12)));
    let first = wait_for(stage, "weston-1", &job, is_window).map_err(explain)?;
    let turned = |seen: &Picture| is_window(seen) && *seen != first;
    wait_for(stage, "weston-2", &job, turned).map_err(explain)?;
    stage.session.stop(&job)?;
    let text = fs::read_to_string(&log).map_err(Error::io("read", &log))?;
    if text.contains("GL renderer: virgl") {
        Ok(())
    } else {
        Err(wrong("Weston's log names no virgl renderer"))
    }
}

/// Whether a desktop with one window of the client's size is shown, and something in it.
fn is_window(picture: &Picture) -> bool {
    let Some(Rectangle { width, height, .. }) = content(picture, 0) else {
        return false;
    };
    (width, height) == (WINDOW, WINDOW) && count_colours(picture) > 100
}

/// The driver stays as long as a client draws, and goes and comes back when none does.
pub(crate) fn driver_reload(stage: &mut Stage<'_>) -> Result<()> {
    let toil = start_toil(stage)?;
    let reload = stage.session.start(&["sh", "-c", RELOAD])?;
    if stage.session.wait_for_end(&reload, LIMIT)?.0 == 0 {
        return Err(wrong("the driver went while a client used it"));
    }
    stage.session.check_job(&toil)?;
    stage.session.stop(&toil)?;
    for seconds in ["0.1", "9.9"] {
        stage.session.run(&["sh", "-c", RELOAD], LIMIT)?;
        let job = start_drawing(stage, seconds)?;
        expect_drawing(stage, &job, seconds)?;
    }
    Ok(())
}

/// The guest reboots in the middle of a client's work; QEMU and the device stay.
pub(crate) fn reboot(stage: &mut Stage<'_>) -> Result<()> {
    start_toil(stage)?;
    stage.session.reboot()?;
    let job = start_drawing(stage, "5.5")?;
    expect_drawing(stage, &job, "5.5")
}

/// Starts a client that draws without end, and waits until it does.
fn start_toil(stage: &mut Stage<'_>) -> Result<Job> {
    let job = stage.session.start(&["gl-probe", "toil"])?;
    let output = stage.session.wait_for_output(&job, "drawing", LIMIT)?;
    expect_virgl(&output)?;
    Ok(job)
}

fn expect_virgl(output: &str) -> Result<()> {
    if output.contains(VIRGL) {
        Ok(())
    } else {
        Err(wrong(&format!(
            "the guest draws by itself: {}",
            output.trim()
        )))
    }
}

const LABEL: &str = "OFF SCREEN";
const OFF_SCREEN: (u32, u32) = (640, 400);

fn drawing_name(seconds: &str) -> String {
    format!("gl-{seconds}.kmsp")
}

/// Starts a client that draws the scene at one moment.
fn start_drawing(stage: &mut Stage<'_>, seconds: &str) -> Result<Job> {
    let file = format!("/rig/{}", drawing_name(seconds));
    let size = format!("{}x{}", OFF_SCREEN.0, OFF_SCREEN.1);
    stage.session.start(&[
        "gl-probe",
        "draw",
        &file,
        "--label",
        LABEL,
        "--size",
        &size,
        "--seconds",
        seconds,
    ])
}

/// Waits for such a client and compares what it drew with the host's picture.
fn expect_drawing(stage: &mut Stage<'_>, job: &Job, seconds: &str) -> Result<()> {
    let (code, output) = stage.session.wait_for_end(job, LIMIT)?;
    if code != 0 {
        return Err(wrong(&format!("gl-probe ended with {code}: {output}")));
    }
    let got = read(&stage.session.exchange_file(&drawing_name(seconds)))?;
    let expected = reference(stage, OFF_SCREEN, LABEL, seconds)?;
    let name = format!("gl-{seconds}");
    compare(stage, &name, &output, (&expected, &got))
}

/// The scene as the host's software GL draws it.
fn reference(
    stage: &Stage<'_>,
    (width, height): (u32, u32),
    label: &str,
    seconds: &str,
) -> Result<Picture> {
    let file = tempfile::NamedTempFile::new()
        .map_err(Error::io("create a file in", &std::env::temp_dir()))?;
    let output = process::capture(
        Command::new(stage.programs.join("gl-probe"))
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .arg("draw")
            .arg(file.path())
            .args(["--label", label, "--seconds", seconds, "--size"])
            .arg(format!("{width}x{height}")),
    )?;
    if !output.contains("renderer: llvmpipe") {
        return Err(wrong(&format!(
            "the reference is not by llvmpipe: {output}"
        )));
    }
    read(file.path())
}

fn read(path: &Path) -> Result<Picture> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    Picture::from_bytes(&bytes).ok_or_else(|| wrong("gl-probe wrote something else than a picture"))
}

/// Compares what the guest drew, saying `output`, with the host's picture.
fn compare(
    stage: &Stage<'_>,
    name: &str,
    output: &str,
    (expected, got): (&Picture, &Picture),
) -> Result<()> {
    expect_virgl(output)?;
    let allowed = if output.contains(SOFTWARE) {
        0
    } else {
        expected.pixels().len() / EDGES
    };
    match count_far(expected, got, ROUNDING) {
        Some(far) if far <= allowed => Ok(()),
        far => {
            let how = difference(expected, got).unwrap_or_default();
            let how = format!("{far:?} pixels are wrong by more than {ROUNDING}: {how}");
            crate::picture::write_png(got, &stage.out.join(format!("{name}.png")))?;
            Err(unlike(stage.out, name, expected, &how))
        }
    }
}

/// The guest's GPU can do 3D.
pub(crate) fn is_offered(stage: &mut Stage<'_>) -> Result<()> {
    if stage.session.has_3d()? {
        Ok(())
    } else {
        Err(wrong("the device offers no 3D"))
    }
}

/// What the daemon's renderer was needed for, as the daemon says when its front end has gone.
#[derive(Debug, PartialEq, Eq)]
struct Work {
    promotions: u64,
    reads: u64,
}

/// Reads the line `renderer: 0 promotions, 5 read-backs, 20480 bytes read back`.
fn work(log: &str) -> Option<Work> {
    log.lines().rev().find_map(|line| {
        let (_, counts) = line.split_once("renderer: ")?;
        let count = |what: &str| {
            let mut parts = counts.split(", ");
            parts.find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
        };
        Some(Work {
            promotions: count("promotions")?,
            reads: count("read-backs")?,
        })
    })
}

/// A desktop that drew without GL needed the renderer for nothing: no 2D resource was handed to it,
/// no picture fetched from it.
pub(crate) fn was_never_needed(log: &Path) -> Result<()> {
    let text = fs::read_to_string(log).map_err(Error::io("read", log))?;
    let idle = Work {
        promotions: 0,
        reads: 0,
    };
    match work(&text) {
        Some(work) if work == idle => Ok(()),
        other => Err(Error::Protocol {
            peer: "daemon",
            message: format!(
                "its renderer's work was {other:?}:\n{}",
                process::tail(log, 5)
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_last_count_is_read() {
        let log = "INFO renderer: virgl, because it works\n\
                   INFO renderer: 3 promotions, 1 read-backs, 4 bytes read back\n\
                   INFO renderer: 0 promotions, 12 read-backs, 99 bytes read back\nbye\n";
        let expected = Work {
            promotions: 0,
            reads: 12,
        };
        assert_eq!(work(log), Some(expected));
        assert_eq!(work("INFO renderer: none\n"), None);
    }

    #[test]
    fn a_section_ends_at_an_empty_line() {
        let text = "A:\n1\n\nB:\n2\n3\n\n4\n";
        assert_eq!(section(text, "B:"), "B:\n2\n3\n");
        assert_eq!(section(text, "C:"), "");
    }

    #[test]
    fn a_cube_stands_free_and_has_many_colours() {
        let cube = Picture::from_fn(320, 200, |x, y| {
            if (100..220).contains(&x) && (60..140).contains(&y) {
                x << 8 | y
            } else {
                0x80_8080
            }
        });
        assert!(is_cube(&cube));
        assert!(!is_cube(&Picture::from_fn(320, 200, |x, y| x << 8 | y)));
        assert!(!is_cube(&Picture::from_fn(320, 200, |_, _| 0)));
    }
}
