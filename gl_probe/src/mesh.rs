//! The solids of the scene: triangles with what the shaders want to know of each corner.

use std::f32::consts::{PI, TAU};

use crate::matrix::Vector;

/// One corner, as it lies in a vertex buffer.
#[derive(Debug, Clone, Copy, PartialEq, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
pub(crate) struct Vertex {
    /// Where it is.
    pub(crate) position: Vector,
    /// Which way its surface looks; length 1.
    pub(crate) normal: Vector,
    /// Where it is in the texture.
    pub(crate) uv: [f32; 2],
    /// Multiplied with the texture's colour.
    pub(crate) colour: Vector,
}

/// Triangles: three indices each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mesh {
    /// The corners.
    pub(crate) vertices: Vec<Vertex>,
    /// Which corners make a triangle.
    pub(crate) indices: Vec<u16>,
}

const WHITE: Vector = [1.0; 3];

/// Right, up and out of each face of a cube, and its colour.
const FACES: [[Vector; 4]; 6] = [
    [[1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [0.98, 0.42, 0.26]],
    [
        [-1., 0., 0.],
        [0., 1., 0.],
        [0., 0., -1.],
        [0.30, 0.79, 0.94],
    ],
    [
        [0., 0., -1.],
        [0., 1., 0.],
        [1., 0., 0.],
        [1.00, 0.82, 0.40],
    ],
    [
        [0., 0., 1.],
        [0., 1., 0.],
        [-1., 0., 0.],
        [0.45, 0.85, 0.52],
    ],
    [
        [1., 0., 0.],
        [0., 0., -1.],
        [0., 1., 0.],
        [0.72, 0.49, 0.96],
    ],
    [
        [1., 0., 0.],
        [0., 0., 1.],
        [0., -1., 0.],
        [0.97, 0.35, 0.58],
    ],
];

impl Mesh {
    /// A cube from -1 to 1, each face in a colour of its own.
    pub(crate) fn cube() -> Self {
        let mut mesh = Self::default();
        for [right, up, out, colour] in FACES {
            mesh.square(|x, y| Vertex {
                position: add(out, add(scale(right, x), scale(up, y))),
                normal: out,
                uv: [x / 2.0 + 0.5, 0.5 - y / 2.0],
                colour,
            });
        }
        mesh
    }

    /// A floor at height 0, `reach` to every side, one repeat of the texture for each unit.
    pub(crate) fn floor(reach: f32) -> Self {
        let mut mesh = Self::default();
        mesh.square(|x, y| Vertex {
            position: [x * reach, 0.0, -y * reach],
            normal: [0.0, 1.0, 0.0],
            uv: [x * reach, y * reach],
            colour: WHITE,
        });
        mesh
    }

    /// The square from -1 to 1 that covers the screen.
    pub(crate) fn screen() -> Self {
        let mut mesh = Self::default();
        mesh.square(|x, y| flat(x, y, [0.0; 2]));
        mesh
    }

    /// The screen's width, and 0 to 1 from its lower edge up.
    pub(crate) fn strip() -> Self {
        let mut mesh = Self::default();
        mesh.square(|x, y| {
            let up = y / 2.0 + 0.5;
            flat(x, up, [x / 2.0 + 0.5, 1.0 - up])
        });
        mesh
    }

    /// A ball of radius 1.
    pub(crate) fn ball() -> Self {
        const AROUND: u16 = 32;
        const DOWN: u16 = 16;
        let mut mesh = Self::default();
        for row in 0..=DOWN {
            let (ring, height) = (PI * f32::from(row) / f32::from(DOWN)).sin_cos();
            for column in 0..=AROUND {
                let (x, z) = (TAU * f32::from(column) / f32::from(AROUND)).sin_cos();
                let normal = [ring * x, height, ring * z];
                mesh.vertices.push(Vertex {
                    position: normal,
                    normal,
                    uv: [0.0; 2],
                    colour: WHITE,
                });
                if row < DOWN && column < AROUND {
                    let here = row * (AROUND + 1) + column;
                    let below = here + AROUND + 1;
                    mesh.indices
                        .extend([here, below, here + 1, here + 1, below, below + 1]);
                }
            }
        }
        mesh
    }

    fn square(&mut self, corner: impl Fn(f32, f32) -> Vertex) {
        let first = u16::try_from(self.vertices.len()).unwrap_or(u16::MAX);
        for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)] {
            self.vertices.push(corner(x, y));
        }
        self.indices
            .extend([0, 1, 2, 0, 2, 3].map(|corner| first + corner));
    }
}

fn flat(x: f32, y: f32, uv: [f32; 2]) -> Vertex {
    Vertex {
        position: [x, y, 0.0],
        normal: [0.0, 0.0, 1.0],
        uv,
        colour: WHITE,
    }
}

fn add([a, b, c]: Vector, [x, y, z]: Vector) -> Vector {
    [a + x, b + y, c + z]
}

fn scale(vector: Vector, factor: f32) -> Vector {
    vector.map(|value| value * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice the area of a triangle, as a vector that looks the way its front does.
    fn front(mesh: &Mesh, triangle: &[u16]) -> Vector {
        let [a, b, c] =
            [0, 1, 2].map(|corner| mesh.vertices[usize::from(triangle[corner])].position);
        let (u, v) = (add(b, scale(a, -1.0)), add(c, scale(a, -1.0)));
        [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ]
    }

    #[test]
    fn every_triangle_looks_where_its_corners_say() {
        for mesh in [Mesh::cube(), Mesh::floor(3.0), Mesh::screen(), Mesh::ball()] {
            for triangle in mesh.indices.chunks(3) {
                let front = front(&mesh, triangle);
                let normal = mesh.vertices[usize::from(triangle[0])].normal;
                let along: f32 = front.iter().zip(normal).map(|(a, b)| a * b).sum();
                // At a ball's poles triangles shrink to lines.
                assert!(along >= -1e-6, "{triangle:?}");
            }
        }
    }

    #[test]
    fn a_cube_has_twelve_triangles_between_minus_one_and_one() {
        let cube = Mesh::cube();
        assert_eq!(cube.indices.len(), 36);
        assert!(
            cube.vertices
                .iter()
                .flat_map(|vertex| vertex.position)
                .all(|value| value.abs() == 1.0)
        );
    }
}
