//! What a context draws with and into, clearing and drawing.

use super::Stream;
use super::shader::ShaderStage;

const SET_VIEWPORT_STATE: u8 = 4;
const SET_FRAMEBUFFER_STATE: u8 = 5;
const SET_VERTEX_BUFFERS: u8 = 6;
const CLEAR: u8 = 7;
const DRAW_VBO: u8 = 8;
const SET_SAMPLER_VIEWS: u8 = 10;
const SET_CONSTANT_BUFFER: u8 = 12;
const BIND_SAMPLER_STATES: u8 = 18;

/// The first colour buffer.
const CLEAR_COLOUR: u32 = 1 << 2;

const TRIANGLES: u32 = 4;

impl Stream {
    /// Draws into these surfaces from now on.
    pub fn framebuffer(&mut self, surfaces: &[u32]) -> &mut Self {
        let mut arguments = vec![surfaces.len() as u32, 0];
        arguments.extend_from_slice(surfaces);
        self.command(SET_FRAMEBUFFER_STATE, 0, &arguments)
    }

    /// Draws from the origin to this width and height; the first row is at
    /// the lower end of clip space.
    pub fn viewport(&mut self, width: u32, height: u32) -> &mut Self {
        let [half_width, half_height] = [width, height].map(|side| side as f32 / 2.0);
        let scale = [half_width, half_height, 0.5];
        let mut arguments = vec![0];
        arguments.extend(scale.iter().chain(&scale).map(|each| each.to_bits()));
        self.command(SET_VIEWPORT_STATE, 0, &arguments)
    }

    /// Fills the first surface: red, green, blue, alpha from 0 to 1.
    pub fn clear(&mut self, colour: [f32; 4]) -> &mut Self {
        let mut arguments = [0; 8];
        arguments[0] = CLEAR_COLOUR;
        arguments[1..5].copy_from_slice(&colour.map(f32::to_bits));
        self.command(CLEAR, 0, &arguments)
    }

    /// Takes vertices from a buffer, `stride` bytes apart.
    pub fn vertex_buffer(&mut self, resource: u32, stride: u32) -> &mut Self {
        self.command(SET_VERTEX_BUFFERS, 0, &[stride, 0, resource])
    }

    /// Lets fragments read a view through a sampler, both in slot 0.
    pub fn fragment_texture(&mut self, view: u32, sampler: u32) -> &mut Self {
        let stage = ShaderStage::Fragment.number();
        self.command(SET_SAMPLER_VIEWS, 0, &[stage, 0, view])
            .command(BIND_SAMPLER_STATES, 0, &[stage, 0, sampler])
    }

    /// Sets the constants of a stage.
    pub fn constants(&mut self, stage: ShaderStage, values: &[f32]) -> &mut Self {
        let mut arguments = vec![stage.number(), 0];
        arguments.extend(values.iter().map(|each| each.to_bits()));
        self.command(SET_CONSTANT_BUFFER, 0, &arguments)
    }

    /// Draws triangles of the first `vertices` vertices.
    pub fn draw_triangles(&mut self, vertices: u32) -> &mut Self {
        let last = vertices.saturating_sub(1);
        let arguments = [0, vertices, TRIANGLES, 0, 1, 0, 0, 0, 0, 0, last, 0];
        self.command(DRAW_VBO, 0, &arguments)
    }
}
