//! Chooses the pool, from the figures and from how the threads behave.

use threadwise::PoolKind;
use threadwise_figures::units::{count, duration};

use crate::knee::{Compared, Tolerance, compare, ratio};
use crate::point::Point;

/// `QueuePool` is not chosen if its p99 wait is more than this many times that of `SharedPool`,
/// because its waiters have no order.
const LONGER_TAIL: f64 = 2.0;

/// What the choice depends on.
pub(crate) struct Evidence<'e> {
    pub(crate) threads: usize,
    /// Whether threads end and new ones start.
    pub(crate) come_and_go: bool,
    /// How many connections this process may have; `None` if nothing limits them.
    pub(crate) most: Option<usize>,
    pub(crate) shared: &'e Point,
    pub(crate) queue: Option<&'e Point>,
    pub(crate) persistent: Option<&'e Point>,
    pub(crate) tolerance: Tolerance,
    /// Whether the figures are unreliable.
    pub(crate) is_doubtful: bool,
}

/// A pool and the reasons for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) model: PoolKind,
    pub(crate) reasons: Vec<String>,
}

/// Chooses a pool.
pub(crate) fn choose(evidence: &Evidence<'_>) -> Choice {
    let mut reasons = Vec::new();
    if evidence.threads == 1 {
        reasons.push(
            "With one thread no pool is needed: keep a connection in a variable. A pool of one \
             helps if it is to check the connection and replace it when it breaks."
                .to_owned(),
        );
        return Choice { model: PoolKind::Shared, reasons };
    }
    if evidence.is_doubtful {
        reasons.push(
            "The measurement cannot tell which pool does best here. SharedPool suits most \
             programs: its threads may come and go, and it serves its waiters in order."
                .to_owned(),
        );
        reasons.extend(evidence.why_not_persistent());
        return Choice { model: PoolKind::Shared, reasons };
    }
    let persistent = evidence.persistent_wins(&mut reasons);
    let queue = evidence.queue_wins(&mut reasons);
    let model = match (persistent, queue) {
        (true, _) => PoolKind::Persistent,
        (false, true) => PoolKind::Queue,
        (false, false) => PoolKind::Shared,
    };
    if model == PoolKind::Shared {
        reasons.insert(0, evidence.why_shared());
    }
    Choice { model, reasons }
}

