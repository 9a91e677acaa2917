//! What of a configuration can change while the daemon runs, and what waits for its next start.

use super::Config;

impl Config {
    /// The keys whose new value holds only from the next start on.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let (audio, new_audio) = (&self.audio, &new.audio);
        let changed = [
            ("queue.capacity", self.queue.capacity != new.queue.capacity),
            ("queue.history", self.queue.history != new.queue.history),
            ("limits.max_clients", self.limits.max_clients != new.limits.max_clients),
            ("audio.output", audio.output != new_audio.output),
            ("audio.device", audio.device != new_audio.device),
            ("audio.device_fallback", audio.device_fallback != new_audio.device_fallback),
            ("audio.media_role", audio.media_role != new_audio.media_role),
            ("audio.wav_dir", audio.wav_dir != new_audio.wav_dir),
            ("audio.null_speed", audio.null_speed != new_audio.null_speed),
            ("http.listen", self.http.listen != new.http.listen),
            ("http.max_connections", self.http.max_connections != new.http.max_connections),
            ("http.max_upload_mb", self.http.max_upload_bytes != new.http.max_upload_bytes),
            ("http.max_pending", self.http.max_pending != new.http.max_pending),
            ("http.cache_mb", self.http.cache_bytes != new.http.cache_bytes),
            ("http.cache_disk_mb", self.http.cache_disk_bytes != new.http.cache_disk_bytes),
            ("http.cors_origins", self.http.cors_origins != new.http.cors_origins),
            (
                "http.requests_per_minute",
                self.http.requests_per_minute != new.http.requests_per_minute,
            ),
            ("audio.look_ahead_ms", audio.look_ahead != new_audio.look_ahead),
        ];
        changed.into_iter().filter(|(_, has_changed)| *has_changed).map(|(key, _)| key).collect()
    }
}
