//! Starting and ending virglrenderer in one process.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::panic)]

mod virgl_support;

use std::path::PathBuf;
use std::process::Command;

use gpu_renderer::testing::stream::{Stream, format};
use gpu_renderer::virgl::{VirglConfig, VirglRenderer};
use gpu_renderer::{CapsetId, RenderError, Renderer};
use virgl_support::{alone, context, picture, pixels, resource, start, start_as, with_renderer};

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

fn draws(renderer: &mut VirglRenderer) {
    let context = context(renderer, 1);
    let picture = resource(renderer, context, 2, &picture(8, 8));
    let mut stream = Stream::new();
    stream
        .surface(1, 2, format::B8G8R8A8_UNORM)
        .framebuffer(&[1])
        .clear([1.0, 0.0, 0.0, 1.0]);
    renderer
        .submit(context, &mut stream.into_words())
        .expect("submit");
    assert_eq!(pixels(renderer, picture, 8, 8), vec![[0, 0, 255, 255]; 64]);
}

#[test]
fn a_second_renderer_is_refused_while_the_first_is_there() {
    with_renderer(|renderer| {
        let second = VirglRenderer::new(VirglConfig::default());

        let Err(RenderError::Unavailable { reason, .. }) = second else {
            panic!("{second:?}");
        };
        assert!(reason.contains("already"), "{reason}");
        draws(renderer);
    });
}

#[test]
fn after_its_end_another_may_start_on_any_thread() {
    let _one = alone();
    let draw = || {
        if let Some(mut renderer) = start() {
            draws(&mut renderer);
        }
    };
    let elsewhere = || std::thread::spawn(draw).join().expect("no panic");
    draw();
    elsewhere();
    let files = open_files();

    for _ in 0..4 {
        elsewhere();
        draw();
    }

    assert_eq!(open_files(), files, "files are left open");
}

#[test]
fn the_capability_sets_are_complete() {
    with_renderer(|renderer| {
        let capsets = renderer.capsets();

        let ids: Vec<_> = (0..).map_while(|index| capsets.by_index(index)).collect();
        assert_eq!(ids.len(), 2);
        // As the protocol has them: each begins with its version.
        assert_eq!(
            (ids[0].id, ids[0].max_version, ids[0].max_size()),
            (CapsetId(1), 1, 308)
        );
        assert_eq!(ids[0].data[..4], [1, 0, 0, 0]);
        assert_eq!((ids[1].id, ids[1].max_version), (CapsetId(2), 2));
        assert!(ids[1].max_size() >= 1376, "{}", ids[1].max_size());
        assert_eq!(ids[1].data[..4], [2, 0, 0, 0]);
    });
}

#[test]
fn sets_that_are_not_usable_are_left_out() {
    let _one = alone();
    let config = VirglConfig {
        // Venus has a size, DRM and 99 have none.
        capsets: [4, 2, 6, 99].map(CapsetId).to_vec(),
        ..VirglConfig::default()
    };

    if let Some(renderer) = start_as(config) {
        let capsets = renderer.capsets();
        assert_eq!(capsets.len(), 1);
        let id = capsets.by_index(0).map(|set| set.id);
        assert_eq!(id, Some(CapsetId::VIRGL2));
    }
}

#[test]
fn without_any_set_there_is_no_renderer() {
    let _one = alone();
    let config = VirglConfig {
        capsets: vec![CapsetId(99)],
        ..VirglConfig::default()
    };

    let result = VirglRenderer::new(config);

    assert!(
        matches!(result, Err(RenderError::Unavailable { .. })),
        "{result:?}"
    );
}

fn reason_and_hint(node: &str) -> (String, String) {
    let config = VirglConfig {
        render_node: Some(PathBuf::from(node)),
        ..VirglConfig::default()
    };
    match VirglRenderer::new(config) {
        Err(RenderError::Unavailable { reason, hint }) => (reason, hint.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_render_node_that_cannot_be_opened_is_named() {
    let _one = alone();
    let (reason, hint) = reason_and_hint("/nowhere/renderD128");

    assert!(reason.contains("/nowhere/renderD128"), "{reason}");
    assert!(reason.contains("No such file"), "{reason}");
    assert!(hint.contains("/dev/dri"), "{hint}");
}

#[test]
fn a_file_that_is_no_render_node_is_refused() {
    let _one = alone();
    let files = open_files();

    let (reason, hint) = reason_and_hint("/dev/null");

    assert!(reason.contains("/dev/null"), "{reason}");
    assert!(hint.contains("/dev/dri"), "{hint}");
    assert_eq!(open_files(), files, "files are left open");
    if let Some(mut renderer) = start() {
        draws(&mut renderer);
    }
}

/// Starts a renderer in a process of its own, with other variables.
fn start_with(variables: &[(&str, &str)]) -> String {
    let _one = alone();
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "--nocapture", "starts"])
        .envs(variables.iter().copied())
        .output()
        .expect("run");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn starts() {
    match VirglRenderer::new(VirglConfig::default()) {
        Ok(renderer) => println!("STARTED {}", renderer.description()),
        Err(RenderError::Unavailable { reason, hint }) => println!("REASON {reason} HINT {hint:?}"),
        Err(error) => println!("ERROR {error}"),
    }
}

#[test]
fn a_failing_driver_is_reported_in_its_own_words() {
    let said = start_with(&[("LIBGL_DRIVERS_PATH", "/nowhere")]);

    if said.contains("STARTED") {
        return println!("SKIP: this Mesa has its drivers elsewhere");
    }
    assert!(said.contains("REASON"), "{said}");
    assert!(said.contains("EGL: eglInitialize"), "{said}");
    assert!(said.contains("LIBGL_ALWAYS_SOFTWARE"), "{said}");
}

#[test]
fn an_egl_without_drivers_is_reported_with_what_to_install() {
    let said = start_with(&[("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere.json")]);

    assert!(said.contains("REASON"), "{said}");
    assert!(said.contains("libegl-mesa0"), "{said}");
}
