//! Objects that a context knows by handles of its own.

use super::Stream;

const CREATE_OBJECT: u8 = 1;
const BIND_OBJECT: u8 = 2;
const DESTROY_OBJECT: u8 = 3;

/// Types of objects.
pub(super) mod kind {
    pub(crate) const BLEND: u8 = 1;
    pub(crate) const RASTERIZER: u8 = 2;
    pub(crate) const DEPTH_STENCIL_ALPHA: u8 = 3;
    pub(crate) const SHADER: u8 = 4;
    pub(crate) const VERTEX_ELEMENTS: u8 = 5;
    pub(crate) const SAMPLER_VIEW: u8 = 6;
    pub(crate) const SAMPLER_STATE: u8 = 7;
    pub(crate) const SURFACE: u8 = 8;
}

/// Red, green, blue, alpha as they are.
const SWIZZLE_NONE: u32 = 1 << 3 | 2 << 6 | 3 << 9;

/// One attribute of a vertex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VertexElement {
    /// Bytes from the start of the vertex.
    pub offset: u32,
    /// Gallium format.
    pub format: u32,
}

impl Stream {
    /// Makes a surface of a resource's first level and layer.
    pub fn surface(&mut self, handle: u32, resource: u32, format: u32) -> &mut Self {
        self.create(kind::SURFACE, &[handle, resource, format, 0, 0])
    }

    /// Makes a view of a resource's first level and layer for shaders.
    pub fn sampler_view(&mut self, handle: u32, resource: u32, format: u32) -> &mut Self {
        let arguments = [handle, resource, format, 0, 0, SWIZZLE_NONE];
        self.create(kind::SAMPLER_VIEW, &arguments)
    }

    /// Makes a sampler that takes the nearest texel and stops at the edges.
    pub fn sampler_state(&mut self, handle: u32) -> &mut Self {
        const CLAMP_TO_EDGE: u32 = 2;
        const NO_MIPMAPS: u32 = 2;
        let wrap = CLAMP_TO_EDGE | CLAMP_TO_EDGE << 3 | CLAMP_TO_EDGE << 6;
        let mut arguments = [0; 9];
        arguments[0] = handle;
        arguments[1] = wrap | NO_MIPMAPS << 11;
        self.create(kind::SAMPLER_STATE, &arguments)
    }

    /// Makes and binds a layout of vertices, all in vertex buffer 0.
    pub fn vertex_elements(&mut self, handle: u32, elements: &[VertexElement]) -> &mut Self {
        let mut arguments = vec![handle];
        for element in elements {
            arguments.extend([element.offset, 0, 0, element.format]);
        }
        self.create(kind::VERTEX_ELEMENTS, &arguments)
            .bind(kind::VERTEX_ELEMENTS, handle)
    }

    /// Makes and binds states that draw plainly: no blending, no depth, no
    /// culling. They take three handles from `first_handle` on.
    pub fn plain_states(&mut self, first_handle: u32) -> &mut Self {
        const ALL_CHANNELS: u32 = 0xf << 27;
        const DEPTH_CLIP: u32 = 1 << 1;
        const PIXEL_CENTRES: u32 = 1 << 29;
        let [blend, depth, raster] = [0, 1, 2].map(|index| first_handle + index);
        let mut blending = [ALL_CHANNELS; 11];
        blending[..3].copy_from_slice(&[blend, 0, 0]);
        let one = 1.0f32.to_bits();
        self.create(kind::BLEND, &blending)
            .bind(kind::BLEND, blend)
            .create(kind::DEPTH_STENCIL_ALPHA, &[depth, 0, 0, 0, 0])
            .bind(kind::DEPTH_STENCIL_ALPHA, depth)
            .create(
                kind::RASTERIZER,
                &[raster, DEPTH_CLIP | PIXEL_CENTRES, one, 0, 0, one, 0, 0, 0],
            )
            .bind(kind::RASTERIZER, raster)
    }

    /// Destroys a surface.
    pub fn destroy_surface(&mut self, handle: u32) -> &mut Self {
        self.command(DESTROY_OBJECT, kind::SURFACE, &[handle])
    }

    pub(super) fn create(&mut self, kind: u8, arguments: &[u32]) -> &mut Self {
        self.command(CREATE_OBJECT, kind, arguments)
    }

    fn bind(&mut self, kind: u8, handle: u32) -> &mut Self {
        self.command(BIND_OBJECT, kind, &[handle])
    }
}
