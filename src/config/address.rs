//! Addresses of servers: what may be typed, and which of them lead off this machine unencrypted. Pure.

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As it was typed, without a slash at its end.
    pub text: String,
    /// Whether nobody can listen in: it is encrypted, or does not leave this machine.
    pub is_private: bool,
}

impl Address {
    /// Reads `https://…` or `http://…`, without a user and without anything behind the path.
    ///
    /// # Errors
    /// Where it is no such address; `example` is one. What was typed is not repeated where it may hold a password.
    pub fn parse(text: &str, example: &str) -> Result<Self, String> {
        if text.contains('@') {
            return Err(format!("is no address such as {example}: there is a user in it"));
        }
        let address = text.trim_end_matches('/');
        let (is_secure, rest) =
            match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
                (Some(rest), _) => (true, rest),
                (None, Some(rest)) => (false, rest),
                (None, None) => return Err(format!("`{text}` is no https:// address")),
            };
        let host = rest.split('/').next().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
        if host.is_empty() || !rest.chars().all(is_plain) {
            return Err(format!("`{text}` is no address such as {example}"));
        }
        Ok(Self { text: address.to_owned(), is_private: is_secure || is_loopback(host) })
    }
}

/// The address of a hub, without a slash at its end.
///
/// # Errors
/// Where it is not encrypted and leads off this machine, or is no address at all.
pub fn hub(text: &str) -> Result<String, String> {
    let address = Address::parse(text, "https://huggingface.co")?;
    if !address.is_private {
        return Err(format!("`{text}` is not encrypted; only https:// leads off this machine"));
    }
    Ok(address.text)
}

/// Whether a host, with its port or without, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
