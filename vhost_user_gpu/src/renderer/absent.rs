//! What stands for virglrenderer in a build without it.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};

use gpu_renderer::{RenderError, RenderQueue};

use super::Wish;

/// Nothing is ever on its way.
#[derive(Debug)]
pub(super) struct Starting(Infallible);

/// Nothing is ever there.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) queue: RenderQueue,
    pub(super) description: String,
}

impl Starting {
    pub(super) fn begin(_wish: Wish) -> Result<Self, RenderError> {
        Err(RenderError::Unavailable {
            reason: "this program was built without it".to_owned(),
            hint: Some(
                "build it with `--features virgl`, which needs virglrenderer (Debian: libvirglrenderer-dev)"
                    .to_owned(),
            ),
        })
    }

    pub(super) fn abandon(self) {
        match self.0 {}
    }

    pub(super) fn finish(self) -> Result<Started, RenderError> {
        match self.0 {}
    }
}

impl AsFd for Starting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}
