//! One function for each subcommand.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use kms_probe::{pointer, pointer_position};

use crate::egl::{Current, Egl};
use crate::error::{Error, Result};
use crate::gl::Gl;
use crate::scene::Scene;
use crate::screen::{Card, FORMAT, Screen, Show};

/// How often the scene is drawn for one frame of toil.
const TOIL: u16 = 10;

/// Says who draws.
pub(crate) fn info() -> Result<()> {
    off_screen(&Egl::surfaceless()?).map(drop)
}

/// Draws one picture and writes it to a file.
pub(crate) fn draw(
    file: &Path,
    (width, height): (u32, u32),
    label: &[String],
    seconds: f32,
) -> Result<()> {
    let egl = Egl::surfaceless()?;
    let gl = off_screen(&egl)?;
    gl.draw_off_screen(width, height)?;
    let scene = Scene::new(&gl, (width, height), label)?;
    scene.draw(&gl, seconds);
    let picture = gl.read(width, height)?;
    fs::write(file, picture.to_bytes()).map_err(Error::io("write the picture"))
}

/// Draws frame after frame, one at a time on its way; says `drawing` after the first.
pub(crate) fn toil((width, height): (u32, u32)) -> Result<()> {
    let egl = Egl::surfaceless()?;
    let gl = off_screen(&egl)?;
    gl.draw_off_screen(width, height)?;
    let scene = Scene::new(&gl, (width, height), &[])?;
    for frame in 0_u16.. {
        for step in 0..TOIL {
            scene.draw(&gl, f32::from(frame) + f32::from(step) / f32::from(TOIL));
        }
        gl.finish();
        gl.check("draw")?;
        if frame == 0 {
            say("drawing");
        }
    }
    Ok(())
}

/// Shows the scene, moving or at one `moment`; says `ready` when its first frames are on the screen.
pub(crate) fn show(path: &Path, label: &[String], moment: Option<f32>) -> Result<()> {
    let card = Card::open(path)?;
    let screen = Screen::find(&card)?;
    let (width, height) = screen.size();
    let device = card.gbm()?;
    let buffers = screen.buffers(&device)?;
    let egl = Egl::on_gbm(&device)?;
    let (current, window) = egl.make_current_on(&buffers, FORMAT)?;
    let gl = load(&egl, current);
    let scene = Scene::new(&gl, (width, height), label)?;
    let mut show = Show {
        card: &card,
        screen,
        egl: &egl,
        buffers: &buffers,
        window,
        shown: None,
    };
    let start = Instant::now();
    let mut cursor = None;
    for frame in 1_u32.. {
        let seconds = start.elapsed().as_secs_f32();
        scene.draw(&gl, moment.unwrap_or(seconds));
        gl.check("draw")?;
        show.present()?;
        if cursor.is_none() {
            cursor = Some(show.set_cursor(&pointer())?);
        }
        show.move_cursor(pointer_position(width, height, seconds))?;
        if frame == 3 {
            say("ready");
        }
        if frame.is_multiple_of(100) {
            say(&format!("{frame} frames in {seconds:.1} s"));
        }
    }
    Ok(())
}

/// A context without a window, and its renderer's name printed.
fn off_screen<'egl>(egl: &'egl Egl<'_>) -> Result<Gl<'egl>> {
    let current = egl.make_current_without_window()?;
    Ok(load(egl, current))
}

fn load<'egl>(egl: &'egl Egl<'_>, current: Current) -> Gl<'egl> {
    let gl = Gl::load(egl, current);
    say(&format!("renderer: {}", gl.renderer()));
    gl
}

fn say(line: &str) {
    let mut stdout = std::io::stdout();
    // Nobody listening is no reason to stop drawing.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
