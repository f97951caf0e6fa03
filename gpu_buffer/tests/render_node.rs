//! Looking for a GPU's node ends in a node, or in one line that says why there is none.
#![cfg(feature = "drm")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use gpu_buffer::Error;
use gpu_buffer::render_node::{DrmNode, NodeKind, choose, enumerate};

fn line(folder: &Path, kind: NodeKind) -> String {
    match choose(folder, kind, None) {
        Err(error @ Error::NoNode { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    assert_eq!(
        line(Path::new("/no/such/folder"), NodeKind::Render),
        "no render node: cannot read /no/such/folder: No such file or directory (os error 2)"
    );
}

#[test]
fn a_folder_without_nodes_of_the_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["card0", "controlD64", "by-path", "renderDx", "renderD"] {
        fs::write(folder.path().join(name), "").unwrap();
    }

    assert_eq!(
        line(folder.path(), NodeKind::Render),
        format!("no render node: {} has none", folder.path().display())
    );
}

#[test]
fn each_node_that_does_not_serve_has_its_reason_in_the_order_of_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["card10", "card2"] {
        fs::write(folder.path().join(name), "").unwrap();
    }

    let path = |name| folder.path().join(name).display().to_string();
    let is_none = "is not a DRM device: Inappropriate ioctl for device (os error 25)";
    assert_eq!(
        line(folder.path(), NodeKind::Primary),
        format!(
            "no card: {} {is_none}, {} {is_none}",
            path("card2"),
            path("card10")
        )
    );
    assert_eq!(
        enumerate(folder.path(), NodeKind::Primary).unwrap().len(),
        2
    );
}

#[test]
fn a_node_is_opened_by_its_path_and_asked_for_its_driver() {
    assert!(matches!(
        DrmNode::open(Path::new("/no/such/node")),
        Err(Error::OpenDevice { .. })
    ));
    let null = DrmNode::open(Path::new("/dev/null"));
    assert!(matches!(null, Err(Error::WrongDevice { .. })), "{null:?}");

    match choose(Path::new("/dev/dri"), NodeKind::Render, None) {
        Ok(node) => assert!(!node.driver().is_empty()),
        Err(error) => eprintln!("SKIP a real node: {error}"),
    }
}
