//! What the tests share.

pub(crate) mod contract;
pub(crate) mod program;
pub(crate) mod pulse;
pub(crate) mod rig;
pub(crate) mod shared;
pub(crate) mod tone_engine;
pub(crate) mod tones;
pub(crate) mod virtual_card;
