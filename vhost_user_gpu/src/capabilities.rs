//! What `--print-capabilities` prints, for a management program that looks for back ends.
//!
//! The format is the `backend` schema of QEMU's `docs/interop/vhost-user.json`.

/// The capabilities as one line of JSON.
///
/// They name what this build takes: `--render-node` and `--virgl`.
pub const CAPABILITIES: &str = if cfg!(feature = "virgl") {
    r#"{"type":"gpu","features":["render-node","virgl"]}"#
} else {
    r#"{"type":"gpu","features":[]}"#
};