impl Evidence<'_> {
    fn why_shared(&self) -> String {
        let (threads, size) = (self.threads, self.shared.setup.size);
        let connections = if size == 1 { "connection" } else { "connections" };
        if size < threads {
            format!(
                "{threads} threads do as much with {size} {connections} as with more, so they share them."
            )
        } else {
            format!("It can have a connection for each of the {threads} threads.")
        }
    }

    /// The reason against a connection for each thread that holds for any figures.
    fn why_not_persistent(&self) -> Option<String> {
        if self.come_and_go {
            let why = "Not PersistentPool: threads come and go, and each would open a connection.";
            return Some(why.into());
        }
        let most = self.most.filter(|&most| most < self.threads)?;
        Some(format!(
            "Not PersistentPool: {} threads need a connection each, and there is room for {most}.",
            self.threads
        ))
    }

    /// Whether to choose a connection for each thread: if that is faster, or if each thread needs
    /// one anyway.
    fn persistent_wins(&self, reasons: &mut Vec<String>) -> bool {
        if let Some(why) = self.why_not_persistent() {
            reasons.push(why);
            return false;
        }
        let Some(persistent) = self.persistent.filter(|point| point.is_sound()) else {
            return false;
        };
        let times = ratio(persistent, self.shared);
        let compared = compare(persistent, self.shared, self.tolerance);
        let rate = count(persistent.ops_per_s());
        let (threads, size) = (self.threads, self.shared.setup.size);
        let only_if = "Use it only if the threads stay the same; if they come and go, give \
                       --threads-come-and-go.";
        if compared == Compared::Better {
            let gain = self.gain(times);
            reasons.push(format!(
                "PersistentPool {gain} ({rate} operations a second), with {threads} connections \
                 instead of {size}. {only_if}"
            ));
            return true;
        }
        if size >= threads && compared != Compared::Worse {
            reasons.push(format!(
                "Each of the {threads} threads needs a connection anyway; with PersistentPool ({rate} \
                 operations a second) they share nothing, and no thread waits. {only_if}"
            ));
            return true;
        }
        let no_gain = self.no_gain(compared, times);
        reasons.push(format!(
            "Not PersistentPool: {no_gain} ({rate} operations a second), with {threads} connections \
             instead of {size}."
        ));
        false
    }

    /// The gain of the other pool, in words.
    fn gain(&self, times: f64) -> String {
        let percent = 100.0 * (times - 1.0);
        if self.shared.by_response {
            format!("makes a use {percent:.0} % faster")
        } else {
            format!("does {percent:.0} % more")
        }
    }

    fn no_gain(&self, compared: Compared, times: f64) -> String {
        let what = match (self.shared.by_response, compared) {
            (_, Compared::Unknown) => {
                let percent = 100.0 * (times - 1.0);
                let noise = 100.0 * self.tolerance.significant();
                return format!(
                    "advise cannot tell whether it does better; the difference is {percent:+.0} %, \
                     and up to {noise:.0} % may be chance"
                );
            }
            (true, Compared::Worse) => "it makes each use slower",
            (true, _) => "it makes a use no faster",
            (false, Compared::Worse) => "it does less",
            (false, _) => "it does no more",
        };
        what.into()
    }

    /// Whether to choose the simple queue: if it is faster and no thread waits much longer.
    fn queue_wins(&self, reasons: &mut Vec<String>) -> bool {
        let Some(queue) = self.queue.filter(|point| point.is_sound()) else { return false };
        let times = ratio(queue, self.shared);
        let compared = compare(queue, self.shared, self.tolerance);
        let tail = |point: &Point| point.sum.waits.at(0.99).unwrap_or(0) as f64;
        let (its, ours) = (tail(queue), tail(self.shared));
        let rate = count(queue.ops_per_s());
        let waits = format!("wait p99 {} against {}", duration(its), duration(ours));
        if compared != Compared::Better {
            let compared = self.no_gain(compared, times);
            reasons.push(format!("Not QueuePool: {compared} ({rate}; {waits})."));
            return false;
        }
        let gain = self.gain(times);
        if its > LONGER_TAIL * ours {
            reasons.push(format!(
                "Not QueuePool, although it {gain} ({rate}): its waiters have no order, so some \
                 wait much longer ({waits})."
            ));
            return false;
        }
        reasons.push(format!(
            "QueuePool {gain} ({rate} operations a second). Its waiters have no order, but here no \
             thread waits much longer ({waits})."
        ));
        true
    }
}

#[cfg(test)]
mod tests {
    use threadwise_bench::measure::Waits;

    use super::*;
    use crate::turn::{Setup, Turn};

    const TOLERANCE: Tolerance = Tolerance { part: 0.03, noise: 0.01 };

    fn point(model: PoolKind, size: usize, rounds: &[f64]) -> Point {
        Point::of_rounds(Setup { kind: model, size }, rounds)
    }

