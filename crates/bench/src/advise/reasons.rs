//! The size's reasons, and what may make the advice wrong, in sentences.

use super::database::Kind;
use super::knee::{Knee, ratio};
use super::point::Point;
use super::session::Session;
use super::trust::{DEFAULT_SIZE, impossible};
use super::turn::{Model, Setup};
use crate::machine::Machine;
use crate::units::{count, duration};

/// A program that uses so much of the processors is what limits the figures.
const BUSY: f64 = 0.85;

impl Session<'_> {
    /// Why this size.
    pub(super) fn size_reasons(&self, size: usize, model: Model) -> Vec<String> {
        let mut reasons = Vec::new();
        if model == Model::Persistent {
            reasons.push(format!(
                "{} connections, one for each thread.{}",
                self.question.threads,
                if size < self.question.threads {
                    format!(" (SharedPool would do with {size}.)")
                } else {
                    String::new()
                }
            ));
        }
        if self.size_doubts.is_empty() {
            reasons.extend(self.knee_reasons());
        } else {
            reasons.push(self.why_default(size));
        }
        if self.size_doubts.is_empty() && size < self.knee.size {
            let instances = self.question.instances.unwrap_or(1);
            let room = self.room.map_or(0, |room| room.connections);
            let share = self.fine_or_coarse(size).zip(self.fine_or_coarse(self.knee.size));
            let share = share.map(|(one, other)| 100.0 * one.score() / other.score());
            let share =
                share.map_or_else(String::new, |it| format!(" (it does {it:.0} % of that)"));
            reasons.push(format!(
                "But {instances} instances have to share {room} connections, so {size} for each{share}."
            ));
        }
        let expected = self.of(model).unwrap_or(&self.proof[0]);
        if impossible(expected).is_none() {
            reasons.push(format!(
                "Little's law: {} operations a second × {} for which each holds a connection = {:.1} \
                 connections in use on average.",
                count(expected.sum().ops_per_s()),
                duration(expected.sum().mean_hold_s() * 1e9),
                expected.in_use()
            ));
        }
        reasons.push(match self.room {
            Some(room) => format!("The server: {room}."),
            None => "No server limits the number of connections.".into(),
        });
        reasons
    }

    /// The size is not measured.
    fn why_default(&self, size: usize) -> String {
        let limited = match size {
            DEFAULT_SIZE => String::new(),
            _ if size == self.question.threads => {
                format!(", limited to the {} threads", self.question.threads)
            }
            _ => format!(", limited to the {size} that there is room for"),
        };
        format!(
            "The measurement cannot tell which size does best. So this is SharedPool's default, \
             {DEFAULT_SIZE}{limited}."
        )
    }

    fn knee_reasons(&self) -> Vec<String> {
        let Knee { size, best, tolerance, is_flat, still_rises, .. } = self.knee;
        let part = 100.0 * tolerance.part;
        let all: Vec<_> = self.curve.iter().filter(|point| point.is_sound()).collect();
        let largest = all.last().map_or(size, |point| point.setup.size);
        let mut reasons = Vec::new();
        let by_response = self.proof[0].is_by_response();
        if by_response {
            reasons.push(
                "The threads are idle in between, which bounds throughput whatever the pool does. So \
                 sizes are compared by how long a use takes, waiting included."
                    .into(),
            );
        }
        let what = if by_response { "the speed of a use" } else { "the throughput" };
        if is_flat {
            reasons.push(format!(
                "The curve is flat: from {size} to {largest} connections {what} differs by no \
                 more than {part:.0} %, which cannot be told from noise here or is not worth more \
                 connections."
            ));
            return reasons;
        }
        if all.len() == 1 {
            return vec!["One thread uses one connection at a time.".into()];
        }
        let below = self.finer_below(size);
        let below = below.map_or_else(String::new, |(below, share)| {
            format!("; {below} would do {:.0} %", 100.0 * share)
        });
        reasons.push(if size == best {
            format!("The knee: no size does more than {size}{below}.")
        } else {
            format!(
                "The knee: {size} is the smallest size that does as well, within {part:.0} %, as the \
                 best, {best}: {:.0} % of it{below}.",
                100.0 * self.knee.share
            )
        });
        if still_rises && size == largest {
            let limit = if largest >= self.question.threads {
                "more connections than threads are of no use"
            } else {
                "more could not be tried"
            };
            reasons.push(format!("The curve still rises at its end; {limit}."));
        }
        reasons
    }

    /// The largest size below this one that was measured beside it, and its share of the throughput.
    fn finer_below(&self, size: usize) -> Option<(usize, f64)> {
        let stage = if self.around.is_empty() { &self.curve } else { &self.around };
        let at = stage.iter().find(|point| point.setup.size == size)?;
        let sizes = stage.iter().filter(|point| point.setup.size < size && point.is_sound());
        let below = sizes.max_by_key(|point| point.setup.size)?;
        Some((below.setup.size, ratio(below, at)))
    }

    fn fine_or_coarse(&self, size: usize) -> Option<&Point> {
        let points = self.proof.iter().chain(&self.around).chain(&self.curve);
        points.into_iter().find(|it| it.setup == Setup { model: Model::Shared, size })
    }

    /// What may make the advice wrong.
    pub(super) fn cautions(&self, machine: &Machine, expected: &Point) -> Vec<String> {
        let mut cautions = Vec::new();
        let busy = expected.processors().filter(|used| *used >= BUSY * machine.cores as f64);
        if self.facts.on_this_machine {
            cautions.push(format!(
                "The database runs on this machine, so it and the threads take the {} processors from \
                 each other. With the database elsewhere, queries take longer to travel, and the knee \
                 lies further to the right.",
                machine.cores
            ));
        } else if let Some(used) = busy {
            cautions.push(format!(
                "This program used {used:.1} of this machine's {} processors, so it may be what limits \
                 the figures, and not the server.",
                machine.cores
            ));
        }
        cautions.push(
            "Each thread asks the same text again and again, so what it reads is in the server's \
             memory. Queries that read from disk take longer, and want more connections."
                .into(),
        );
        if self.question.think.is_zero() && self.question.threads > 1 {
            cautions.push(
                "The threads are never idle, which is the hardest load. If yours do something else \
                 between two uses, say for how long: --think-ms."
                    .into(),
            );
        }
        let resets = expected.resets_per_use();
        if resets > 0.01 && !self.question.allow_writes && self.database.kind() == Kind::Mysql {
            cautions.push(format!(
                "The query changes the session, or cannot be seen not to, so the pool resets it: {resets:.2} \
                 times for each use. To keep it read-only takes a round trip more each time, which your \
                 program does not pay."
            ));
        }
        cautions.extend(self.facts.remarks.iter().map(|remark| format!("{remark}.")));
        let all = self.curve.iter().chain(&self.around).chain(&self.proof);
        for point in all.filter(|point| !point.is_sound()) {
            let Setup { model, size } = point.setup;
            let failure = point.refused.as_ref().or(point.sum().first_error.as_ref());
            let failure =
                failure.map_or_else(|| "no query was answered".into(), ToString::to_string);
            cautions.push(format!("{} with {size} left out: {failure}.", model.pool()));
        }
        cautions
    }
}
