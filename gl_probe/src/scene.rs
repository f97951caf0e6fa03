//! The scene: a lit cube and glassy balls above a mirroring floor, in front of an evening sky.
//!
//! It is a pure function of its size, its label and the time, so that two machines can compare.

use std::f32::consts::TAU;

use crate::error::Result;
use crate::gl::{Blend, Depth, Gl, Lookup, Model, Program, Texture, Uniform, View};
use crate::matrix::{Matrix, Vector};
use crate::mesh::Mesh;
use crate::paint;

const EYE: Vector = [0.0, 0.75, 5.4];
/// How far the camera looks down.
const DOWN: f32 = 0.15;
/// The height that the camera sees.
const ANGLE: f32 = 0.75;
const FLOOR: f32 = -1.35;
const WHITE: Vector = [1.0; 3];

/// Distance from the axis, height, size, start, and colour of each ball.
const BALLS: [(f32, f32, f32, f32, Vector); 4] = [
    (1.75, -0.35, 0.34, 0.00, [1.0, 0.42, 0.42]),
    (1.90, 0.55, 0.26, 0.28, [0.30, 0.79, 0.94]),
    (1.65, -0.75, 0.22, 0.55, [1.0, 0.82, 0.40]),
    (1.80, 0.15, 0.30, 0.78, [0.40, 0.90, 0.60]),
];

/// All that is drawn, in GL's memory.
pub(crate) struct Scene {
    size: (u32, u32),
    lit: Program,
    sky: Program,
    floor: Program,
    label: Program,
    cube: Model,
    ball: Model,
    ground: Model,
    screen: Model,
    strip: Model,
    panel: Texture,
    tile: Texture,
    white: Texture,
    letters: Texture,
    letters_height: u32,
}

impl Scene {
    /// Prepares the scene for pictures of one size, with lines of text at the lower edge.
    pub(crate) fn new(gl: &Gl<'_>, size: (u32, u32), lines: &[String]) -> Result<Self> {
        let letters = paint::label(size.0, size.1, lines);
        let scene = Self {
            size,
            lit: gl.program(
                include_str!("shaders/lit.vert"),
                include_str!("shaders/lit.frag"),
            )?,
            sky: gl.program(
                include_str!("shaders/sky.vert"),
                include_str!("shaders/sky.frag"),
            )?,
            floor: gl.program(
                include_str!("shaders/floor.vert"),
                include_str!("shaders/floor.frag"),
            )?,
            label: gl.program(
                include_str!("shaders/label.vert"),
                include_str!("shaders/label.frag"),
            )?,
            cube: gl.model(&Mesh::cube())?,
            ball: gl.model(&Mesh::ball())?,
            ground: gl.model(&Mesh::floor(60.0))?,
            screen: gl.model(&Mesh::screen())?,
            strip: gl.model(&Mesh::strip())?,
            panel: gl.texture(&paint::panel(), Lookup::Repeated)?,
            tile: gl.texture(&paint::tile(), Lookup::Repeated)?,
            white: gl.texture(&paint::white(), Lookup::Exact)?,
            letters: gl.texture(&letters, Lookup::Exact)?,
            letters_height: letters.height(),
        };
        gl.check("prepare the scene")?;
        Ok(scene)
    }

    /// Draws the picture at a time in seconds.
    pub(crate) fn draw(&self, gl: &Gl<'_>, seconds: f32) {
        let (width, height) = (number(self.size.0), number(self.size.1));
        let aspect = width / height;
        let camera = Matrix::place([1.0; 3], EYE.map(|value| -value))
            .then(Matrix::tilt(DOWN))
            .then(Matrix::perspective(ANGLE, aspect, (0.5, 100.0)));
        let mirror = Matrix::place([1.0, -1.0, 1.0], [0.0, 2.0 * FLOOR, 0.0]).then(camera);

        gl.clear(self.size.0, self.size.1);
        gl.view(View::Direct);
        gl.layer(Blend::Replace, Depth::Ignored);
        let [_, up, _, ahead] = camera.apply([0.0, 0.0, -1.0, 0.0]);
        let uniforms = [
            ("horizon", Uniform::Number(up / ahead)),
            ("aspect", Uniform::Number(aspect)),
        ];
        gl.draw(&self.sky, &self.screen, None, &uniforms);
        gl.view(View::Mirrored);
        self.solids(gl, mirror, seconds);
        gl.view(View::Direct);
        self.ground(gl, camera, aspect);
        self.solids(gl, camera, seconds);
        gl.layer(Blend::Over, Depth::Ignored);
        let top = 2.0 * number(self.letters_height) / height - 1.0;
        let uniforms = [("top", Uniform::Number(top))];
        gl.draw(&self.label, &self.strip, Some(&self.letters), &uniforms);
    }

    fn ground(&self, gl: &Gl<'_>, camera: Matrix, aspect: f32) {
        gl.layer(Blend::Over, Depth::Transparent);
        let clip = Matrix::place([1.0; 3], [0.0, FLOOR, 0.0]).then(camera);
        let uniforms = [
            ("clip", Uniform::Matrix(clip)),
            ("eye", Uniform::Vector(EYE)),
            ("aspect", Uniform::Number(aspect)),
        ];
        gl.draw(&self.floor, &self.ground, Some(&self.tile), &uniforms);
    }

    /// The cube, then the balls, the farthest first.
    fn solids(&self, gl: &Gl<'_>, clip: Matrix, seconds: f32) {
        gl.layer(Blend::Replace, Depth::Nearest);
        let cube = Matrix::place([0.82; 3], [0.0; 3])
            .then(Matrix::turn(0.7 * seconds - 0.4))
            .then(Matrix::tilt(0.42 + 0.3 * (0.6 * seconds).sin()))
            .then(Matrix::place([1.0; 3], [0.0, 0.1, 0.0]));
        self.solid(gl, &self.cube, &self.panel, clip, (cube, WHITE, 1.0));

        gl.layer(Blend::Over, Depth::Transparent);
        let mut balls = BALLS.map(|(away, up, size, start, colour)| {
            let (x, z) = (TAU * (start + 0.08 * seconds)).sin_cos();
            let bob = up + 0.12 * (1.3 * seconds + TAU * start).sin();
            (z, [x * away, bob, z * away], size, colour)
        });
        balls.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, place, size, colour) in balls {
            let ball = Matrix::place([size; 3], place);
            self.solid(gl, &self.ball, &self.white, clip, (ball, colour, 0.55));
        }
    }

    fn solid(
        &self,
        gl: &Gl<'_>,
        model: &Model,
        texture: &Texture,
        clip: Matrix,
        (placed, tint, opacity): (Matrix, Vector, f32),
    ) {
        let uniforms = [
            ("model", Uniform::Matrix(placed)),
            ("clip", Uniform::Matrix(clip)),
            ("eye", Uniform::Vector(EYE)),
            ("tint", Uniform::Vector(tint)),
            ("opacity", Uniform::Number(opacity)),
        ];
        gl.draw(&self.lit, model, Some(texture), &uniforms);
    }
}

#[expect(clippy::cast_precision_loss, reason = "sides are far below 2^24")]
fn number(side: u32) -> f32 {
    side as f32
}
