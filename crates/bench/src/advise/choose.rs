//! Which pool, from what was measured and from what the threads are like.

use super::knee::{Tolerance, ratio};
use super::point::Point;
use super::turn::Model;
use crate::units::{count, duration};

/// A pool without order among its waiters is not taken if it lets some of them wait this much longer.
const LONGER_TAIL: f64 = 2.0;

/// What there is to choose by.
pub(crate) struct Evidence<'e> {
    pub(crate) threads: usize,
    /// Whether threads end and others begin.
    pub(crate) come_and_go: bool,
    /// How many connections this process may have; `None` where nothing limits them.
    pub(crate) most: Option<usize>,
    pub(crate) shared: &'e Point,
    pub(crate) queue: Option<&'e Point>,
    pub(crate) persistent: Option<&'e Point>,
    pub(crate) tolerance: Tolerance,
}

/// A pool and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) model: Model,
    pub(crate) reasons: Vec<String>,
}

/// Chooses.
pub(crate) fn choose(evidence: &Evidence<'_>) -> Choice {
    let mut reasons = Vec::new();
    if evidence.threads == 1 {
        reasons.push(
            "With one thread no pool is needed: keep a connection in a variable. If it is to be \
             checked and replaced when it is lost, a pool of one does that."
                .to_owned(),
        );
        return Choice { model: Model::Shared, reasons };
    }
    let persistent = evidence.persistent_wins(&mut reasons);
    let queue = evidence.queue_wins(&mut reasons);
    let model = match (persistent, queue) {
        (true, _) => Model::Persistent,
        (false, true) => Model::Queue,
        (false, false) => Model::Shared,
    };
    if model == Model::Shared {
        reasons.insert(0, evidence.why_shared());
    }
    Choice { model, reasons }
}

