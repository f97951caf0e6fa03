//! Still pictures on one screen or two.

use std::path::Path;

use kms_probe::pattern;

use crate::card::{Card, Size};
use crate::commands::stay;
use crate::error::Result;

/// Prints each connector: its number from 0, name, id, state and sizes.
pub(crate) fn list(path: &Path) -> Result<()> {
    let card = Card::open(path)?;
    for (head, connector) in card.connectors()?.iter().enumerate() {
        let sizes: Vec<String> = connector
            .modes()
            .iter()
            .map(|mode| format!("{}x{}", mode.size().0, mode.size().1))
            .collect();
        println!(
            "{head} {connector} {} {:?} {}",
            u32::from(connector.handle()),
            connector.state(),
            sizes.join(" ")
        );
    }
    Ok(())
}

/// Shows one pattern on the first screen.
pub(crate) fn mode(path: &Path, size: Option<Size>, seed: u32) -> Result<()> {
    let card = Card::open(path)?;
    let screen = card.screen(0, size)?;
    let (width, height) = screen.size();
    let buffer = card.buffer(&pattern(width, height, seed))?;
    card.show(&screen, &buffer)?;
    stay()
}

/// Shows pattern 101 on the second screen, in a size of its own, and pattern 100 on the first.
pub(crate) fn heads(path: &Path) -> Result<()> {
    let card = Card::open(path)?;
    let smaller = Size {
        width: 1024,
        height: 768,
    };
    for (head, size, seed) in [(1, Some(smaller), 101), (0, None, 100)] {
        let screen = card.screen(head, size)?;
        let (width, height) = screen.size();
        let buffer = card.buffer(&pattern(width, height, seed))?;
        card.show(&screen, &buffer)?;
    }
    stay()
}
