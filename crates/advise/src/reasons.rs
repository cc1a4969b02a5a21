//! The reasons for the size, and what may make the advice wrong, in sentences.

use threadwise::PoolKind;
use threadwise_figures::Machine;
use threadwise_figures::units::{count, duration};

use crate::address::Kind;
use crate::knee::{Knee, ratio};
use crate::point::Point;
use crate::session::Session;
use crate::trust::DEFAULT_SIZE;
use crate::turn::{Setup, names};

/// If this program uses more than this fraction of the processors, it may limit the figures itself.
const BUSY: f64 = 0.85;

impl Session<'_> {
    /// Why this size.
    pub(crate) fn size_reasons(&self, size: usize, model: PoolKind) -> Vec<String> {
        let mut reasons = Vec::new();
        if model == PoolKind::Persistent {
            let threads = self.question.threads;
            let fewer = (size < threads).then(|| format!(" (SharedPool needs only {size}.)"));
            let fewer = fewer.unwrap_or_default();
            reasons.push(format!("{threads} connections, one for each thread.{fewer}"));
        }
        if self.size_doubts.is_empty() {
            reasons.extend(self.knee_reasons());
        } else {
            reasons.push(self.why_default(size));
        }
        if self.size_doubts.is_empty() && size < self.knee.size {
            let instances = self.question.instances.unwrap_or(1);
            let room = self.facts.room.map_or(0, |room| room.connections);
            let share = self.fine_or_coarse(size).zip(self.fine_or_coarse(self.knee.size));
            let share = share.map(|(one, other)| 100.0 * one.score() / other.score());
            let share =
                share.map_or_else(String::new, |it| format!(" (it reaches {it:.0} % of that)"));
            reasons.push(format!(
                "But {instances} instances share {room} connections, so each can have \
                 {size}{share}."
            ));
        }
        let expected = self.of(model).unwrap_or(&self.proof[0]);
        if expected.impossible().is_none() {
            let rate = count(expected.sum.ops_per_s());
            let hold = duration(expected.sum.uses.holds.mean_s() * 1e9);
            reasons.push(format!(
                "Little's law: {rate} operations a second × {hold} for which each holds a connection = \
                 {:.1} connections in use on average.",
                expected.in_use()
            ));
        }
        reasons.push(match self.facts.room {
            Some(room) => format!("The server: {room}."),
            None => "No server limits the number of connections.".into(),
        });
        reasons
    }

    /// The reason for a size that does not come from the measurement.
    fn why_default(&self, size: usize) -> String {
        let limited = match size {
            DEFAULT_SIZE => String::new(),
            _ if self.lost.is_some() => format!(", limited to {size}, which was measured"),
            _ if size == self.question.threads => format!(", limited to the {size} threads"),
            _ => format!(", limited to the {size} connections that there is room for"),
        };
        format!(
            "The measurement cannot tell which size does best. So this is SharedPool's default, \
             {DEFAULT_SIZE}{limited}."
        )
    }

    fn knee_reasons(&self) -> Vec<String> {
        let Knee { size, best, tolerance, is_flat, still_rises, .. } = self.knee;
        let part = 100.0 * tolerance.part;
        let all: Vec<_> = self.sweep.iter().filter(|point| point.is_sound()).collect();
        let largest = all.last().map_or(size, |point| point.setup.size);
        let mut reasons = Vec::new();
        let by_response = self.proof[0].by_response;
        if by_response {
            reasons.push(
                "The threads are idle between two uses, which limits the throughput of every pool. \
                 So advise compares sizes by how long a use takes, including the wait."
                    .into(),
            );
        }
        let what = if by_response { "the speed of a use" } else { "the throughput" };
        if is_flat {
            reasons.push(format!(
                "The curve is flat: from {size} to {largest} connections, {what} differs by at \
                 most {part:.0} %. That is noise, or not worth more connections."
            ));
            return reasons;
        }
        if all.len() == 1 {
            return vec!["One thread uses one connection at a time.".into()];
        }
        let below = self.finer_below(size);
        let below = below.map_or_else(String::new, |(below, share)| {
            format!("; {below} reaches {:.0} %", 100.0 * share)
        });
        reasons.push(if size == best {
            format!("The knee: no size does better than {size}{below}.")
        } else {
            format!(
                "The knee: {size} is the smallest size within {part:.0} % of the best size, \
                 {best}: it reaches {:.0} % of it{below}.",
                100.0 * self.knee.share
            )
        });
        if still_rises && size == largest {
            let limit = if largest >= self.question.threads {
                "more connections than threads would not help"
            } else {
                "advise could not try more connections"
            };
            reasons.push(format!("The curve still rises at its end; {limit}."));
        }
        reasons
    }

    /// The largest smaller size that was measured in the same stage, and the fraction of this
    /// size's score that it reaches.
    fn finer_below(&self, size: usize) -> Option<(usize, f64)> {
        let stage = if self.around.is_empty() { &self.sweep } else { &self.around };
        let at = stage.iter().find(|point| point.setup.size == size)?;
        let sizes = stage.iter().filter(|point| point.setup.size < size && point.is_sound());
        let below = sizes.max_by_key(|point| point.setup.size)?;
        Some((below.setup.size, ratio(below, at)))
    }

    fn fine_or_coarse(&self, size: usize) -> Option<&Point> {
        let points = self.proof.iter().chain(&self.around).chain(&self.sweep);
        points.into_iter().find(|it| it.setup == Setup { kind: PoolKind::Shared, size })
    }

    /// What may make the advice wrong.
    pub(crate) fn cautions(&self, machine: &Machine, expected: &Point) -> Vec<String> {
        let mut cautions = Vec::new();
        let busy = expected.processors().filter(|used| *used >= BUSY * machine.cores as f64);
        let cores = machine.cores;
        if self.facts.on_this_machine {
            cautions.push(format!(
                "The database runs on this machine, so it and the threads compete for the {cores} \
                 processors. With the database on another machine, queries take longer because of \
                 the network, and the knee is at a larger size."
            ));
        } else if let Some(used) = busy {
            cautions.push(format!(
                "This program used {used:.1} of this machine's {cores} processors, so it may limit \
                 the figures, and not the server."
            ));
        }
        cautions.push(
            "Each thread runs the same query again and again, so the server has its rows in \
             memory. Queries that read from disk take longer, and need more connections."
                .into(),
        );
        if self.question.think.is_zero() && self.question.threads > 1 {
            cautions.push(
                "The threads are never idle, which is the highest load. If yours do something else \
                 between two uses, give that time with --think-ms."
                    .into(),
            );
        }
        let resets = expected.resets_per_use();
        if resets > 0.01 && !self.question.allow_writes && self.database.kind() == Kind::Mysql {
            cautions.push(format!(
                "The query changes the session, or may change it, so the pool resets it: \
                 {resets:.2} times for each use. Here each reset costs one more round trip, \
                 because advise makes the session read-only again; your program does not have this \
                 cost."
            ));
        }
        cautions.extend(self.facts.remarks.iter().map(|remark| format!("{remark}.")));
        let all = self.sweep.iter().chain(&self.around).chain(&self.proof);
        for point in all.filter(|point| !point.is_sound()) {
            let Setup { kind: model, size } = point.setup;
            let failure = point.refused.as_ref().or(point.sum.first_error.as_ref());
            let failure =
                failure.map_or_else(|| "no query was answered".into(), ToString::to_string);
            cautions.push(format!("{} with {size} is left out: {failure}.", names(model).0));
        }
        cautions
    }
}
