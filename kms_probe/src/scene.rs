//! The demonstration: a sky, drifting balls, a ring that fills once in ten seconds, a label.

use std::f32::consts::TAU;

use crate::canvas::{Canvas, mix, number, text_dots, whole};
use crate::cursor::CURSOR_SIDE;
use crate::picture::Picture;

const BALLS: [(f32, f32, f32, u32); 7] = [
    (0.21, 0.83, 0.110, 0x00ff_6b6b),
    (0.63, 0.29, 0.085, 0x00ff_d166),
    (0.37, 0.57, 0.070, 0x0006_d6a0),
    (0.91, 0.41, 0.095, 0x004c_c9f0),
    (0.47, 0.17, 0.055, 0x00f7_2585),
    (0.13, 0.69, 0.060, 0x00b5_179e),
    (0.77, 0.95, 0.075, 0x0072_09b7),
];

/// The demonstration on a screen of one size; what does not move is painted once.
#[derive(Debug)]
pub struct Scene {
    still: Picture,
}

impl Scene {
    /// Paints the sky and the sea, and a label that says who draws.
    #[must_use]
    pub fn new(width: u32, height: u32, label: &str) -> Self {
        let (w, h) = (number(width), number(height));
        let horizon = h * 0.78;
        let mut canvas = Canvas::new(Picture::from_fn(width, height, |x, y| {
            background(number(x) / w, number(y), horizon, h)
        }));
        canvas.disc((w * 0.5, horizon), h * 0.16, 0x00ff_e8a3, 0.35);
        caption(&mut canvas, (width, height), label);
        Self {
            still: canvas.finish(),
        }
    }

    /// The picture at a time in seconds.
    #[must_use]
    pub fn frame(&self, seconds: f32) -> Picture {
        let (w, h) = (number(self.still.width()), number(self.still.height()));
        let mut canvas = Canvas::new(self.still.clone());
        for (index, (phase_x, phase_y, size, colour)) in (0..).zip(BALLS) {
            let speed = 0.055 + 0.011 * number(index);
            let radius = h * size;
            let x = radius + bounce(phase_x + seconds * speed) * (w - 2.0 * radius);
            let y = radius + bounce(phase_y + seconds * speed * 1.7) * (h * 0.8 - 2.0 * radius);
            canvas.ball((x, y), radius, colour, 0.72);
        }
        clock(&mut canvas, (w * 0.5, h * 0.42), h * 0.17, seconds);
        canvas.finish()
    }
}

/// Where the pointer's tip is at a time in seconds.
#[must_use]
pub fn pointer_position(width: u32, height: u32, seconds: f32) -> (u32, u32) {
    let turn = seconds * 0.11 + 0.08;
    let x = 0.5 + 0.33 * (TAU * turn).cos();
    let y = 0.42 + 0.27 * (TAU * turn * 2.0).sin();
    (whole(number(width) * x), whole(number(height) * y))
}

/// An arrow with a dark rim and premultiplied alpha, its tip at the upper left corner.
#[must_use]
pub fn pointer() -> Picture {
    let inside = |x: f32, y: f32, rim: f32| {
        let head = x >= rim && y - x >= rim * 1.5 && y + (x - 12.0).abs() * 0.35 <= 44.0 - rim;
        let middle = 6.0 + (y - 30.0) * 0.45;
        let tail = (x - middle).abs() <= 5.0 - rim && y >= 30.0 && y <= 54.0 - rim;
        head || tail
    };
    Picture::from_fn(CURSOR_SIDE, CURSOR_SIDE, |x, y| {
        let (x, y) = (number(x), number(y));
        if inside(x, y, 2.5) {
            0xffff_ffff
        } else if inside(x, y, 0.0) {
            0xff10_1828
        } else {
            0
        }
    })
}

