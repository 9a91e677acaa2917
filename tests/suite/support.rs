//! What the tests share.

#[cfg(all(feature = "http", feature = "builtin"))]
pub(crate) mod asking;
pub(crate) mod contract;
#[cfg(feature = "pocket")]
pub(crate) mod hub;
pub(crate) mod program;
#[cfg(all(feature = "card", feature = "builtin"))]
pub(crate) mod pulse;
pub(crate) mod rig;
pub(crate) mod shared;
#[cfg(feature = "http")]
pub(crate) mod speech_server;
pub(crate) mod tone_engine;
pub(crate) mod tones;
pub(crate) mod virtual_card;
