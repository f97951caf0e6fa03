//! The start of virglrenderer on its thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gpu_renderer::virgl::{VirglConfig, VirglRenderer};
use gpu_renderer::{RenderError, RenderQueue, queue};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Wish;

/// How long a thread may take from telling that it is done to the outcome.
const MOMENT: Duration = Duration::from_millis(100);

/// A virglrenderer on its way.
#[derive(Debug)]
pub(super) struct Starting {
    inner: queue::Starting,
    /// Readable when the outcome is there.
    done: Arc<EventFd>,
    description: Arc<OnceLock<String>>,
}

/// A virglrenderer that is there.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) queue: RenderQueue,
    /// What it renders with.
    pub(super) description: String,
}

/// Tells of the end of a start, however it ends.
struct Bell(Arc<EventFd>);

impl Drop for Bell {
    fn drop(&mut self) {
        // A counter of one thread's one event has room for it.
        let _ = self.0.write(1);
    }
}

impl Starting {
    pub(super) fn begin(wish: Wish) -> Result<Self, RenderError> {
        let mut config = VirglConfig {
            render_node: wish.render_node,
            ..VirglConfig::default()
        };
        if !wish.capsets.is_empty() {
            config.capsets = wish.capsets;
        }
        let done = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map(Arc::new)
            .map_err(|errno| RenderError::System {
                call: "eventfd",
                code: errno as i32,
            })?;
        let bell = Bell(Arc::clone(&done));
        let description = Arc::new(OnceLock::new());
        let told = Arc::clone(&description);
        let inner = RenderQueue::thread(move || {
            let _bell = bell;
            let renderer = VirglRenderer::new(config)?;
            // Nobody else sets it.
            let _ = told.set(renderer.description().to_owned());
            Ok(renderer)
        })?;
        Ok(Self {
            inner,
            done,
            description,
        })
    }

    /// Leaves it alone. Dropping it would wait for it.
    pub(super) fn abandon(self) {
        std::mem::forget(self);
    }

    /// The outcome. It does not wait for one that is late.
    pub(super) fn finish(self) -> Result<Started, RenderError> {
        let queue = self.inner.wait(MOMENT)?;
        let description = self.description.get().cloned().unwrap_or_default();
        Ok(Started { queue, description })
    }
}

impl AsFd for Starting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}
