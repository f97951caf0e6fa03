//! The best allocator that works is chosen, and the line says why no better one was.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use gpu_buffer::{Error, Places, Usage, Wanted, choose};

fn places(folder: &Path) -> Places {
    Places {
        dri: folder.join("dri"),
        udmabuf: folder.join("udmabuf"),
        driver: None,
    }
}

/// What `feature` says where its device is missing.
fn reason(built_in: bool, name: &str, text: &str) -> String {
    match built_in {
        true => format!("{name}: {text}"),
        false => format!("{name}: not built in"),
    }
}

#[test]
fn without_any_device_it_is_memfd_and_the_line_names_each_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dri")).unwrap();
    let places = places(folder.path());

    let choice = choose(Wanted::Buffers, &places).unwrap();

    assert_eq!(choice.name(), "memfd");
    let dri = places.dri.display();
    let gbm = reason(
        cfg!(feature = "gbm"),
        "gbm",
        &format!("no render node: {dri} has none"),
    );
    let missing = "No such file or directory (os error 2)";
    let udmabuf = format!("cannot open {}: {missing}", places.udmabuf.display());
    let udmabuf = reason(cfg!(feature = "udmabuf"), "udmabuf", &udmabuf);
    assert_eq!(
        choice.to_string(),
        format!("{gbm}; {udmabuf}; memfd: works")
    );
}

#[test]
fn what_is_displayed_falls_back_to_memory_without_scanout() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());

    let choice = choose(Wanted::Images(Usage::SCANOUT | Usage::LINEAR), &places).unwrap();

    assert_eq!(choice.name(), "memfd");
    let dri = places.dri.display();
    let missing = "No such file or directory (os error 2)";
    let dumb = format!("no card: cannot read {dri}: {missing}");
    let dumb = reason(cfg!(feature = "dumb"), "dumb", &dumb);
    assert!(choice.to_string().contains(&dumb), "{choice}");
}

#[test]
fn nothing_but_a_gpu_serves_for_rendering() {
    let folder = tempfile::tempdir().unwrap();

    let result = choose(Wanted::Images(Usage::RENDERING), &places(folder.path()));

    match result {
        Err(Error::NoAllocator { reasons }) => {
            let memfd = "memfd: memfd makes nothing for Usage(RENDERING)";
            assert!(reasons.ends_with(memfd), "{reasons}");
        }
        other => panic!("{other:?}"),
    }
}
