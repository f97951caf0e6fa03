//! The few calls of OpenGL ES 3 that the scene needs, made safe by what they are given.

#![allow(unsafe_code)]

use std::marker::PhantomData;

use glow::HasContext as _;
use kms_probe::Picture;
use zerocopy::IntoBytes as _;

use crate::egl::{Current, Egl};
use crate::error::{Error, Result};
use crate::matrix::{Matrix, Vector};
use crate::mesh::{Mesh, Vertex};

/// GL, on the thread whose context is current.
pub(crate) struct Gl<'egl> {
    functions: glow::Context,
    _current: Current,
    /// Whose library the functions are in.
    egl: PhantomData<&'egl ()>,
}

/// A vertex and a fragment shader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program(glow::NativeProgram);

/// A mesh in GL's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    array: glow::NativeVertexArray,
    indices: i32,
}

/// A picture in GL's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texture(glow::NativeTexture);

/// How a texture is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Once: it ends at its edges and is shown pixel by pixel.
    Exact,
    /// Again and again, from near and far.
    Repeated,
}

/// What becomes of what was drawn before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blend {
    /// It is replaced.
    Replace,
    /// It shines through as far as alpha lets it.
    Over,
}

/// What distance from the viewer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Nothing.
    Ignored,
    /// The nearest wins.
    Nearest,
    /// The nearest wins, but does not hide what comes later.
    Transparent,
}

/// How the scene is looked at. Only the fronts of surfaces are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// As it is.
    Direct,
    /// In a mirror, where right and left change places.
    Mirrored,
}

/// A value for a shader.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Uniform {
    /// A mat4.
    Matrix(Matrix),
    /// A vec3.
    Vector(Vector),
    /// A float.
    Number(f32),
}

/// One call of GL.
macro_rules! gl {
    ($gl:ident.$function:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: a `Gl` cannot leave the thread on which its context is current. Every object that is passed was made by this context and is
        // never deleted. Whatever GL reads or writes beyond its own memory is a slice of the
        // length that the same call states in pixels or bytes.
        unsafe { $gl.functions.$function($($argument),*) }
    };
}

impl<'egl> Gl<'egl> {
    /// Finds GL's functions for the context that `egl` has made current.
    pub(crate) fn load(egl: &'egl Egl<'_>, current: Current) -> Self {
        // SAFETY: EGL returns functions of GL for names of GL, which stay as long as its library,
        // and a context is current.
        let functions = unsafe { glow::Context::from_loader_function(|name| egl.function(name)) };
        Self {
            functions,
            _current: current,
            egl: PhantomData,
        }
    }

    /// Who draws.
    pub(crate) fn renderer(&self) -> String {
        gl!(self.get_parameter_string(glow::RENDERER))
    }

    /// Compiles and links.
    pub(crate) fn program(&self, vertex: &str, fragment: &str) -> Result<Program> {
        let failed = |message: String| Error::gl("make a shader program", message);
        let program = gl!(self.create_program()).map_err(failed)?;
        for (kind, source) in [
            (glow::VERTEX_SHADER, vertex),
            (glow::FRAGMENT_SHADER, fragment),
        ] {
            let shader = gl!(self.create_shader(kind)).map_err(failed)?;
            gl!(self.shader_source(shader, source));
            gl!(self.compile_shader(shader));
            if !gl!(self.get_shader_compile_status(shader)) {
                return Err(failed(gl!(self.get_shader_info_log(shader))));
            }
            gl!(self.attach_shader(program, shader));
        }
        gl!(self.link_program(program));
        if gl!(self.get_program_link_status(program)) {
            Ok(Program(program))
        } else {
            Err(failed(gl!(self.get_program_info_log(program))))
        }
    }

