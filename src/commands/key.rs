//! `speakerd key`: who may ask the speech server.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::cli::{Key as Command, KeyScope};
use crate::clock;
use crate::config::http::Scope;
use crate::http::keys;
use crate::paths::Paths;

/// Runs `speakerd key …`.
///
/// # Errors
/// Where it cannot be done; the message says why.
pub fn run(command: &Command, paths: &Paths) -> anyhow::Result<()> {
    let file = keys::file_below(&paths.data_dir);
    match command {
        Command::Add(wished) => {
            let scopes: BTreeSet<_> = wished.scope.iter().copied().map(scope).collect();
            let scopes: Vec<_> = scopes.into_iter().collect();
            let now = clock::rfc3339(SystemTime::now());
            // Alone on its line, for `KEY=$(speakerd key add …)`.
            println!("{}", keys::add(&file, &wished.name, &scopes, now)?);
        }
        Command::List(format) => list(&keys::read(&file)?, format.json)?,
        Command::Remove { name } => keys::remove(&file, name)?,
    }
    Ok(())
}

fn list(keys: &[keys::Key], json: bool) -> anyhow::Result<()> {
    if json {
        let shown: Vec<_> = keys
            .iter()
            .map(|key| serde_json::json!({"name": key.name, "scopes": key.scopes, "created": key.created}))
            .collect();
        println!("{}", serde_json::to_string(&shown)?);
        return Ok(());
    }
    if keys.is_empty() {
        println!("nobody has a key; `speakerd key add NAME` makes one");
    }
    for key in keys {
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        println!("{:20} {:20} since {}", key.name, scopes.join(","), key.created);
    }
    Ok(())
}

fn scope(typed: KeyScope) -> Scope {
    match typed {
        KeyScope::Speak => Scope::Speak,
        KeyScope::Voices => Scope::Voices,
        KeyScope::Admin => Scope::Admin,
    }
}