fn background(across: f32, y: f32, horizon: f32, height: f32) -> u32 {
    if y < horizon {
        let down = y / horizon;
        let sky = mix(0x0013_1a3a, 0x006a_4c93, down.powf(1.3));
        let glow = (1.0 - ((across - 0.5) * 1.6).abs()).clamp(0.0, 1.0);
        mix(sky, 0x00ff_b56b, down.powi(4) * (0.45 + 0.55 * glow))
    } else {
        let depth = (y - horizon) / (height - horizon);
        let sea = mix(0x005b_3f7a, 0x000b_1026, depth.sqrt());
        let shimmer = (1.0 - ((across - 0.5) * (5.0 - 3.0 * depth)).abs()).clamp(0.0, 1.0);
        let wave = 0.5 + 0.5 * (depth * 60.0 / (0.35 + depth)).sin();
        mix(sea, 0x00ff_c98a, shimmer * wave * 0.45 * (1.0 - depth))
    }
}

/// Goes from 0 to 1 and back, at an even pace.
fn bounce(phase: f32) -> f32 {
    let part = phase.rem_euclid(2.0);
    if part <= 1.0 { part } else { 2.0 - part }
}

fn clock(canvas: &mut Canvas, centre: (f32, f32), radius: f32, seconds: f32) {
    canvas.disc(centre, radius * 1.18, 0x000b_1026, 0.45);
    canvas.arc(centre, radius, radius * 0.08, 1.0, 0x0033_3f66);
    canvas.arc(
        centre,
        radius,
        radius * 0.08,
        (seconds / 10.0).rem_euclid(1.0),
        0x00ff_d166,
    );
    let on_circle = |turn: f32, part: f32| {
        let angle = TAU * turn;
        (
            centre.0 + radius * part * angle.sin(),
            centre.1 - radius * part * angle.cos(),
        )
    };
    for mark in 0..12 {
        let turn = number(mark) / 12.0;
        canvas.line(
            on_circle(turn, 0.80),
            on_circle(turn, 0.88),
            radius * 0.02,
            0x00c8_d0f0,
        );
    }
    let second = (seconds / 60.0).rem_euclid(1.0);
    canvas.line(
        centre,
        on_circle(seconds / 10.0, 0.74),
        radius * 0.035,
        0x00ff_ffff,
    );
    canvas.line(centre, on_circle(second, 0.5), radius * 0.05, 0x004c_c9f0);
    canvas.disc(centre, radius * 0.06, 0x00ff_ffff, 1.0);
}

fn caption(canvas: &mut Canvas, (width, height): (u32, u32), label: &str) {
    let lines = ["A LINUX GUEST DRAWS THIS", label];
    let widest = lines.iter().map(|line| text_dots(line)).max().unwrap_or(1);
    let dot = (width * 9 / 10 / widest.max(1)).clamp(1, height / 200 + 1);
    let line_height = 10 * dot;
    let top = height.saturating_sub(height / 40 + line_height * 2);
    for (row, line) in (0..).zip(lines) {
        let left = width.saturating_sub(text_dots(line) * dot) / 2;
        let at = |shift: u32| (left + shift, top + row * line_height + shift);
        canvas.text(at(dot.div_ceil(2)), dot, line, 0x000b_1026);
        canvas.text(at(0), dot, line, 0x00ff_ffff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scene_moves() {
        let scene = Scene::new(320, 200, "X");
        assert_ne!(scene.frame(0.0), scene.frame(1.0));
    }

    #[test]
    fn the_smallest_screens_can_be_drawn() {
        for (width, height) in [(1, 1), (64, 48), (3, 700)] {
            let picture = Scene::new(width, height, "VIRTIO-GPU").frame(1.0);
            assert_eq!((picture.width(), picture.height()), (width, height));
        }
    }

    #[test]
    fn the_pointer_stays_on_the_screen() {
        for step in 0..200 {
            let (x, y) = pointer_position(640, 480, number(step) * 0.1);
            assert!(x < 640 && y < 480);
        }
    }
}
