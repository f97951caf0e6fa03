//! The guest tests: what is drawn, and what must be seen.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kms_probe::{Picture, cursor_image, damage, pattern};

use crate::error::{Error, Result};
use crate::picture::{count_colours, difference, is_close, read_png, with_cursor, write_png};
use crate::rig::rfb::Viewer;
use crate::rig::{Job, Session};
use crate::test::guest::Stage;

/// How long a program may take to draw: emulation is slow, and programs load through 9p.
pub(crate) const DRAWN: Duration = Duration::from_secs(60);
/// modetest's pattern has more, the kernel's console has fewer.
const COLOURS: usize = 8;
/// How long what was drawn may take to be seen.
const SEEN: Duration = Duration::from_secs(15);
/// Takes the consoles off the driver, the driver away and loads it again. Who has just ended may
/// still be letting go of it.
pub(crate) const RELOAD: &str = "for console in /sys/class/vtconsole/vtcon*/bind; do echo 0 >$console; done; \
    tries=0; until rmmod virtio_gpu; do \
    tries=$((tries + 1)); if [ $tries -gt 10 ]; then exit 1; fi; sleep 0.2; done; \
    if [ -e /dev/dri/card0 ]; then echo still there; exit 1; fi; \
    modprobe virtio_gpu || exit 1; \
    while [ ! -e /dev/dri/card0 ]; do sleep 0.1; done";
/// The first screen's preferred size.
pub(crate) const SIZE: (u32, u32) = (1280, 800);

/// modetest draws; the screen shows every pixel that its framebuffer holds.
pub(crate) fn modetest(stage: &mut Stage<'_>) -> Result<()> {
    let screens = stage.session.run(&["kms-probe", "list"], DRAWN)?;
    let connector = screens
        .lines()
        .find_map(|line| line.split_whitespace().nth(2))
        .ok_or_else(|| wrong("kms-probe lists no screen"))?;
    let mode = format!("{connector}:#0");
    let job = stage
        .session
        .start(&["modetest", "-M", "virtio_gpu", "-s", &mode])?;
    // It says nothing that could be waited for: its output stays in its buffer until it ends. The
    // guest's own view of the screen is no help either: who opens the device becomes its master
    // when nobody is, and modetest would find itself refused.
    let start = Instant::now();
    while count_colours(&screen(stage, "modetest", 0)?) <= COLOURS {
        stage.session.check_job(&job)?;
        if start.elapsed() > DRAWN {
            return Err(wrong("modetest's pattern does not appear"));
        }
    }
    let drawn = grab(stage.session, 0)?;
    expect_screen(stage, "modetest", 0, &drawn)?;
    stage.session.stop(&job)
}

/// Frames are flipped; the last one is seen, and it is the one that the host computes.
pub(crate) fn flips(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["flip", "--frames", "8"])?;
    let expected = pattern(SIZE.0, SIZE.1, 7);
    expect_memory(stage, "flips", &expected)?;
    expect_screen(stage, "flips", 0, &expected)?;
    stage.session.stop(&job)
}

/// Only announced changes are seen.
pub(crate) fn partial_update(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["damage"])?;
    let damage = damage(SIZE.0, SIZE.1);
    let mut memory = damage.expected();
    memory.copy_rectangle(&damage.after, damage.silent);
    expect_memory(stage, "partial", &memory)?;
    expect_screen(stage, "partial", 0, &damage.expected()).or_else(|error| {
        if announces_everything(stage.session)? {
            expect_screen(stage, "partial", 0, &memory)
        } else {
            Err(error)
        }
    })?;
    stage.session.stop(&job)
}

/// Whether the guest's driver, once it has shown a second framebuffer, announces every change as
/// one of the whole screen: from Linux 6.8 on it may.
pub(crate) fn announces_everything(session: &mut Session) -> Result<bool> {
    let release = session.run(&["uname", "-r"], DRAWN)?;
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|digits| digits.parse::<u32>().unwrap_or(0));
    Ok((numbers.next(), numbers.next()) >= (Some(6), Some(8)))
}

/// The guest sets two other modes.
pub(crate) fn resolutions(stage: &mut Stage<'_>) -> Result<()> {
    for (mode, (width, height), seed) in [("1024x768", (1024, 768), 3), ("640x480", (640, 480), 4)]
    {
        let job = draw(stage, &["mode", mode, "--seed", &seed.to_string()])?;
        expect_screen(stage, mode, 0, &pattern(width, height, seed))?;
        stage.session.stop(&job)?;
    }
    Ok(())
}

