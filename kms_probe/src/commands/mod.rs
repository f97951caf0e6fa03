//! One function for each subcommand.

mod animate;
mod cursor;
mod damage;
mod flip;
mod grab;
mod show;

use std::io::Write;
use std::thread;

pub(crate) use animate::animate;
pub(crate) use cursor::cursor;
pub(crate) use damage::damage;
pub(crate) use flip::flip;
pub(crate) use grab::grab;
pub(crate) use show::{heads, list, mode};

/// Says that the screen must now show the result, and keeps it there until the program is killed.
fn stay() -> ! {
    announce();
    loop {
        thread::park();
    }
}

fn announce() {
    let mut stdout = std::io::stdout();
    // Nobody listening is no reason to take the picture away.
    let _ = writeln!(stdout, "ready").and_then(|()| stdout.flush());
}