impl Evidence<'_> {
    fn why_shared(&self) -> String {
        let size = self.shared.setup.size;
        if size < self.threads {
            format!(
                "{} threads do with {size} connection{} what they could do with more, so they share \
                 them.",
                self.threads,
                if size == 1 { "" } else { "s" }
            )
        } else {
            format!("It may have a connection for each of the {} threads.", self.threads)
        }
    }

    /// A connection for each thread: if that is faster, or if as many are needed anyway.
    fn persistent_wins(&self, reasons: &mut Vec<String>) -> bool {
        if self.come_and_go {
            reasons.push(
                "Not PersistentPool: threads come and go, and each would open a connection.".into(),
            );
            return false;
        }
        if let Some(most) = self.most.filter(|&most| most < self.threads) {
            reasons.push(format!(
                "Not PersistentPool: {} threads want a connection each, and there is room for {most}.",
                self.threads
            ));
            return false;
        }
        let Some(persistent) = self.persistent.filter(|point| point.is_sound()) else {
            return false;
        };
        let times = ratio(persistent, self.shared);
        let part = self.tolerance.significant();
        let rate = count(persistent.ops_per_s());
        let size = self.shared.setup.size;
        if times > 1.0 + part {
            reasons.push(format!(
                "PersistentPool {} ({rate} operations a second), for {} connections \
                 instead of {size}. It is right only if the threads are the same all the time: if \
                 they come and go, say --threads-come-and-go.",
                self.gain(times),
                self.threads
            ));
            return true;
        }
        if size >= self.threads && times > 1.0 - part {
            reasons.push(format!(
                "Each of the {} threads needs a connection anyway; with PersistentPool ({rate} \
                 operations a second) nothing is shared, and nobody waits. It is right only if the \
                 threads are the same all the time: if they come and go, say \
                 --threads-come-and-go.",
                self.threads
            ));
            return true;
        }
        reasons.push(format!(
            "Not PersistentPool: it {} ({rate} operations a second), with {} connections instead of \
             {size}.",
            self.no_gain(times),
            self.threads
        ));
        false
    }

    /// What the scores say in words.
    fn gain(&self, times: f64) -> String {
        let percent = 100.0 * (times - 1.0);
        if self.shared.is_by_response() {
            format!("makes a use {percent:.0} % faster")
        } else {
            format!("does {percent:.0} % more")
        }
    }

    fn no_gain(&self, times: f64) -> &'static str {
        let is_less = times < 1.0 - self.tolerance.significant();
        match (self.shared.is_by_response(), is_less) {
            (true, true) => "makes each use slower",
            (true, false) => "makes a use no faster",
            (false, true) => "does less",
            (false, false) => "does no more",
        }
    }

    /// The simple queue: if it is faster and lets nobody wait for much longer.
    fn queue_wins(&self, reasons: &mut Vec<String>) -> bool {
        let Some(queue) = self.queue.filter(|point| point.is_sound()) else { return false };
        let times = ratio(queue, self.shared);
        let part = self.tolerance.significant();
        let tail = |point: &Point| point.sum().waits.at(0.99).unwrap_or(0) as f64;
        let (its, ours) = (tail(queue), tail(self.shared));
        let rate = count(queue.ops_per_s());
        let waits = format!("wait p99 {} against {}", duration(its), duration(ours));
        if times <= 1.0 + part {
            let compared = self.no_gain(times);
            reasons.push(format!("Not QueuePool: it {compared} ({rate}; {waits})."));
            return false;
        }
        let gain = self.gain(times);
        if its > LONGER_TAIL * ours {
            reasons.push(format!(
                "Not QueuePool, although it {gain} ({rate}): its waiters have no \
                 order, so some wait for long ({waits})."
            ));
            return false;
        }
        reasons.push(format!(
            "QueuePool {gain} ({rate} operations a second), and here it lets nobody \
             wait for much longer ({waits}) although its waiters have no order."
        ));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::knee::tests::point;
    use super::super::turn::{Setup, Turn};
    use super::*;
    use crate::measure::Waits;

    const TOLERANCE: Tolerance = Tolerance { part: 0.03, noise: 0.01 };

    fn with_tail(model: Model, size: usize, per_s: f64, millis: u64) -> Point {
        let mut point = Point::new(Setup { model, size });
        for _ in 0..5 {
            let mut waits = Waits::default();
            waits.record(std::time::Duration::from_millis(millis));
            let turn = Turn { ops: per_s as u64, seconds: 1.0, waits, ..Turn::default() };
            point.add(Ok(turn));
        }
        point
    }

    fn chosen(shared: &Point, queue: &Point, persistent: &Point, come_and_go: bool) -> Choice {
        choose(&Evidence {
            threads: 16,
            come_and_go,
            most: Some(100),
            shared,
            queue: Some(queue),
            persistent: Some(persistent),
            tolerance: TOLERANCE,
        })
    }

    #[test]
    fn shared_is_taken_where_nothing_is_faster() {
        let shared = point(Model::Shared, 4, &[100.0; 5]);
        let queue = point(Model::Queue, 4, &[101.0; 5]);
        let persistent = point(Model::Persistent, 16, &[102.0; 5]);
        let choice = chosen(&shared, &queue, &persistent, false);
        assert_eq!(choice.model, Model::Shared);
        let reasons = choice.reasons.join("\n");
        assert!(reasons.contains("16 threads do with 4 connections"), "{reasons}");
        assert!(reasons.contains("Not PersistentPool") && reasons.contains("Not QueuePool"));
    }

    #[test]
    fn persistent_is_taken_where_it_is_faster_unless_threads_come_and_go() {
        let shared = point(Model::Shared, 4, &[100.0; 5]);
        let queue = point(Model::Queue, 4, &[100.0; 5]);
        let persistent = point(Model::Persistent, 16, &[120.0; 5]);
        assert_eq!(chosen(&shared, &queue, &persistent, false).model, Model::Persistent);
        let choice = chosen(&shared, &queue, &persistent, true);
        assert_eq!(choice.model, Model::Shared);
        assert!(choice.reasons.join("\n").contains("come and go"), "{choice:?}");
    }

    #[test]
    fn persistent_is_taken_where_each_thread_needs_a_connection_anyway() {
        let shared = point(Model::Shared, 16, &[100.0; 5]);
        let queue = point(Model::Queue, 16, &[99.0; 5]);
        let persistent = point(Model::Persistent, 16, &[99.0; 5]);
        assert_eq!(chosen(&shared, &queue, &persistent, false).model, Model::Persistent);
    }

    #[test]
    fn persistent_is_not_taken_where_the_server_has_no_room() {
        let shared = point(Model::Shared, 4, &[100.0; 5]);
        let choice = choose(&Evidence {
            threads: 16,
            come_and_go: false,
            most: Some(10),
            shared: &shared,
            queue: None,
            persistent: None,
            tolerance: TOLERANCE,
        });
        assert_eq!(choice.model, Model::Shared);
        assert!(choice.reasons.join("\n").contains("room for 10"), "{choice:?}");
    }

    #[test]
    fn queue_is_taken_where_it_is_faster_and_lets_nobody_wait_for_long() {
        let shared = with_tail(Model::Shared, 4, 100.0, 10);
        let persistent = point(Model::Persistent, 16, &[100.0; 5]);
        let fair = with_tail(Model::Queue, 4, 120.0, 12);
        assert_eq!(chosen(&shared, &fair, &persistent, false).model, Model::Queue);
        let unfair = with_tail(Model::Queue, 4, 120.0, 100);
        let choice = chosen(&shared, &unfair, &persistent, false);
        assert_eq!(choice.model, Model::Shared);
        assert!(choice.reasons.join("\n").contains("no order"), "{choice:?}");
    }

    #[test]
    fn one_thread_is_told_that_it_needs_none() {
        let shared = point(Model::Shared, 1, &[100.0; 5]);
        let choice = choose(&Evidence {
            threads: 1,
            come_and_go: false,
            most: None,
            shared: &shared,
            queue: None,
            persistent: None,
            tolerance: TOLERANCE,
        });
        assert!(choice.reasons[0].contains("no pool is needed"), "{choice:?}");
    }
}
