//! All integration tests in one program.

mod engine_contract;
mod support;
