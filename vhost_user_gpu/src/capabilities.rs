//! What `--print-capabilities` prints, for a management program that looks for back ends.
//!
//! The format is the `backend` schema of QEMU's `docs/interop/vhost-user.json`.

/// The capabilities as one line of JSON.
///
/// A feature is named only when it works on this host: there is no renderer yet, hence neither
/// `render-node` nor `virgl`.
pub const CAPABILITIES: &str = r#"{"type":"gpu","features":[]}"#;
