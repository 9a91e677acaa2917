//! `speakerd voice`: asks the daemon where one runs, and does it here otherwise.

mod local;
mod show;

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::cli::{Voice, VoiceAdd, VoiceName, VoiceVisibility};
use crate::config::Config;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Request, Response, Say};
use crate::paths::Paths;
use crate::voice::card::{Visibility, VoiceCard};
use crate::voice::desk::Answer;
use crate::voice::request::{AddVoice, VoiceRequest};

/// Runs `speakerd voice`.
///
/// # Errors
/// Where it cannot be done; says why.
pub fn run(command: Voice, paths: &Paths) -> anyhow::Result<()> {
    match command {
        Voice::Add(arguments) => add(arguments, paths),
        Voice::List(json) => {
            let cards = voices(ask(VoiceRequest::List, paths)?)?;
            if json.json { show::json(&cards) } else { show::list(&cards) }
        }
        Voice::Show(VoiceName { name, json }) => {
            let card = voice(ask(VoiceRequest::Show { name }, paths)?)?;
            if json { show::json(&card) } else { show::card(&card) }
        }
        Voice::Rename { from, to, force } => {
            if !force {
                check_unused(&from, paths)?;
            }
            ask(VoiceRequest::Rename { from, to }, paths).map(drop)
        }
        Voice::Remove { name, force } => {
            if !force {
                check_unused(&name, paths)?;
            }
            ask(VoiceRequest::Remove { name }, paths).map(drop)
        }
        Voice::Preview { name, text } => preview(name, text, paths),
        Voice::Export { name, file } => {
            ask(VoiceRequest::Export { name, file: absolute(file)? }, paths).map(drop)
        }
        Voice::Import { name, file } => {
            ask(VoiceRequest::Import { name, file: absolute(file)? }, paths).map(drop)
        }
        Voice::Precompute { all, json } => {
            let cards = voices(ask(VoiceRequest::Precompute { all }, paths)?)?;
            if json { show::json(&cards) } else { show::list(&cards) }?;
            match cards.iter().filter(|card| card.problem.is_some()).count() {
                0 => Ok(()),
                n => bail!("{n} of them could not be made; the list says why"),
            }
        }
        Voice::Cancel => match Client::connect(&paths.socket()) {
            Ok(mut client) => Ok(client.ask(&Request::Voice(VoiceRequest::Cancel)).map(drop)?),
            Err(ClientError::NotRunning(_)) => bail!("no daemon runs that would make a voice"),
            Err(error) => Err(error.into()),
        },
    }
}

fn add(arguments: VoiceAdd, paths: &Paths) -> anyhow::Result<()> {
    let VoiceAdd { name, files, language, consent, visibility, forget_recording, replace, json } =
        arguments;
    let files = files.into_iter().map(absolute).collect::<anyhow::Result<_>>()?;
    let visibility = match visibility {
        VoiceVisibility::Private => Visibility::Private,
        VoiceVisibility::Public => Visibility::Public,
        VoiceVisibility::Default => Visibility::Default,
    };
    let wished = AddVoice {
        name,
        files,
        languages: language,
        consent,
        visibility,
        forget_recording,
        replace,
    };
    let card = voice(ask(VoiceRequest::Add(Box::new(wished)), paths)?)?;
    if json { show::json(&card) } else { show::added(&card) }
}

/// A voice that the configuration names is missed at the next line, and at the next start.
fn check_unused(name: &str, paths: &Paths) -> anyhow::Result<()> {
    let Ok(config) = Config::load(None, paths, super::environment()) else { return Ok(()) };
    let mut named = config.watch.iter().filter_map(|watch| watch.voice.as_deref());
    if *config.engine.voice == *name || named.any(|voice| voice == name) {
        bail!("the configuration names `{name}`; name another voice there first, or say --force");
    }
    Ok(())
}

fn preview(name: String, text: Option<String>, paths: &Paths) -> anyhow::Result<()> {
    let text = if let Some(text) = text {
        text
    } else {
        let card = voice(ask(VoiceRequest::Show { name: name.clone() }, paths)?)?;
        show::sample(card.languages.first().map_or("en", String::as_str)).to_owned()
    };
    let say = Say { text, voice: Some(name), wait: true, ..Say::default() };
    match Client::connect(&paths.socket())?.ask(&Request::Say(say))? {
        Response::Ended { outcome: crate::speech::Outcome::Spoken, reason: None, .. } => Ok(()),
        Response::Ended { reason: Some(reason), .. } => bail!("{reason}"),
        Response::Ended { outcome, .. } => bail!("it was not spoken: {}", outcome.as_str()),
        _ => bail!("the daemon answered something else than was asked; restart it after an update"),
    }
}

/// Has a request carried out, by the daemon or here.
fn ask(request: VoiceRequest, paths: &Paths) -> anyhow::Result<Answer> {
    match Client::connect(&paths.socket()) {
        Ok(client) => ask_daemon(client, request, paths),
        Err(ClientError::NotRunning(_)) => local::carry_out(request, paths),
        Err(error) => Err(error.into()),
    }
}

fn ask_daemon(mut client: Client, request: VoiceRequest, paths: &Paths) -> anyhow::Result<Answer> {
    let is_long = matches!(request, VoiceRequest::Add(_) | VoiceRequest::Precompute { .. });
    let _shown = is_long.then(|| show::Following::begin(&paths.socket()));
    match client.ask(&Request::Voice(request))? {
        Response::Handled => Ok(Answer::Done),
        Response::Voice(card) => Ok(Answer::Voice(card)),
        Response::Voices(cards) => Ok(Answer::Voices(cards)),
        _ => bail!("the daemon answered something else than was asked; restart it after an update"),
    }
}

fn voice(answer: Answer) -> anyhow::Result<VoiceCard> {
    match answer {
        Answer::Voice(card) => Ok(*card),
        Answer::Done | Answer::Voices(_) => bail!("something else was answered than was asked"),
    }
}

fn voices(answer: Answer) -> anyhow::Result<Vec<VoiceCard>> {
    match answer {
        Answer::Voices(cards) => Ok(cards),
        Answer::Done | Answer::Voice(_) => bail!("something else was answered than was asked"),
    }
}

/// The daemon may have been started elsewhere.
fn absolute(path: PathBuf) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).context("cannot tell the current directory")
}