    /// Copies a mesh to GL's memory.
    pub(crate) fn model(&self, mesh: &Mesh) -> Result<Model> {
        let failed = |message: String| Error::gl("make buffers", message);
        let array = gl!(self.create_vertex_array()).map_err(failed)?;
        gl!(self.bind_vertex_array(Some(array)));
        for (target, bytes) in [
            (glow::ARRAY_BUFFER, mesh.vertices.as_bytes()),
            (glow::ELEMENT_ARRAY_BUFFER, mesh.indices.as_bytes()),
        ] {
            let buffer = gl!(self.create_buffer()).map_err(failed)?;
            gl!(self.bind_buffer(target, Some(buffer)));
            gl!(self.buffer_data_u8_slice(target, bytes, glow::STATIC_DRAW));
        }
        let offset_of = [
            (3, std::mem::offset_of!(Vertex, position)),
            (3, std::mem::offset_of!(Vertex, normal)),
            (2, std::mem::offset_of!(Vertex, uv)),
            (3, std::mem::offset_of!(Vertex, colour)),
        ];
        for (index, (numbers, offset)) in (0..).zip(offset_of) {
            gl!(self.vertex_attrib_pointer_f32(
                index,
                numbers,
                glow::FLOAT,
                false,
                length(size_of::<Vertex>()),
                length(offset),
            ));
            gl!(self.enable_vertex_attrib_array(index));
        }
        Ok(Model {
            array,
            indices: length(mesh.indices.len()),
        })
    }

    /// Copies a picture to GL's memory; its alpha becomes 1.
    pub(crate) fn texture(&self, picture: &Picture, lookup: Lookup) -> Result<Texture> {
        let texture =
            gl!(self.create_texture()).map_err(|message| Error::gl("make a texture", message))?;
        gl!(self.bind_texture(glow::TEXTURE_2D, Some(texture)));
        let bytes: Vec<u8> = picture
            .pixels()
            .iter()
            .flat_map(|pixel| {
                let [_, red, green, blue] = pixel.to_be_bytes();
                [red, green, blue, u8::MAX]
            })
            .collect();
        gl!(self.tex_image_2d(
            glow::TEXTURE_2D,
            0,
            parameter(glow::RGBA8),
            side(picture.width()),
            side(picture.height()),
            0,
            glow::RGBA,
            glow::UNSIGNED_BYTE,
            glow::PixelUnpackData::Slice(Some(&bytes)),
        ));
        let (wrap, minify) = match lookup {
            Lookup::Exact => (glow::CLAMP_TO_EDGE, glow::NEAREST),
            Lookup::Repeated => (glow::REPEAT, glow::LINEAR_MIPMAP_LINEAR),
        };
        for (name, value) in [
            (glow::TEXTURE_WRAP_S, wrap),
            (glow::TEXTURE_WRAP_T, wrap),
            (glow::TEXTURE_MIN_FILTER, minify),
            (glow::TEXTURE_MAG_FILTER, glow::LINEAR),
        ] {
            gl!(self.tex_parameter_i32(glow::TEXTURE_2D, name, parameter(value)));
        }
        if lookup == Lookup::Repeated {
            gl!(self.generate_mipmap(glow::TEXTURE_2D));
        }
        Ok(Texture(texture))
    }

    /// Makes a picture of this size, with depth, what is drawn to from now on.
    pub(crate) fn draw_off_screen(&self, width: u32, height: u32) -> Result<()> {
        let failed = |message: String| Error::gl("make a framebuffer", message);
        let framebuffer = gl!(self.create_framebuffer()).map_err(failed)?;
        gl!(self.bind_framebuffer(glow::FRAMEBUFFER, Some(framebuffer)));
        for (attachment, format) in [
            (glow::COLOR_ATTACHMENT0, glow::RGBA8),
            (glow::DEPTH_ATTACHMENT, glow::DEPTH_COMPONENT24),
        ] {
            let memory = gl!(self.create_renderbuffer()).map_err(failed)?;
            let target = glow::RENDERBUFFER;
            gl!(self.bind_renderbuffer(target, Some(memory)));
            gl!(self.renderbuffer_storage(target, format, side(width), side(height)));
            gl!(self.framebuffer_renderbuffer(glow::FRAMEBUFFER, attachment, target, Some(memory)));
        }
        match gl!(self.check_framebuffer_status(glow::FRAMEBUFFER)) {
            glow::FRAMEBUFFER_COMPLETE => Ok(()),
            status => Err(failed(format!("its status is {status:#x}"))),
        }
    }

