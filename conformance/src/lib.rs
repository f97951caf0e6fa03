#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// A harness, run by tests only: it fails by panicking where its own setting is wrong.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod case;
pub mod daemon;
pub mod exchange;
pub mod executor;
pub mod front_end;
pub mod gpu_socket;
pub mod guest;
pub mod in_process;
pub mod log_lines;
pub mod map;
pub mod message;
pub mod message_3d;
pub mod message_blob;
pub mod model;
pub mod monitor;
pub mod oracle;
pub mod over_vhost_user;
pub mod picture;
pub mod rows;
pub mod runner;
pub mod screen;
pub mod soak;
pub mod tables;
pub mod violation;
pub mod wait;

pub use case::{Case, Kind, Outcome, Step};
pub use exchange::Exchange;
pub use executor::Executor;
pub use in_process::InProcess;
pub use over_vhost_user::OverVhostUser;
pub use picture::Picture;
pub use runner::{Fencing, Report, run};
pub use violation::Violation;
