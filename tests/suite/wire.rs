//! The promises on the wire and in the configuration file, word for word.

use serde_json::{Value, json};
use speakerd::config::raw::RawWatch;
use speakerd::control::protocol::{
    Clear, HistoryRequest, Load, Refusal, RefusalCode, Replay, Reply, Request, Response, Say,
    WaitIdle, WatchRequest,
};
use speakerd::history::Entry;
use speakerd::queue::Waiting;
use speakerd::speech::{FailureClass, Lane, Outcome};
use speakerd::status::Status;

#[test]
fn requests_are_written_like_this() {
    let watch = RawWatch { voice: Some("slt".to_owned()), ..RawWatch::of("/a.log".into()) };
    for (request, wire) in [
        (Request::Version, json!("version")),
        (Request::Status, json!("status")),
        (Request::Subscribe, json!("subscribe")),
        (Request::Skip, json!("skip")),
        (Request::Pause, json!("pause")),
        (Request::Resume, json!("resume")),
        (Request::Mute, json!("mute")),
        (Request::Unmute, json!("unmute")),
        (Request::Volume(0.5), json!({"volume": 0.5})),
        (Request::Queue, json!("queue")),
        (Request::Reload, json!("reload")),
        (Request::Unload, json!("unload")),
        (Request::Shutdown, json!("shutdown")),
        (
            Request::Say(Say { text: "Tea.".to_owned(), ..Say::default() }),
            json!({"say": {"text": "Tea.", "priority": "ordinary", "interrupt": false, "wait": false}}),
        ),
        (Request::Clear(Clear::default()), json!({"clear": {}})),
        (
            Request::Clear(Clear { source: Some("control".to_owned()) }),
            json!({"clear": {"source": "control"}}),
        ),
        (Request::Replay(Replay { n: 3 }), json!({"replay": {"n": 3}})),
        (Request::History(HistoryRequest { follow: true }), json!({"history": {"follow": true}})),
        (Request::Load(Load { voice: Some("slt".to_owned()) }), json!({"load": {"voice": "slt"}})),
        (
            Request::WaitIdle(WaitIdle { timeout_secs: Some(2.0) }),
            json!({"wait-idle": {"timeout_secs": 2.0}}),
        ),
        (Request::Watch(WatchRequest::List), json!({"watch": "list"})),
        (
            Request::Watch(WatchRequest::Remove { path: "/a.log".into() }),
            json!({"watch": {"remove": {"path": "/a.log"}}}),
        ),
        (
            Request::Watch(WatchRequest::Add(Box::new(watch))),
            json!({"watch": {"add": {"path": "/a.log", "voice": "slt", "start": "resume", "on_rewrite": "beginning",
                "priority": "ordinary", "rate": 1.0, "pitch": 1.0, "volume": 1.0}}}),
        ),
    ] {
        assert_eq!(serde_json::to_value(&request).unwrap(), wire);
        assert_eq!(serde_json::from_value::<Request>(wire).unwrap(), request);
    }
}

#[test]
fn what_need_not_be_given_need_not_be_written() {
    for (wire, request) in [
        (
            json!({"say": {"text": "Tea."}}),
            Request::Say(Say { text: "Tea.".to_owned(), ..Say::default() }),
        ),
        (json!({"history": {}}), Request::History(HistoryRequest::default())),
        (json!({"replay": {}}), Request::Replay(Replay { n: 1 })),
        (
            json!({"watch": {"add": {"path": "/a"}}}),
            Request::Watch(WatchRequest::Add(Box::new(RawWatch::of("/a".into())))),
        ),
    ] {
        assert_eq!(serde_json::from_value::<Request>(wire).unwrap(), request);
    }
}

