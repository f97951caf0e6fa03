//! Runs the leak gates: `soak DAEMON [FRACTION [GATE…]]`.
//!
//! FRACTION says one in how many iterations is done (1), GATE names parts of the gates' names. One line a gate on
//! standard output, which begins with PASS or FAIL; the exit status is 0 if all hold.

use std::process::ExitCode;

use conformance::soak::{self, Plan, interruption};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next();
    let fraction = arguments.next().map_or(Ok(1), |text| text.parse());
    let (Some(program), Ok(fraction)) = (program, fraction) else {
        eprintln!("usage: soak DAEMON [FRACTION [GATE…]]");
        return ExitCode::from(2);
    };
    interruption::watch();
    let plan = Plan {
        program,
        fraction,
        only: arguments.collect(),
    };
    if soak::run(&plan) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
