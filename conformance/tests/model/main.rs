//! Random sequences of legal and illegal commands: the device does what the reference model does.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    missing_debug_implementations,
    unreachable_pub
)]

mod intent;
mod pair;
mod strategies;

use proptest::prelude::*;

use pair::Pair;
use strategies::{Commands, event};

fn agree(mut pair: Pair, events: &[intent::Event]) -> proptest::test_runner::TestCaseResult {
    for event in events {
        pair.carry_out(event)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_2d_device_does_what_the_model_does(
        events in proptest::collection::vec(event(Commands::Of2d), 1..80)
    ) {
        agree(Pair::new(), &events)?;
    }

    #[test]
    fn a_device_that_renders_does_what_the_model_does(
        events in proptest::collection::vec(event(Commands::All), 1..80)
    ) {
        agree(Pair::rendering(), &events)?;
    }

    #[test]
    fn a_device_that_renders_on_a_thread_does_what_the_model_does(
        events in proptest::collection::vec(event(Commands::All), 1..40)
    ) {
        agree(Pair::rendering_on_a_thread(), &events)?;
    }

    #[test]
    fn a_device_that_renders_does_the_same_for_a_guest_that_draws_in_2d(
        events in proptest::collection::vec(event(Commands::Of2d), 1..40)
    ) {
        agree(Pair::rendering(), &events)?;
    }
}
