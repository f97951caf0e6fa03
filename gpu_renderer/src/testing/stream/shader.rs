//! Shaders, in TGSI's text form, and what draws with them.

use super::object::kind;
use super::{InlineWrite, Stream, VertexElement, format};
use crate::Box3;

const BIND_SHADER: u8 = 31;

/// Passes position and one attribute on.
const PASS_ON: &str = "VERT
DCL IN[0]
DCL IN[1]
DCL OUT[0], POSITION
DCL OUT[1], GENERIC[0]
MOV OUT[0], IN[0]
MOV OUT[1], IN[1]
END
";

/// The attribute is the colour.
const COLOUR: &str = "FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
MOV OUT[0], IN[0]
END
";

/// The attribute is where in the texture the colour is.
const TEXTURE: &str = "FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
DCL SAMP[0]
DCL SVIEW[0], 2D, FLOAT
TEX OUT[0], IN[0], SAMP[0], 2D
END
";

/// Bytes of a vertex: a position and an attribute of four floats each.
const VERTEX_BYTES: u32 = 32;

/// A triangle that covers the whole viewport, as positions.
const COVERING: [[f32; 2]; 3] = [[-1.0, -1.0], [3.0, -1.0], [-1.0, 3.0]];

/// Handles of the objects that whole drawings make.
const STATES: u32 = 900;
const ELEMENTS: u32 = 910;
const VERTEX_SHADER: u32 = 911;
const FRAGMENT_SHADER: u32 = 912;
const VIEW: u32 = 913;
const SAMPLER: u32 = 914;
const SURFACE: u32 = 915;

/// Where a shader runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShaderStage {
    /// For each vertex.
    Vertex,
    /// For each fragment.
    Fragment,
}

impl ShaderStage {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Vertex => 0,
            Self::Fragment => 1,
        }
    }
}

impl Stream {
    /// Makes and binds a shader.
    pub fn shader(&mut self, handle: u32, stage: ShaderStage, text: &str) -> &mut Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        // A token is a word of TGSI: there is less than one per byte of text.
        let tokens = bytes.len() as u32;
        let mut arguments = vec![handle, stage.number(), bytes.len() as u32, tokens, 0];
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        arguments.extend(
            bytes
                .chunks_exact(4)
                .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])),
        );
        self.create(kind::SHADER, &arguments)
            .command(BIND_SHADER, 0, &[handle, stage.number()])
    }

    /// Prepares everything but the fragment shader to draw one triangle, its
    /// vertices written to the buffer `vertices`, into all of a picture.
    fn triangle(&mut self, target: Target, vertices: u32, corners: &[[f32; 8]; 3]) -> &mut Self {
        let bytes: Vec<u8> = corners
            .iter()
            .flatten()
            .flat_map(|float| float.to_le_bytes())
            .collect();
        let floats = |offset| VertexElement {
            offset,
            format: format::R32G32B32A32_FLOAT,
        };
        self.surface(SURFACE, target.resource, target.format)
            .framebuffer(&[SURFACE])
            .viewport(target.width, target.height)
            .plain_states(STATES)
            .inline_write(&InlineWrite {
                target: vertices,
                region: Box3 {
                    width: bytes.len() as u32,
                    height: 1,
                    depth: 1,
                    ..Box3::default()
                },
                stride: 0,
                bytes: &bytes,
            })
            .vertex_elements(ELEMENTS, &[floats(0), floats(16)])
            .vertex_buffer(vertices, VERTEX_BYTES)
            .shader(VERTEX_SHADER, ShaderStage::Vertex, PASS_ON)
    }
}

/// A picture that is drawn into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The resource.
    pub resource: u32,
    /// Its format.
    pub format: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// One triangle whose corners, in clip space, have colours that run into each
/// other. `vertices` is a vertex buffer of at least 96 bytes. Once per
/// context.
pub fn colour_triangle(
    target: Target,
    vertices: u32,
    corners: [([f32; 2], [f32; 4]); 3],
) -> Stream {
    let corners = corners.map(|([x, y], [r, g, b, a])| [x, y, 0.0, 1.0, r, g, b, a]);
    let mut stream = Stream::new();
    stream
        .triangle(target, vertices, &corners)
        .shader(FRAGMENT_SHADER, ShaderStage::Fragment, COLOUR)
        .draw_triangles(3);
    stream
}

/// A texture of the target's format, drawn over all of it, first row on first
/// row. Once per context.
pub fn textured_triangle(target: Target, vertices: u32, texture: u32) -> Stream {
    let corners = COVERING.map(|[x, y]| {
        let (s, t) = ((x + 1.0) / 2.0, (y + 1.0) / 2.0);
        [x, y, 0.0, 1.0, s, t, 0.0, 1.0]
    });
    let mut stream = Stream::new();
    stream
        .triangle(target, vertices, &corners)
        .sampler_view(VIEW, texture, target.format)
        .sampler_state(SAMPLER)
        .fragment_texture(VIEW, SAMPLER)
        .shader(FRAGMENT_SHADER, ShaderStage::Fragment, TEXTURE)
        .draw_triangles(3);
    stream
}

/// A drawing whose fragments each go so many times around a loop that cannot
/// be shortened, and turn out green. Once per context.
pub fn slow_fragments(target: Target, vertices: u32, rounds: u32) -> Stream {
    let text = format!(
        "FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
DCL TEMP[0..2]
IMM[0] INT32 {{{rounds}, 1, 0, 0}}
IMM[1] FLT32 {{0.0, 1.0, 0.5, 0.0}}
MOV TEMP[0].x, IMM[0].zzzz
MOV TEMP[2], IN[0]
BGNLOOP
USGE TEMP[1].x, TEMP[0].xxxx, IMM[0].xxxx
UIF TEMP[1].xxxx
BRK
ENDIF
SIN TEMP[2].x, TEMP[2].xxxx
COS TEMP[2].x, TEMP[2].xxxx
UADD TEMP[0].x, TEMP[0].xxxx, IMM[0].yyyy
ENDLOOP
SLT TEMP[2].x, TEMP[2].xxxx, -IMM[1].yyyy
MOV OUT[0], IMM[1].xyxy
MOV OUT[0].x, TEMP[2].xxxx
END
"
    );
    let corners = COVERING.map(|[x, y]| [x, y, 0.0, 1.0, 0.3, 0.0, 0.0, 1.0]);
    let mut stream = Stream::new();
    stream
        .triangle(target, vertices, &corners)
        .shader(FRAGMENT_SHADER, ShaderStage::Fragment, &text)
        .draw_triangles(3);
    stream
}
