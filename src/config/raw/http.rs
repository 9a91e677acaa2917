//! `[http]` as it is typed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::http::Scope;

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the commented default file documents each key")]
pub struct RawHttp {
    pub listen: String,
    pub max_pending: usize,
    pub pending_wait_ms: u64,
    pub deadline_secs: f64,
    pub encode_deadline_secs: f64,
    pub max_text_chars: usize,
    pub max_upload_mb: u64,
    pub max_connections: usize,
    pub requests_per_minute: u32,
    pub cache_mb: u64,
    pub cache_disk_mb: u64,
    pub without_key: Vec<Scope>,
    pub hosts: Vec<String>,
    pub cors_origins: Vec<String>,
    pub voices: BTreeMap<String, String>,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: String::new(),
            max_pending: 3,
            pending_wait_ms: 2_000,
            deadline_secs: 30.0,
            encode_deadline_secs: 10.0,
            max_text_chars: 4_096,
            max_upload_mb: 64,
            max_connections: 512,
            requests_per_minute: 0,
            cache_mb: 16,
            cache_disk_mb: 0,
            without_key: Vec::new(),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            voices: BTreeMap::new(),
        }
    }
}
