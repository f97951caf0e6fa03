//! Tests of what our daemon tells QEMU, where QEMU shows no trace of it.

use std::time::{Duration, Instant};

use kms_probe::{Rectangle, cursor_image, damage};

use crate::error::{Error, Result};
use crate::picture::difference;
use crate::test::guest::Stage;
use crate::test::scenes::{SIZE, announces_everything, draw, expect_screen, wrong};

const SAID: Duration = Duration::from_secs(15);

/// QEMU learns the cursor's image, its hotspot, its position and its end.
pub(crate) fn cursor(stage: &mut Stage<'_>) -> Result<()> {
    for (seed, hotspot, position) in [(1, (7, 11), (100, 100)), (5, (0, 63), (-20, -9))] {
        let words = [
            "cursor".to_owned(),
            format!("--seed={seed}"),
            format!("--hot-x={}", hotspot.0),
            format!("--hot-y={}", hotspot.1),
            format!("--x={}", position.0),
            format!("--y={}", position.1),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let job = draw(stage, &words)?;
        eventually(stage, |record| {
            let Some((image, seen)) = &record.cursor else {
                return Some("no cursor image was sent".to_owned());
            };
            if let Some(how) = difference(&cursor_image(seed), image) {
                return Some(how);
            }
            if *seen != hotspot {
                return Some(format!("the hotspot is {seen:?}, expected {hotspot:?}"));
            }
            let expected = (position.0, position.1, true);
            (record.position != Some(expected)).then(|| {
                format!(
                    "position and visibility are {:?}, expected {expected:?}",
                    record.position
                )
            })
        })?;
        stage.session.stop(&job)?;
    }
    let job = draw(stage, &["cursor", "--hide"])?;
    eventually(stage, |record| match record.position {
        Some((_, _, false)) => None,
        other => Some(format!("the cursor was not hidden: {other:?}")),
    })?;
    stage.session.stop(&job)
}

/// A small change costs a small update.
pub(crate) fn only_damage_is_sent(stage: &mut Stage<'_>) -> Result<()> {
    if announces_everything(stage.session)? {
        return Err(Error::Unsuitable(
            "from Linux 6.8 on, the guest may announce whole screens only".to_owned(),
        ));
    }
    let job = draw(stage, &["damage"])?;
    expect_screen(stage, "damage", 0, &damage(SIZE.0, SIZE.1).expected())?;
    let updates = stage.session.record().updates;
    let whole = area(&Rectangle {
        x: 0,
        y: 0,
        width: SIZE.0,
        height: SIZE.1,
    });
    let after: Vec<&Rectangle> = updates
        .iter()
        .rev()
        .take_while(|update| area(update) < whole)
        .collect();
    let sent = after
        .iter()
        .fold(0, |sum: u64, update| sum.saturating_add(area(update)));
    if after.is_empty() || sent > whole / 2 {
        return Err(wrong(&format!(
            "after the last whole frame {} updates with {sent} pixels were sent",
            after.len()
        )));
    }
    stage.session.stop(&job)
}

fn area(rectangle: &Rectangle) -> u64 {
    u64::from(rectangle.width).saturating_mul(u64::from(rectangle.height))
}

/// Waits until `complaint` has nothing to say about what was recorded.
fn eventually(
    stage: &mut Stage<'_>,
    complaint: impl Fn(&crate::rig::Record) -> Option<String>,
) -> Result<()> {
    let start = Instant::now();
    loop {
        match complaint(&stage.session.record()) {
            None => return Ok(()),
            Some(how) if start.elapsed() > SAID => {
                return Err(Error::Protocol {
                    peer: "daemon",
                    message: how,
                });
            }
            Some(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
