//! All integration tests in one program.

mod architecture;
mod cli;
mod docs;
mod engine_contract;
mod figures;
mod heard;
mod hostile;
mod idle;
mod intelligible;
mod restart;
mod sound;
mod support;
mod wire;
