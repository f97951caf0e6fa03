//! What will be scanned out, allocated by GBM on the GPU that renders: a display can show such images without a copy.

use std::path::Path;

use gpu_buffer::Allocator;
use gpu_renderer::RenderQueue;

/// An allocator on the node that `queue` renders on, if the command line names one; one log line says so, or why not.
///
/// Without one the renderer allocates what is scanned out.
#[must_use]
pub fn allocator(node: Option<&Path>, queue: &RenderQueue) -> Option<Box<dyn Allocator + Send>> {
    let node = node?;
    if !queue.shares_textures() {
        log::info!("scanout images: the renderer's own, as it takes none of others");
        return None;
    }
    match open(node) {
        Ok(allocator) => {
            log::info!("scanout images: GBM on {}", node.display());
            Some(allocator)
        }
        Err(reason) => {
            log::warn!("scanout images: the renderer's own: {reason}");
            None
        }
    }
}

#[cfg(feature = "gbm")]
fn open(node: &Path) -> Result<Box<dyn Allocator + Send>, String> {
    let node = gpu_buffer::render_node::DrmNode::open(node);
    match node.and_then(gpu_buffer::GbmAllocator::new) {
        Ok(allocator) => Ok(Box::new(allocator)),
        Err(error) => Err(crate::error::chain_of(&error)),
    }
}

#[cfg(not(feature = "gbm"))]
fn open(_: &Path) -> Result<Box<dyn Allocator + Send>, String> {
    Err("this program was built without GBM: build it with `--features gbm`, which needs libgbm (Debian: libgbm-dev)".to_owned())
}
