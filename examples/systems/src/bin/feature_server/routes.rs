//! Maps URLs to answers.

use std::time::Instant;

use threadwise::{Counters, State};
use threadwise_systems::http::{Answer, StatusCode};

use crate::http::{error, json, unavailable};
use crate::refusal::Refusal;
use crate::scorer::Scorer;

/// Answers a request before `deadline`.
pub(crate) fn answer(scorer: &Scorer, path: &str, deadline: Instant) -> Answer {
    match path {
        // Neither route asks the database, because an outage of the database is no reason to
        // restart this program.
        "/healthz" => Answer::new("fine\n".to_owned()),
        "/state" => state(scorer),
        path => match path.strip_prefix("/score/") {
            Some(user) => score(scorer, user, deadline),
            None => error(StatusCode::NOT_FOUND, "there are /score/USER, /healthz and /state"),
        },
    }
}

fn score(scorer: &Scorer, user: &str, deadline: Instant) -> Answer {
    let is_number = !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit());
    let Some(person) = user.parse().ok().filter(|_| is_number) else {
        return error(StatusCode::BAD_REQUEST, "a user is a whole number, as in /score/7");
    };
    match scorer.score(person, deadline) {
        Ok(scored) => json(StatusCode::OK, &scored),
        Err(refusal @ Refusal::Unknown(_)) => error(StatusCode::NOT_FOUND, &refusal.to_string()),
        Err(Refusal::Late) => unavailable("no score in time, try again"),
        Err(Refusal::Nested(why)) => error(StatusCode::INTERNAL_SERVER_ERROR, &why),
        // The database's message goes to the log only, because it may name hosts and users.
        Err(Refusal::Away(why)) => {
            scorer.report(&why);
            unavailable("no score now: the database is away or busy, try again")
        }
        Err(Refusal::Unsure(why)) => {
            scorer.report(&why);
            unavailable(
                "it is unknown whether this score was stored: the database was lost meanwhile",
            )
        }
        Err(Refusal::Broken(why)) => {
            scorer.report(&why);
            let why = "no score: this server or its tables are wrong, see its log";
            error(StatusCode::INTERNAL_SERVER_ERROR, why)
        }
    }
}

fn state(scorer: &Scorer) -> Answer {
    let State { open, idle, borrowed, waiting, counters, .. } = scorer.state();
    let Counters { gets, waits, timeouts, opened, connect_failures, .. } = counters;
    let body = serde_json::json!({
        "open": open, "idle": idle, "borrowed": borrowed, "waiting": waiting,
        "gets": gets, "waits": waits, "timeouts": timeouts,
        "opened": opened, "connect_failures": connect_failures,
    });
    json(StatusCode::OK, &body)
}
