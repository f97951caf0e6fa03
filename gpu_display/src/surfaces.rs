//! The surfaces of a display, and the rules for making and changing them.

use std::collections::BTreeMap;

use gpu_buffer::{DrmFourcc, Layout};

use crate::{DisplayError, Position, Role, SurfaceId, SurfaceIds, SurfaceRequest};

/// The largest picture that a window system takes: it counts a buffer's bytes in 31 bits.
const MAX_BYTES: u64 = i32::MAX as u64;

/// All surfaces of a display.
#[derive(Debug)]
pub(crate) struct Surfaces {
    outputs: u32,
    /// The longest side that a surface may have.
    max_side: u32,
    ids: SurfaceIds,
    requests: BTreeMap<SurfaceId, SurfaceRequest>,
}

/// What [`Surfaces::configure`] changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configured {
    /// The size, and maybe more: the surface is not shown before its next frame.
    Resized,
    /// At most a cursor's place, hotspot and parent.
    Placed,
}

impl Surfaces {
    /// No surfaces, for a display of so many outputs.
    pub(crate) fn new(outputs: u32, max_side: u32) -> Self {
        Self {
            outputs,
            max_side,
            ids: SurfaceIds::default(),
            requests: BTreeMap::new(),
        }
    }

    /// What a surface is.
    pub(crate) fn get(&self, surface: SurfaceId) -> Result<&SurfaceRequest, DisplayError> {
        self.requests
            .get(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })
    }

    /// Names and numbers of all of them, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (SurfaceId, &SurfaceRequest)> {
        self.requests.iter().map(|(id, request)| (*id, request))
    }

    /// Makes a surface that fits the others.
    pub(crate) fn create(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        self.check_size(request)?;
        match request.role {
            Role::Scanout { output } if output >= self.outputs => {
                return Err(DisplayError::UnknownOutput { output });
            }
            Role::Scanout { output } if self.scanout(output).is_some() => {
                return Err(DisplayError::OutputTaken { output });
            }
            Role::Scanout { .. } => {}
            Role::Cursor { parent, .. } => self.check_scanout(parent)?,
        }
        let id = self.ids.allocate()?;
        self.requests.insert(id, *request);
        Ok(id)
    }

    /// Changes a surface.
    pub(crate) fn configure(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<Configured, DisplayError> {
        let old = *self.get(surface)?;
        match (old.role, request.role) {
            (Role::Scanout { output: old }, Role::Scanout { output: new }) if old == new => {}
            (Role::Cursor { .. }, Role::Cursor { parent, .. }) => self.check_scanout(parent)?,
            _ => return Err(DisplayError::RoleChange { surface }),
        }
        self.check_size(request)?;
        self.requests.insert(surface, *request);
        match (old.width, old.height) == (request.width, request.height) {
            true => Ok(Configured::Placed),
            false => Ok(Configured::Resized),
        }
    }

    /// Moves a cursor.
    pub(crate) fn set_position(
        &mut self,
        surface: SurfaceId,
        new_position: Position,
    ) -> Result<(), DisplayError> {
        let request = self
            .requests
            .get_mut(&surface)
            .ok_or(DisplayError::UnknownSurface { surface })?;
        match &mut request.role {
            Role::Cursor { position, .. } => *position = new_position,
            Role::Scanout { .. } => return Err(DisplayError::NotACursor { surface }),
        }
        Ok(())
    }

    /// Forgets a surface, and returns what it was.
    pub(crate) fn destroy(&mut self, surface: SurfaceId) -> Option<SurfaceRequest> {
        self.requests.remove(&surface)
    }

    /// The scanout surface of an output.
    pub(crate) fn scanout(&self, output: u32) -> Option<SurfaceId> {
        let found = self
            .iter()
            .find(|(_, request)| request.role == Role::Scanout { output });
        found.map(|(id, _)| id)
    }

    /// The output that a surface is on; `None` for a cursor whose scanout is gone.
    pub(crate) fn output_of(&self, surface: SurfaceId) -> Option<u32> {
        match self.requests.get(&surface)?.role {
            Role::Scanout { output } => Some(output),
            Role::Cursor { parent, .. } => match self.requests.get(&parent)?.role {
                Role::Scanout { output } => Some(output),
                Role::Cursor { .. } => None,
            },
        }
    }

    fn check_scanout(&self, surface: SurfaceId) -> Result<(), DisplayError> {
        match self.get(surface)?.role {
            Role::Scanout { .. } => Ok(()),
            Role::Cursor { .. } => Err(DisplayError::NotAScanout { surface }),
        }
    }

    fn check_size(&self, request: &SurfaceRequest) -> Result<(), DisplayError> {
        let &SurfaceRequest { width, height, .. } = request;
        let bytes = Layout::packed(width, height, DrmFourcc::Xrgb8888)?.size();
        if bytes > MAX_BYTES || width.max(height) > self.max_side {
            return Err(DisplayError::TooLarge { width, height });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hotspot;

    fn scanout(output: u32, width: u32, height: u32) -> SurfaceRequest {
        SurfaceRequest {
            role: Role::Scanout { output },
            width,
            height,
        }
    }

    fn cursor(parent: SurfaceId) -> SurfaceRequest {
        SurfaceRequest {
            role: Role::Cursor {
                parent,
                hotspot: Hotspot::default(),
                position: Position::default(),
            },
            width: 8,
            height: 8,
        }
    }

    #[test]
    fn an_output_has_one_scanout_and_the_display_so_many_outputs() {
        let mut surfaces = Surfaces::new(1, u32::MAX);
        let first = surfaces.create(&scanout(0, 4, 4)).unwrap();

        let second = surfaces.create(&scanout(0, 4, 4));
        let beyond = surfaces.create(&scanout(1, 4, 4));

        assert!(matches!(
            second,
            Err(DisplayError::OutputTaken { output: 0 })
        ));
        assert!(matches!(
            beyond,
            Err(DisplayError::UnknownOutput { output: 1 })
        ));
        assert_eq!(surfaces.scanout(0), Some(first));
    }

    #[test]
    fn a_picture_has_pixels_and_at_most_two_gibibytes_of_them() {
        let mut surfaces = Surfaces::new(1, u32::MAX);

        let empty = surfaces.create(&scanout(0, 0, 4));
        let too_large = surfaces.create(&scanout(0, 32_768, 16_384));
        let largest = surfaces.create(&scanout(0, 32_767, 16_384));

        assert!(matches!(empty, Err(DisplayError::Pixels(_))));
        assert!(matches!(too_large, Err(DisplayError::TooLarge { .. })));
        assert!(largest.is_ok());
    }

    #[test]
    fn no_side_is_longer_than_the_window_system_can_say() {
        let mut surfaces = Surfaces::new(1, 100);

        let too_long = surfaces.create(&scanout(0, 4, 101));
        let longest = surfaces.create(&scanout(0, 100, 100)).unwrap();
        let grown = surfaces.configure(longest, &scanout(0, 101, 1));

        assert!(matches!(too_long, Err(DisplayError::TooLarge { .. })));
        assert!(matches!(grown, Err(DisplayError::TooLarge { .. })));
    }

    #[test]
    fn a_surface_keeps_its_kind_of_role_and_its_output() {
        let mut surfaces = Surfaces::new(2, u32::MAX);
        let below = surfaces.create(&scanout(0, 4, 4)).unwrap();
        let above = surfaces.create(&cursor(below)).unwrap();

        let other_output = surfaces.configure(below, &scanout(1, 4, 4));
        let other_kind = surfaces.configure(above, &scanout(1, 4, 4));
        let over_a_cursor = surfaces.configure(above, &cursor(above));

        let refused = |result, surface| matches!(result, Err(DisplayError::RoleChange { surface: s }) if s == surface);
        assert!(refused(other_output, below));
        assert!(refused(other_kind, above));
        assert!(matches!(
            over_a_cursor,
            Err(DisplayError::NotAScanout { .. })
        ));
        assert_eq!(surfaces.get(below).unwrap(), &scanout(0, 4, 4));
    }

    #[test]
    fn a_cursor_outlives_its_scanout_and_is_then_on_no_output() {
        let mut surfaces = Surfaces::new(1, u32::MAX);
        let below = surfaces.create(&scanout(0, 4, 4)).unwrap();
        let above = surfaces.create(&cursor(below)).unwrap();
        assert_eq!(surfaces.output_of(above), Some(0));

        surfaces.destroy(below);

        assert_eq!(surfaces.output_of(above), None);
        surfaces
            .set_position(above, Position { x: 1, y: 2 })
            .unwrap();
    }
}
