//! Mapping through GBM: the driver may hand out a copy, so a turn ends by unmapping.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

use gbm::{AsRaw, BufferObject};
use nix::libc;
use vm_memory::VolatileSlice;

use crate::{Access, Error, Layout, Rect};

/// A mapped rectangle of a buffer object.
#[derive(Debug)]
pub(crate) struct GbmTurn<'a> {
    object: &'a BufferObject<()>,
    data: *mut c_void,
    memory: VolatileSlice<'a>,
    layout: Layout,
}

impl<'a> GbmTurn<'a> {
    /// Maps `rect` of the first plane, whose samples are those of `samples`.
    pub(super) fn begin(
        object: &'a BufferObject<()>,
        samples: &Layout,
        rect: Rect,
        access: Access,
    ) -> Result<Self, Error> {
        let flags = match access {
            Access::Read => gbm_sys::gbm_bo_transfer_flags::GBM_BO_TRANSFER_READ,
            // What is not written stays: the driver reads it into its copy first.
            Access::Write => gbm_sys::gbm_bo_transfer_flags::GBM_BO_TRANSFER_READ_WRITE,
        };
        let mut stride = 0;
        let mut data = null_mut();
        // SAFETY: the object lives as long as `object` is borrowed; the rectangle lies in it, as the
        // caller's layout was made of the object's own size; both pointers are to live variables.
        let address = unsafe {
            gbm_sys::gbm_bo_map(
                object.as_raw().cast_mut(),
                rect.x,
                rect.y,
                rect.width,
                rect.height,
                flags,
                &raw mut stride,
                &raw mut data,
            )
        };
        let failed = || Error::Map {
            bytes: samples.size(),
            source: io::Error::last_os_error(),
        };
        // Some drivers' libgbm gives what mmap gives.
        let address = NonNull::new(address)
            .filter(|address| address.as_ptr() != libc::MAP_FAILED)
            .ok_or_else(failed)?;
        let mut turn = Self {
            object,
            data,
            // SAFETY: no byte of an empty slice is touched.
            memory: unsafe { VolatileSlice::new(address.as_ptr().cast(), 0) },
            layout: *samples,
        };
        // From here on a failure unmaps.
        turn.layout = Layout::with_stride(rect.width, rect.height, stride, samples.format())?;
        let bytes = turn.layout.span(&turn.layout.bounds());
        let bytes = bytes.and_then(|span| usize::try_from(span.end).ok());
        let bytes = bytes.ok_or(Error::BufferTooLarge {
            bytes: turn.layout.size(),
        })?;
        // SAFETY: libgbm has mapped the rectangle's rows, `stride` bytes apart, from `address` on
        // until `gbm_bo_unmap`, which only dropping the turn calls; the lifetime is the turn's
        // borrow of the object, and the turn gives the slice out for its own life only.
        turn.memory = unsafe { VolatileSlice::new(address.as_ptr().cast(), bytes) };
        Ok(turn)
    }

    pub(crate) fn memory(&self) -> VolatileSlice<'a> {
        self.memory
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl Drop for GbmTurn<'_> {
    fn drop(&mut self) {
        // SAFETY: `data` is what mapping this object gave, and is given back once.
        unsafe { gbm_sys::gbm_bo_unmap(self.object.as_raw().cast_mut(), self.data) };
    }
}