/// What a program reads of the status to draw curves and to warn.
#[test]
fn the_figures_of_the_status_are_written_like_this() {
    let mut status = Status::default();
    (status.daemon.resident_bytes, status.daemon.children_bytes) = (1, 2);
    (status.daemon.n_clients, status.watch.n_lines_read) = (3, 4);
    status.queue.oldest_age_secs = 0.5;
    (status.queue.first_audio_secs, status.queue.real_time_factor) = (Some(0.25), None);
    status.queue.outcomes.n_timed_out = 6;
    status.alerts = vec!["3 MB free".to_owned()];
    let wire = serde_json::to_value(&status).unwrap();
    for (place, value) in [
        ("/daemon/resident_bytes", json!(1)),
        ("/daemon/children_bytes", json!(2)),
        ("/daemon/n_clients", json!(3)),
        ("/watch/n_lines_read", json!(4)),
        ("/queue/oldest_age_secs", json!(0.5)),
        ("/queue/first_audio_secs", json!(0.25)),
        ("/queue/real_time_factor", json!(null)),
        (
            "/queue/outcomes",
            json!({"n_spoken": 0, "n_skipped": 0, "n_cleared": 0, "n_expired": 0, "n_dropped": 0, "n_folded": 0,
                "n_timed_out": 6, "n_failed": 0, "n_abandoned": 0}),
        ),
        ("/alerts", json!(["3 MB free"])),
    ] {
        assert_eq!(wire.pointer(place), Some(&value), "{place}");
    }
    assert_eq!(serde_json::from_value::<Status>(wire).unwrap(), status);
}

#[test]
fn answers_are_written_like_this() {
    let waiting = Waiting {
        id: 7,
        source: "control".to_owned(),
        lane: Lane::Important,
        voice: "rms".to_owned(),
        text: "Tea.".to_owned(),
    };
    let entry = Entry {
        seq: 1,
        id: 7,
        source: "/a.log".to_owned(),
        text: "Tea.".to_owned(),
        spoken_text: Some("Tea.".to_owned()),
        voice: "slt".to_owned(),
        spoken_voice: Some("rms".to_owned()),
        engine: Some("builtin".to_owned()),
        outcome: Outcome::TimedOut,
        reason: None,
        failure: Some(FailureClass::Hang),
        queued_at: "2026-01-01T00:00:00.000000Z".to_owned(),
        started_at: None,
        ended_at: None,
        first_audio_ms: Some(1.5),
        audio_secs: 0.5,
    };
    let cases: [(Reply, Value); 9] = [
        (Ok(Response::Handled), json!({"Ok": "handled"})),
        (Ok(Response::Queued { id: 42 }), json!({"Ok": {"queued": {"id": 42}}})),
        (
            Ok(Response::Ended { id: 42, outcome: Outcome::Spoken, reason: None }),
            json!({"Ok": {"ended": {"id": 42, "outcome": "spoken", "reason": null}}}),
        ),
        (Ok(Response::Skipped { id: 42 }), json!({"Ok": {"skipped": {"id": 42}}})),
        (Ok(Response::Replayed { ids: vec![1, 2] }), json!({"Ok": {"replayed": {"ids": [1, 2]}}})),
        (
            Ok(Response::Queue(vec![waiting])),
            json!({"Ok": {"queue": [{"id": 7, "source": "control", "lane": "important", "voice": "rms", "text": "Tea."}]}}),
        ),
        (
            Ok(Response::Entry(Box::new(entry))),
            json!({"Ok": {"entry": {"seq": 1, "id": 7, "source": "/a.log", "text": "Tea.", "spoken_text": "Tea.",
                "voice": "slt", "spoken_voice": "rms", "engine": "builtin", "outcome": "timed-out", "reason": null, "failure": "hang",
                "queued_at": "2026-01-01T00:00:00.000000Z", "started_at": null, "ended_at": null,
                "first_audio_ms": 1.5, "audio_secs": 0.5}}}),
        ),
        (Ok(Response::Files(vec!["/a.log".to_owned()])), json!({"Ok": {"files": ["/a.log"]}})),
        (
            Err(Refusal::new(RefusalCode::BadRequest, "text is empty")),
            json!({"Err": {"code": "bad-request", "message": "text is empty"}}),
        ),
    ];
    for (reply, wire) in cases {
        assert_eq!(serde_json::to_value(&reply).unwrap(), wire);
        assert_eq!(serde_json::from_value::<Reply>(wire).unwrap(), reply);
    }
}