/// A viewer asks for another size: the guest learns of it and prefers it.
pub(crate) fn resize(stage: &mut Stage<'_>) -> Result<()> {
    for (width, height) in [(1112, 834), (1280, 800)] {
        let mut viewer = Viewer::connect(&stage.session.vnc_socket(0))?;
        viewer.resize(width, height)?;
        wait_for_screen(stage.session, "0 Virtual-1 ", (width, height))?;
        let job = draw(stage, &["mode", "--seed", "2"])?;
        let expected = pattern(u32::from(width), u32::from(height), 2);
        expect_screen(stage, "resize", 0, &expected)?;
        stage.session.stop(&job)?;
    }
    Ok(())
}

/// A viewer receives the cursor that the guest defined.
pub(crate) fn cursor_shape(stage: &mut Stage<'_>) -> Result<()> {
    for (seed, hotspot) in [(1, (7, 11)), (5, (0, 63))] {
        let (hot_x, hot_y) = hotspot;
        let job = draw(
            stage,
            &[
                "cursor",
                "--seed",
                &seed.to_string(),
                "--hot-x",
                &hot_x.to_string(),
                "--hot-y",
                &hot_y.to_string(),
            ],
        )?;
        let expected = cursor_image(seed);
        let start = Instant::now();
        loop {
            let cursor = Viewer::connect(&stage.session.vnc_socket(0))?.cursor()?;
            let how = difference(&expected, &cursor.image).or_else(|| {
                (cursor.hotspot != hotspot)
                    .then(|| format!("the hotspot is {:?}, expected {hotspot:?}", cursor.hotspot))
            });
            match how {
                None => break,
                Some(how) if start.elapsed() > SEEN => {
                    return Err(wrong(&format!("cursor {seed}: {how}")));
                }
                Some(_) => {}
            }
        }
        stage.session.stop(&job)?;
    }
    Ok(())
}

/// The driver goes and comes back; the device must survive its reset.
pub(crate) fn driver_reload(stage: &mut Stage<'_>) -> Result<()> {
    for seed in [8, 9] {
        stage.session.run(&["sh", "-c", RELOAD], DRAWN)?;
        let job = draw(stage, &["mode", "--seed", &seed.to_string()])?;
        expect_screen(stage, "reload", 0, &pattern(SIZE.0, SIZE.1, seed))?;
        stage.session.stop(&job)?;
    }
    Ok(())
}

/// Each of two screens shows its own picture.
pub(crate) fn two_scanouts(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["heads"])?;
    expect_screen(stage, "head0", 0, &pattern(SIZE.0, SIZE.1, 100))?;
    expect_screen(stage, "head1", 1, &pattern(1024, 768, 101))?;
    stage.session.stop(&job)
}

/// The guest reboots; QEMU and the device stay.
pub(crate) fn reboot(stage: &mut Stage<'_>) -> Result<()> {
    stage.session.reboot()?;
    let job = draw(stage, &["mode", "--seed", "12"])?;
    expect_screen(stage, "reboot", 0, &pattern(SIZE.0, SIZE.1, 12))?;
    stage.session.stop(&job)
}

/// The daemon's own display shows what the guest flipped to.
pub(crate) fn headless_flips(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["flip", "--frames", "6"])?;
    expect_headless(stage, &pattern(SIZE.0, SIZE.1, 5))?;
    stage.session.stop(&job)
}

/// The cursor is drawn where the guest put its image, over the edge too.
pub(crate) fn cursor_position(stage: &mut Stage<'_>) -> Result<()> {
    let screen = plain();
    for (x, y) in [(200, 150), (-20, -9), (1260, 780)] {
        let job = draw(
            stage,
            &["cursor", "--x", &x.to_string(), "--y", &y.to_string()],
        )?;
        expect_headless(stage, &with_cursor(&screen, &cursor_image(1), (x, y)))?;
        stage.session.stop(&job)?;
    }
    Ok(())
}

/// A cursor that was taken away is gone.
pub(crate) fn cursor_hidden(stage: &mut Stage<'_>) -> Result<()> {
    let job = draw(stage, &["cursor", "--hide"])?;
    expect_headless(stage, &plain())?;
    stage.session.stop(&job)
}

