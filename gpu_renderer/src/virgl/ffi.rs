//! What is needed of virglrenderer's C interface beyond its generated
//! bindings, and of other symbols. Types and constants only; [`super::library`]
//! makes the calls.

use std::ffi::{CStr, c_char, c_int, c_void};

pub(super) use virglrenderer_sys as sys;

use crate::RenderError;

/// A box of texels. The library's header only declares it; its fields are
/// public through the protocol (`virgl_hw.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VirglBox {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) z: u32,
    pub(super) w: u32,
    pub(super) h: u32,
    pub(super) d: u32,
}

/// The argument list that the library's older log callback is given.
#[cfg(target_arch = "x86_64")]
pub(super) type VaList = *mut sys::__va_list_tag;

/// `virgl_set_log_callback`, from virglrenderer 1.0 on.
pub(super) type SetLogCallback =
    unsafe extern "C" fn(callback: LogCallback, user: *mut c_void, free: *const c_void);

/// `virgl_renderer_export_fence`. Its number has 32 bits before virglrenderer 1.0,
/// which does not look at the others, and 64 from then on, whatever the headers
/// said that this was built with.
pub(super) type ExportFence = unsafe extern "C" fn(number: u64, file: *mut c_int) -> c_int;

/// What [`SetLogCallback`] is given. The text is complete.
pub(super) type LogCallback =
    unsafe extern "C" fn(level: c_int, text: *const c_char, user: *mut c_void);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    pub(super) fn vsnprintf(
        text: *mut c_char,
        size: usize,
        format: *const c_char,
        arguments: VaList,
    ) -> c_int;
}

/// Looks a symbol up in the libraries of this process, `None` where it is
/// missing.
pub(super) fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends with a zero byte; RTLD_DEFAULT is a valid handle.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// Whether a shared library can be opened. It stays open.
pub(super) fn opens(library: &CStr) -> bool {
    // SAFETY: the name ends with a zero byte; the initialisers of the
    // libraries that are asked for may be run at any time.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
    !handle.is_null()
}

/// The library returns 0 for success, else EINVAL and others of either sign.
pub(super) fn check(call: &'static str, code: c_int) -> Result<(), RenderError> {
    match code {
        0 => Ok(()),
        code => Err(RenderError::Refused { call, code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_either_sign_is_an_error() {
        assert_eq!(check("f", 0), Ok(()));
        for code in [22, -22, -1, 12] {
            assert_eq!(
                check("f", code),
                Err(RenderError::Refused { call: "f", code })
            );
        }
    }

    #[test]
    fn a_library_that_is_not_there_does_not_open() {
        assert!(opens(c"libc.so.6"));
        assert!(!opens(c"libmake_coffee.so.1"));
    }

    #[test]
    fn a_symbol_that_is_not_there_is_none() {
        assert!(symbol(c"malloc").is_some());
        assert!(symbol(c"virgl_renderer_make_coffee").is_none());
    }
}
