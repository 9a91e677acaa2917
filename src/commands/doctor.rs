//! `speakerd doctor`: looks at everything that can keep one from hearing a line, and names the way out.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

mod checks;

use std::path::Path;

use anyhow::bail;
use serde::Serialize;

use crate::cli::Doctor;
use crate::config::Config;
use crate::paths::Paths;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Fine,
    /// It works, but something is left out or will be.
    Warning,
    /// Lines are not heard, or will not be.
    Wrong,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    way_out: Option<String>,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Fine, found: found.into(), way_out: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, way_out: impl Into<String>) -> Self {
        let way_out = Some(way_out.into());
        Self { what, verdict: Verdict::Warning, found: found.into(), way_out }
    }

    fn wrong(what: &'static str, found: impl Into<String>, way_out: impl Into<String>) -> Self {
        let way_out = Some(way_out.into());
        Self { what, verdict: Verdict::Wrong, found: found.into(), way_out }
    }
}

/// Runs `speakerd doctor`.
///
/// # Errors
/// Where something is wrong.
pub fn run(arguments: &Doctor, paths: &Paths) -> anyhow::Result<()> {
    let findings = findings(arguments.config.as_deref(), paths);
    for finding in &findings {
        if arguments.json {
            println!("{}", serde_json::to_string(finding)?);
            continue;
        }
        let sign = match finding.verdict {
            Verdict::Fine => "ok",
            Verdict::Warning => "!",
            Verdict::Wrong => "WRONG",
        };
        println!("{sign:<6}{:<11}{}", finding.what, finding.found);
        if let Some(way_out) = &finding.way_out {
            println!("{:<17}=> {way_out}", "");
        }
    }
    let n_wrong = findings.iter().filter(|it| it.verdict == Verdict::Wrong).count();
    match n_wrong {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        n => bail!("{n} things are wrong"),
    }
}

fn findings(file: Option<&Path>, paths: &Paths) -> Vec<Finding> {
    let (config, mut findings) = match Config::load(file, paths, super::environment()) {
        Ok(config) => {
            let found = match &config.file {
                Some(file) => format!("{} is right", file.display()),
                None => format!("there is no {}; the defaults hold", paths.config_file().display()),
            };
            (config, vec![Finding::fine("config", found)])
        }
        Err(error) => {
            let way_out = "mend it; `speakerd config default` shows every key";
            (Config::defaults(paths), vec![Finding::wrong("config", error.to_string(), way_out)])
        }
    };
    let status = checks::daemon(paths, &mut findings);
    checks::alerts(status.as_ref(), &mut findings);
    checks::places(paths, &mut findings);
    checks::sound(&config, status.as_ref(), &mut findings);
    checks::engines(&config, paths, &mut findings);
    checks::breakdowns(status.as_ref(), &mut findings);
    checks::dictionary(&config, &mut findings);
    checks::watches(&config, status.as_ref(), &mut findings);
    checks::speech_server(&config, paths, status.as_ref(), &mut findings);
    checks::limits(&config, &mut findings);
    checks::autostart(paths, &mut findings);
    findings
}
