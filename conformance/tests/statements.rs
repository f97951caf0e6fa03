//! `docs/conformance.md` names tests that exist, and one for each statement.
#![allow(clippy::unwrap_used)]

use std::path::Path;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The statements of the page and the tests beside each, as file and name.
fn statements() -> Vec<(String, Vec<(String, String)>)> {
    let page = std::fs::read_to_string(workspace().join("docs/conformance.md")).unwrap();
    page.lines()
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .split_once(" | ")
        })
        .filter(|(statement, _)| *statement != "statement")
        .map(|(statement, tests)| {
            let tests = tests
                .split(", ")
                .map(|test| {
                    let test = test
                        .strip_prefix('`')
                        .and_then(|test| test.strip_suffix('`'));
                    let (file, name) = test.unwrap().split_once("::").unwrap();
                    (file.to_owned(), name.to_owned())
                })
                .collect();
            (statement.to_owned(), tests)
        })
        .collect()
}

/// Whether a file has a test of this name: the attribute is among those right above it.
fn is_test(text: &str, name: &str) -> bool {
    let signature = format!("fn {name}(");
    let mut attributes = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with(&signature) && attributes.contains(&"#[test]") {
            return true;
        }
        match line.starts_with("#[") {
            true => attributes.push(line.trim_end()),
            false => attributes.clear(),
        }
    }
    false
}

#[test]
fn every_statement_has_a_test_and_every_test_exists() {
    let statements = statements();
    assert!(statements.len() > 50, "the page was read");

    let missing: Vec<_> = statements
        .iter()
        .flat_map(|(_, tests)| tests)
        .filter(|(file, name)| {
            let text = std::fs::read_to_string(workspace().join(file));
            !text.is_ok_and(|text| is_test(&text, name))
        })
        .collect();

    assert!(missing.is_empty(), "{missing:#?}");
    assert!(statements.iter().all(|(_, tests)| !tests.is_empty()));
}

#[test]
fn a_test_that_is_gone_is_noticed() {
    assert!(is_test("#[test]\nfn there() {}", "there"));
    assert!(!is_test("#[test]\nfn there() {}", "elsewhere"));
    assert!(!is_test("fn there() {}", "there"));
    assert!(!is_test("#[test]\nfn other() {}\nfn there() {}", "there"));
}