    /// Sixteen threads that stay the same, and room for all of them, with this pool alone.
    fn only(shared: &Point) -> Evidence<'_> {
        Evidence {
            threads: 16,
            come_and_go: false,
            most: None,
            shared,
            queue: None,
            persistent: None,
            tolerance: TOLERANCE,
            is_doubtful: false,
        }
    }

    fn with_tail(model: PoolKind, size: usize, per_s: f64, millis: u64) -> Point {
        let mut point = Point::new(Setup { kind: model, size });
        for _ in 0..5 {
            let mut waits = Waits::default();
            waits.record(std::time::Duration::from_millis(millis));
            let turn = Turn { ops: per_s as u64, seconds: 1.0, waits, ..Turn::default() };
            point.add(Ok(turn));
        }
        point
    }

    fn chosen(shared: &Point, queue: &Point, persistent: &Point, come_and_go: bool) -> Choice {
        let (queue, persistent) = (Some(queue), Some(persistent));
        choose(&Evidence { come_and_go, most: Some(100), queue, persistent, ..only(shared) })
    }

    #[test]
    fn shared_is_chosen_if_no_other_pool_is_faster() {
        let shared = point(PoolKind::Shared, 4, &[100.0; 5]);
        let queue = point(PoolKind::Queue, 4, &[101.0; 5]);
        let persistent = point(PoolKind::Persistent, 16, &[102.0; 5]);
        let choice = chosen(&shared, &queue, &persistent, false);
        assert_eq!(choice.model, PoolKind::Shared);
        let reasons = choice.reasons.join("\n");
        assert!(reasons.contains("16 threads do as much with 4 connections"), "{reasons}");
        assert!(reasons.contains("Not PersistentPool") && reasons.contains("Not QueuePool"));
    }

    #[test]
    fn persistent_is_chosen_if_it_is_faster_unless_threads_come_and_go() {
        let shared = point(PoolKind::Shared, 4, &[100.0; 5]);
        let queue = point(PoolKind::Queue, 4, &[100.0; 5]);
        let persistent = point(PoolKind::Persistent, 16, &[120.0; 5]);
        assert_eq!(chosen(&shared, &queue, &persistent, false).model, PoolKind::Persistent);
        let choice = chosen(&shared, &queue, &persistent, true);
        assert_eq!(choice.model, PoolKind::Shared);
        assert!(choice.reasons.join("\n").contains("come and go"), "{choice:?}");
    }

    #[test]
    fn persistent_is_chosen_if_each_thread_needs_a_connection_anyway() {
        let shared = point(PoolKind::Shared, 16, &[100.0; 5]);
        let queue = point(PoolKind::Queue, 16, &[99.0; 5]);
        let persistent = point(PoolKind::Persistent, 16, &[99.0; 5]);
        assert_eq!(chosen(&shared, &queue, &persistent, false).model, PoolKind::Persistent);
    }

    #[test]
    fn persistent_is_not_chosen_if_the_server_has_no_room() {
        let shared = point(PoolKind::Shared, 4, &[100.0; 5]);
        let choice = choose(&Evidence { most: Some(10), ..only(&shared) });
        assert_eq!(choice.model, PoolKind::Shared);
        assert!(choice.reasons.join("\n").contains("room for 10"), "{choice:?}");
    }

    #[test]
    fn queue_is_chosen_if_it_is_faster_and_no_thread_waits_much_longer() {
        let shared = with_tail(PoolKind::Shared, 4, 100.0, 10);
        let persistent = point(PoolKind::Persistent, 16, &[100.0; 5]);
        let fair = with_tail(PoolKind::Queue, 4, 120.0, 12);
        assert_eq!(chosen(&shared, &fair, &persistent, false).model, PoolKind::Queue);
        let unfair = with_tail(PoolKind::Queue, 4, 120.0, 100);
        let choice = chosen(&shared, &unfair, &persistent, false);
        assert_eq!(choice.model, PoolKind::Shared);
        assert!(choice.reasons.join("\n").contains("no order"), "{choice:?}");
    }

    #[test]
    fn shared_is_chosen_if_the_noise_exceeds_the_difference() {
        let shared = point(PoolKind::Shared, 4, &[100.0, 140.0, 70.0, 120.0, 90.0]);
        let queue = point(PoolKind::Queue, 4, &[130.0, 90.0, 140.0, 150.0, 60.0]);
        let persistent = point(PoolKind::Persistent, 16, &[150.0, 80.0, 120.0, 160.0, 100.0]);
        let choice = choose(&Evidence {
            queue: Some(&queue),
            persistent: Some(&persistent),
            tolerance: Tolerance::of([&shared, &queue, &persistent]),
            ..only(&shared)
        });
        assert_eq!(choice.model, PoolKind::Shared);
        assert_eq!(choice.reasons.join("\n").matches("cannot tell").count(), 2, "{choice:?}");
    }

    #[test]
    fn unreliable_figures_choose_nothing() {
        let shared = point(PoolKind::Shared, 16, &[100.0; 5]);
        let queue = with_tail(PoolKind::Queue, 16, 200.0, 1);
        let persistent = point(PoolKind::Persistent, 16, &[200.0; 5]);
        let choice = choose(&Evidence {
            queue: Some(&queue),
            persistent: Some(&persistent),
            is_doubtful: true,
            ..only(&shared)
        });
        assert_eq!(choice.model, PoolKind::Shared);
        assert!(choice.reasons[0].contains("cannot tell"), "{choice:?}");
    }

    #[test]
    fn for_one_thread_the_reason_says_that_no_pool_is_needed() {
        let shared = point(PoolKind::Shared, 1, &[100.0; 5]);
        let choice = choose(&Evidence { threads: 1, ..only(&shared) });
        assert!(choice.reasons[0].contains("no pool is needed"), "{choice:?}");
    }
}
