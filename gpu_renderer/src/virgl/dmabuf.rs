//! Textures shared with others as dma-bufs.
//!
//! It works only where a DRM device is behind EGL, so not on a machine that
//! renders in software, and is tested only where there is one, as in a guest.

use super::VirglRenderer;
use super::check::{self, FLAG_FIRST_ROW_ON_TOP, target};
use super::images::Images;
use super::resources::Resource;
use crate::{DmaBuf, RenderError, ResourceArgs, ResourceId};
use std::collections::BTreeSet;

/// Planes that a picture may have.
pub(super) const MAX_PLANES: usize = 4;

impl VirglRenderer {
    /// See [`crate::Renderer::share`].
    pub(super) fn export_texture(&mut self, resource: ResourceId) -> Result<DmaBuf, RenderError> {
        let args = self.tables.resource(resource)?.args;
        must_be_picture(&args)?;
        let images = self.images.as_ref().ok_or(NOT_SHARED)?;
        self.started.library.make_current();
        let texture = self.started.library.texture(resource)?;
        let image = images.of_texture(&self.started.egl, texture)?;
        let exported = images.export(&image, args.width, args.height);
        images.destroy(image);
        exported
    }

    /// See [`crate::Renderer::import`]. The files may be closed after it.
    pub(super) fn import_picture(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
        picture: &DmaBuf,
    ) -> Result<(), RenderError> {
        if resource.0 == 0 || self.tables.resources.contains_key(&resource) {
            return Err(RenderError::ResourceIdTaken(resource));
        }
        let block = check::resource(args).map_err(|flaw| flaw.error(resource))?;
        must_be_picture(args)?;
        if (args.width, args.height) != (picture.width, picture.height) {
            return Err(RenderError::Impossible("a picture of another size"));
        }
        let images: &Images = self.images.as_ref().ok_or(NOT_SHARED)?;
        self.started.library.make_current();
        let image = images.of_dmabuf(picture)?;
        // SAFETY: the image is of the library's own display and is there
        // during the call; a texture keeps what it needs of it.
        let imported = unsafe {
            self.started
                .library
                .import_image(resource, args, image.as_ptr())
        };
        images.destroy(image);
        imported?;
        let entry = Resource {
            args: *args,
            block,
            backing: None,
            contexts: BTreeSet::new(),
        };
        self.tables.resources.insert(resource, entry);
        Ok(())
    }
}

const NOT_SHARED: RenderError =
    RenderError::Impossible("sharing a texture without a DRM device behind EGL");

/// The library asserts that an imported image is a plain 2D texture. A dma-buf
/// does not tell that its picture is upside down.
fn must_be_picture(args: &ResourceArgs) -> Result<(), RenderError> {
    if args.target != target::TEXTURE_2D || args.samples != 0 || args.last_level != 0 {
        return Err(RenderError::Impossible("sharing what is no single picture"));
    }
    if args.flags & FLAG_FIRST_ROW_ON_TOP != 0 {
        return Err(RenderError::Impossible(
            "sharing a picture that is upside down in memory",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Renderer;
    use crate::virgl::VirglConfig;

    const PICTURE: ResourceArgs = ResourceArgs {
        target: 2,
        format: 1,
        bind: 1 << 1,
        width: 8,
        height: 8,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    };

    #[test]
    fn a_picture_that_is_upside_down_in_memory_is_not_shared() {
        // VIRGL_RESOURCE_Y_0_TOP.
        let upside_down = ResourceArgs {
            flags: 1,
            ..PICTURE
        };

        assert_eq!(must_be_picture(&PICTURE), Ok(()));
        assert!(matches!(
            must_be_picture(&upside_down),
            Err(RenderError::Impossible(_))
        ));
    }

    #[test]
    fn a_resource_has_a_texture_of_its_own() {
        let mut renderer = match VirglRenderer::new(VirglConfig::default()) {
            Ok(renderer) => renderer,
            Err(error) => return println!("SKIP: {error}"),
        };
        let [first, second] = [1, 2].map(ResourceId);
        renderer.create_resource(first, &PICTURE).expect("made");
        renderer.create_resource(second, &PICTURE).expect("made");

        let library = &renderer.started.library;
        let names = [first, second].map(|id| library.texture(id).expect("named"));

        assert!(!names.contains(&0), "{names:?}");
        assert_ne!(names[0], names[1]);
        assert!(library.texture(ResourceId(3)).is_err());
    }
}
