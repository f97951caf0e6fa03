#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod capset;

pub use capset::{Capset, CapsetId, Capsets};