    /// Begins a frame: all is black and far away.
    pub(crate) fn clear(&self, width: u32, height: u32) {
        gl!(self.viewport(0, 0, side(width), side(height)));
        gl!(self.depth_mask(true));
        gl!(self.clear_color(0.0, 0.0, 0.0, 1.0));
        gl!(self.clear(glow::COLOR_BUFFER_BIT | glow::DEPTH_BUFFER_BIT));
    }

    /// Chooses what becomes of what was drawn before.
    pub(crate) fn layer(&self, blend: Blend, depth: Depth) {
        match blend {
            Blend::Replace => gl!(self.disable(glow::BLEND)),
            Blend::Over => gl!(self.enable(glow::BLEND)),
        }
        gl!(self.blend_func(glow::SRC_ALPHA, glow::ONE_MINUS_SRC_ALPHA));
        match depth {
            Depth::Ignored => gl!(self.disable(glow::DEPTH_TEST)),
            Depth::Nearest | Depth::Transparent => gl!(self.enable(glow::DEPTH_TEST)),
        }
        gl!(self.depth_mask(depth == Depth::Nearest));
    }

    /// Chooses which side of a triangle is its front.
    pub(crate) fn view(&self, view: View) {
        gl!(self.enable(glow::CULL_FACE));
        gl!(self.front_face(match view {
            View::Direct => glow::CCW,
            View::Mirrored => glow::CW,
        }));
    }

    /// Draws a model, with a texture as the shaders' `image` where they have one.
    pub(crate) fn draw(
        &self,
        program: &Program,
        model: &Model,
        texture: Option<&Texture>,
        uniforms: &[(&str, Uniform)],
    ) {
        gl!(self.use_program(Some(program.0)));
        gl!(self.bind_texture(glow::TEXTURE_2D, texture.map(|texture| texture.0)));
        for (name, value) in uniforms {
            let place = gl!(self.get_uniform_location(program.0, name));
            let place = place.as_ref();
            match value {
                Uniform::Matrix(matrix) => {
                    gl!(self.uniform_matrix_4_f32_slice(place, false, matrix.as_flat()));
                }
                Uniform::Vector([x, y, z]) => gl!(self.uniform_3_f32(place, *x, *y, *z)),
                Uniform::Number(number) => gl!(self.uniform_1_f32(place, *number)),
            }
        }
        gl!(self.bind_vertex_array(Some(model.array)));
        gl!(self.draw_elements(glow::TRIANGLES, model.indices, glow::UNSIGNED_SHORT, 0));
    }

    /// Waits until all is drawn and reads it back, the top row first.
    pub(crate) fn read(&self, width: u32, height: u32) -> Result<Picture> {
        let failed = |message: &str| Error::gl("read the picture", message);
        let row = usize::try_from(width)
            .unwrap_or(usize::MAX)
            .saturating_mul(4);
        let rows = usize::try_from(height).unwrap_or(usize::MAX);
        let mut bytes = vec![0; row.saturating_mul(rows)];
        gl!(self.read_pixels(
            0,
            0,
            side(width),
            side(height),
            glow::RGBA,
            glow::UNSIGNED_BYTE,
            glow::PixelPackData::Slice(Some(&mut bytes)),
        ));
        let pixels = bytes
            .chunks_exact(row.max(1))
            .rev()
            .flat_map(|row| row.chunks_exact(4))
            .filter_map(|pixel| match pixel {
                [red, green, blue, _] => Some(u32::from_be_bytes([0, *red, *green, *blue])),
                _ => None,
            })
            .collect();
        self.check("read the picture")?;
        Picture::from_pixels(width, height, pixels).ok_or_else(|| failed("too few pixels came"))
    }

    /// Waits until all is drawn.
    pub(crate) fn finish(&self) {
        gl!(self.finish());
    }

    /// Fails if GL has refused anything since the last look.
    pub(crate) fn check(&self, action: &'static str) -> Result<()> {
        match gl!(self.get_error()) {
            glow::NO_ERROR => Ok(()),
            error => Err(Error::gl(action, format!("GL error {error:#06x}"))),
        }
    }
}

/// A length as GL takes it; all of ours are small.
fn length(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A side as GL takes it, which refuses the largest.
fn side(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A constant as a parameter.
fn parameter(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
