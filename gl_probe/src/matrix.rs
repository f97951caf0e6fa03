//! Four by four matrices, as GL takes them: column after column.

/// Three numbers: a point, a direction or a colour.
pub(crate) type Vector = [f32; 3];

/// Maps points of one space to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Matrix(pub(crate) [[f32; 4]; 4]);

impl Matrix {
    /// Scales each axis by its own factor, then moves.
    pub(crate) fn place([x, y, z]: Vector, [right, up, near]: Vector) -> Self {
        Self([
            [x, 0.0, 0.0, 0.0],
            [0.0, y, 0.0, 0.0],
            [0.0, 0.0, z, 0.0],
            [right, up, near, 1.0],
        ])
    }

    /// Turns about the vertical axis.
    pub(crate) fn turn(angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self([
            [cos, 0.0, -sin, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [sin, 0.0, cos, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ])
    }

    /// Turns about the axis from left to right.
    pub(crate) fn tilt(angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, cos, sin, 0.0],
            [0.0, -sin, cos, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ])
    }

    /// What a camera sees whose height spans `angle`, between two distances.
    pub(crate) fn perspective(angle: f32, aspect: f32, (near, far): (f32, f32)) -> Self {
        let scale = 1.0 / (angle / 2.0).tan();
        Self([
            [scale / aspect, 0.0, 0.0, 0.0],
            [0.0, scale, 0.0, 0.0],
            [0.0, 0.0, (far + near) / (near - far), -1.0],
            [0.0, 0.0, 2.0 * far * near / (near - far), 0.0],
        ])
    }

    /// First `self`, then `next`.
    pub(crate) fn then(self, next: Self) -> Self {
        Self(self.0.map(|column| next.apply(column)))
    }

    /// Maps one point with its fourth coordinate.
    pub(crate) fn apply(self, point: [f32; 4]) -> [f32; 4] {
        let mut result = [0.0; 4];
        for (column, factor) in self.0.iter().zip(point) {
            for (sum, value) in result.iter_mut().zip(column) {
                *sum += factor * value;
            }
        }
        result
    }

    /// The numbers one after another.
    pub(crate) fn as_flat(&self) -> &[f32] {
        self.0.as_flattened()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::FRAC_PI_2;

    fn near(got: [f32; 4], expected: [f32; 4]) -> bool {
        got.iter()
            .zip(expected)
            .all(|(got, expected)| (got - expected).abs() < 1e-5)
    }

    #[test]
    fn the_first_matrix_acts_first() {
        let both = Matrix::turn(FRAC_PI_2).then(Matrix::place([1.0; 3], [5.0, 0.0, 0.0]));
        assert!(near(both.apply([0.0, 0.0, 1.0, 1.0]), [6.0, 0.0, 0.0, 1.0]));
    }

    #[test]
    fn a_quarter_tilt_brings_what_is_above_to_the_viewer() {
        let tilted = Matrix::tilt(FRAC_PI_2).apply([0.0, 1.0, 0.0, 1.0]);
        assert!(near(tilted, [0.0, 0.0, 1.0, 1.0]));
    }

    #[test]
    fn the_near_plane_is_at_minus_one_and_the_far_plane_at_one() {
        let camera = Matrix::perspective(FRAC_PI_2, 2.0, (1.0, 9.0));
        let near_point = camera.apply([2.0, 1.0, -1.0, 1.0]);
        assert!(near(near_point, [1.0, 1.0, -1.0, 1.0]));
        let far_point = camera.apply([0.0, 0.0, -9.0, 1.0]);
        assert!(near(far_point, [0.0, 0.0, 9.0, 9.0]));
    }
}
