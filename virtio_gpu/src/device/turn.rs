//! What the device tells whoever runs it.

use super::QueueIndex;

/// What a turn of work left for its caller to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "the guest waits for its interrupt"]
pub struct Turn {
    /// Raise the control queue's interrupt.
    pub notify_control: bool,
    /// Raise the cursor queue's interrupt.
    pub notify_cursor: bool,
    /// Raise the configuration interrupt: `events_read` changed.
    pub notify_config: bool,
    /// The turn's budget ran out with requests, rows of a transfer or pixels
    /// to present left: call again after the other queue and the display had
    /// their turn.
    pub more: bool,
    /// The display's user wants the window closed.
    pub close_requested: bool,
}

impl Turn {
    /// Whether a queue's interrupt is to be raised.
    pub fn notify(&self, index: QueueIndex) -> bool {
        match index {
            QueueIndex::Control => self.notify_control,
            QueueIndex::Cursor => self.notify_cursor,
        }
    }

    /// Both turns' work together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            notify_control: self.notify_control || other.notify_control,
            notify_cursor: self.notify_cursor || other.notify_cursor,
            notify_config: self.notify_config || other.notify_config,
            more: self.more || other.more,
            close_requested: self.close_requested || other.close_requested,
        }
    }
}

/// How far [`Device::quiesce`](super::Device::quiesce) has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the guest waits for its interrupt"]
pub struct Quiescing {
    /// Whether all is quiet.
    pub progress: Progress,
    /// Interrupts to raise for what was answered meanwhile.
    pub turn: Turn,
}

/// Whether something that takes a while is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is.
    Done,
    /// Not yet: ask again when [`Device::renderer_fd`](super::Device::renderer_fd) is readable or
    /// [`Device::deadline`](super::Device::deadline) is due.
    Pending,
}

/// What [`Device::stop_queue`](super::Device::stop_queue) leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the guest waits for its interrupt"]
pub struct StoppedQueue {
    /// Index of the available entry at which the queue goes on if it is
    /// started again.
    pub next_avail: u16,
    /// Interrupts to raise for what was answered.
    pub turn: Turn,
}