/// What `kms-probe cursor` draws below the cursor.
fn plain() -> Picture {
    Picture::from_fn(SIZE.0, SIZE.1, |_, _| 0x0020_3040)
}

/// Starts a drawing program and waits until it says that the screen must show its picture.
pub(crate) fn draw(stage: &mut Stage<'_>, words: &[&str]) -> Result<Job> {
    let mut command = vec!["kms-probe"];
    command.extend(words);
    let job = stage.session.start(&command)?;
    stage.session.wait_for_output(&job, "ready", DRAWN)?;
    Ok(job)
}

/// What a screen's framebuffer holds in the guest.
fn grab(session: &mut Session, head: u32) -> Result<Picture> {
    let file = "/rig/grab.kmsp";
    session.run(
        &["kms-probe", "grab", file, "--head", &head.to_string()],
        DRAWN,
    )?;
    let path = session.exchange_file("grab.kmsp");
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    Picture::from_bytes(&bytes).ok_or_else(|| wrong("the grabbed picture is not one"))
}

/// What the front end shows.
pub(crate) fn screen(stage: &mut Stage<'_>, name: &str, head: u32) -> Result<Picture> {
    let file = stage.out.join(format!("{name}.png"));
    stage.session.screendump(head, &file)?;
    read_png(&file)
}

fn expect_memory(stage: &mut Stage<'_>, name: &str, expected: &Picture) -> Result<()> {
    match difference(expected, &grab(stage.session, 0)?) {
        None => Ok(()),
        Some(how) => Err(wrong(&format!("{name}: in the guest's memory {how}"))),
    }
}

/// Waits until the front end shows a picture, to the last pixel.
pub(crate) fn expect_screen(
    stage: &mut Stage<'_>,
    name: &str,
    head: u32,
    expected: &Picture,
) -> Result<()> {
    let start = Instant::now();
    loop {
        let seen = screen(stage, name, head)?;
        match difference(expected, &seen) {
            None => return Ok(()),
            Some(how) if start.elapsed() > SEEN => {
                return Err(unlike(stage.out, name, expected, &how));
            }
            Some(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn expect_headless(stage: &mut Stage<'_>, expected: &Picture) -> Result<()> {
    let file = stage.headless.join("scanout-0.png");
    let mut last = "no picture was written".to_owned();
    let seen = stage.session.wait_until("the headless picture", SEEN, |_| {
        if !file.is_file() {
            return Ok(None);
        }
        let seen = read_png(&file)?;
        // Rounding in the blend of a translucent cursor is the device's own affair.
        if is_close(expected, &seen, 1) {
            return Ok(Some(()));
        }
        last = difference(expected, &seen).unwrap_or_default();
        Ok(None)
    });
    match seen {
        Err(Error::TimedOut { .. }) => Err(unlike(stage.out, "headless", expected, &last)),
        other => other,
    }
}

/// Waits until the guest lists a screen as connected and prefers a size on it.
fn wait_for_screen(session: &mut Session, name: &str, size: (u16, u16)) -> Result<()> {
    let start = Instant::now();
    loop {
        let screens = session.run(&["kms-probe", "list"], DRAWN)?;
        let wanted = format!("Connected {}x{} ", size.0, size.1);
        if screens
            .lines()
            .any(|line| line.starts_with(name) && format!("{line} ").contains(&wanted))
        {
            return Ok(());
        }
        if start.elapsed() > SEEN {
            let short: Vec<&str> = screens
                .lines()
                .map(|line| line.get(..60).unwrap_or(line))
                .collect();
            return Err(wrong(&format!(
                "no screen that starts with {name:?} and prefers {}x{}: {}",
                size.0,
                size.1,
                short.join("; ")
            )));
        }
    }
}

/// A screen that does not show what it must.
pub(crate) fn wrong(message: &str) -> Error {
    Error::Protocol {
        peer: "screen",
        message: message.to_owned(),
    }
}

/// Keeps the expected picture beside the seen one.
pub(crate) fn unlike(out: &Path, name: &str, expected: &Picture, how: &str) -> Error {
    let file = out.join(format!("{name}-expected.png"));
    match write_png(expected, &file) {
        Ok(()) => wrong(&format!("{name}: {how}; see {}", file.display())),
        Err(error) => error,
    }
}
