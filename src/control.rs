//! The control socket: its protocol, the daemon's end and the command line's end.

pub mod client;
pub mod handler;
pub mod listener;
pub mod protocol;
pub mod server;
