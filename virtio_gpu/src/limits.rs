//! Every cap on what one guest can make the host hold, with its reason.
//!
//! Beyond a cap the guest gets an error and everything else goes on.

/// Caps on one device. [`Limits::default`] is what the daemon runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Host bytes of all pixel storage together, charged when a resource is
    /// created. 256 MiB is what QEMU's own device grants (`max_hostmem`).
    /// What is on a scanout may take three times as much again, for the pictures
    /// that come while a display is busy with earlier ones.
    pub host_bytes: u64,
    /// Bytes of what all scanouts show together, at four a pixel. A display
    /// holds some copies of each scanout, and one resource can be on all 16.
    /// The default has room for one monitor of 7680x4320 or four of 3840x2160.
    pub shown_bytes: u64,
    /// Bytes of all resources of the renderer together, as far as can be told
    /// from their sizes. A desktop with a browser and a game holds some
    /// hundred MiB of textures; where the renderer has no GPU they are this
    /// host's memory.
    pub renderer_bytes: u64,
    /// Live contexts. A guest has one for each program that draws.
    pub contexts: usize,
    /// Attachments of resources to contexts, all together: 64 MiB of tables.
    pub attachments: usize,
    /// Bytes of one command stream. Mesa sends 64 KiB at a time; uploads
    /// inside the stream can be longer.
    pub submit_bytes: usize,
    /// Live resources. Bounds the table; a desktop uses some hundreds.
    pub resources: usize,
    /// Live resources whose pixels other programs were given: each holds a
    /// file descriptor. A camera or a decoder turns round a dozen of them.
    pub shared_resources: usize,
    /// Width and height of a resource in pixels. Every monitor and every GL
    /// implementation ends there; a row has 64 KiB at most.
    pub side: u32,
    /// Entries of one resource's backing, as in QEMU.
    pub backing_entries: usize,
    /// Entries of all backings together: 1 Mi of them cost about 40 MiB.
    pub total_backing_entries: usize,
    /// Resources whose pixels are in memory files, where a display reads them
    /// there: enough for three pictures of each of 16 scanouts. Each has a
    /// descriptor, and one or two more while it is drawn to as it is shown. Of
    /// further resources the pixels are copied when they are shown.
    pub picture_files: usize,
    /// Width and height of a cursor image in pixels. The specification says
    /// 64; real hardware planes end at 256.
    pub cursor_side: u32,
    /// Bytes of one guest blob: a picture of `side` squared. It costs no memory
    /// of the host's, but a length that no guest has is a mistake.
    pub blob_bytes: u64,
    /// Bytes of one request that are copied out of guest memory, a command
    /// stream aside. The longest is a CREATE_BLOB with `backing_entries`
    /// entries; what lies beyond is never read.
    pub request_bytes: usize,
    /// Commands handled before the event loop gets its turn again.
    pub turn_commands: u32,
    /// Milliseconds that the renderer has to finish what it was given when
    /// the guest's memory is to be taken away; then the guest is told that it
    /// failed.
    pub drain_millis: u64,
    /// Microseconds after which a turn begins nothing new, even with commands
    /// left, so that the other queue and the display get theirs.
    pub turn_micros: u64,
    /// Bytes that a transfer copies at a time; a longer one goes on in the
    /// next turn.
    pub transfer_step_bytes: u64,
    /// Bytes of one scanout that are presented at a time, at four a pixel. A
    /// screen of 3840x2160 is presented at once, so that it does not tear.
    pub present_step_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            host_bytes: 256 << 20,
            shown_bytes: 128 << 20,
            renderer_bytes: 2 << 30,
            contexts: 256,
            attachments: 1 << 20,
            submit_bytes: 16 << 20,
            resources: 16_384,
            shared_resources: 256,
            side: 16_384,
            backing_entries: 16_384,
            total_backing_entries: 1 << 20,
            picture_files: 64,
            cursor_side: 256,
            blob_bytes: 1 << 30,
            request_bytes: 56 + 16 * 16_384,
            turn_commands: 64,
            drain_millis: 500,
            turn_micros: 2_000,
            transfer_step_bytes: 4 << 20,
            present_step_bytes: 32 << 20,
        }
    }
}
