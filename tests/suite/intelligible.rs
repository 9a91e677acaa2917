//! intelligible
