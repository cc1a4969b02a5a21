//! What the simulation predicts for fleets of one process, two, four and so on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use threadwise_figures::units::count;

use super::simulate::{Effort, Fleet, Simulated, simulate};

/// A server is saturated at this fraction of what it could do with more demand.
const SATURATED: f64 = 0.95;
/// A fleet with smaller pools does as well if it keeps this fraction of the throughput.
const AS_GOOD: f64 = 0.97;
/// The plan loads each node up to this fraction of its capacity.
const PLANNED_LOAD: f64 = 0.8;
/// The largest fleet that is simulated, in processes and in threads.
const MOST_INSTANCES: usize = 1_024;
const MOST_THREADS: usize = 65_536;
const LEAST_REQUESTS: usize = 40_000;

/// What all fleets have in common.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The fleet of one process, as measured.
    pub alone: Fleet,
    /// Connections that the server has room for; `None` if nothing limits them.
    pub room: Option<u64>,
    /// The seed of the simulation's random numbers.
    pub seed: u64,
}

impl Basis {
    /// Simulates this many processes with pools of this size.
    pub fn predict(&self, instances: usize, max_size: usize) -> Prediction {
        let fleet = Fleet { instances, max_size, ..self.alone.clone() };
        let requests = LEAST_REQUESTS.max(10 * instances * fleet.threads);
        let effort = Effort { seed: self.seed, warm_up: requests / 4, requests };
        Prediction::of(&simulate(&fleet, effort), &fleet)
    }
}

/// What a fleet of this many processes would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Processes.
    pub instances: usize,
    /// The limit of each one's pool.
    pub max_size: usize,
    /// Operations per second of all processes together.
    pub ops_per_s: f64,
    /// From asking for a connection to having it, in nanoseconds: the mean.
    pub wait_mean_ns: f64,
    /// Half the width of the simulation's 95 % interval of that mean.
    pub wait_mean_error_ns: f64,
    /// From having it to having returned it, in nanoseconds: the mean.
    #[serde(default)]
    pub hold_mean_ns: f64,
    /// The median of the waits.
    pub wait_p50_ns: u64,
    /// The wait that 99 in 100 do not exceed.
    pub wait_p99_ns: u64,
    /// Connections at the server, at most: `instances` × `max_size`.
    pub connections: usize,
    /// Connections in use on average.
    pub busy: f64,
    /// The most that were in use at the same time.
    pub most_busy: usize,
    /// Throughput relative to the server's highest throughput.
    pub load: f64,
    /// Whether more demand would hardly raise the server's throughput (by 5 % at most). `false` if
    /// the measurement did not reach the server's limit.
    pub is_saturated: bool,
    /// Whether more connections were in use than were measured, so that the rate is a guess.
    pub is_beyond_measured: bool,
}

impl Prediction {
    fn of(simulated: &Simulated, fleet: &Fleet) -> Self {
        Self {
            instances: fleet.instances,
            max_size: fleet.max_size,
            ops_per_s: simulated.ops_per_s,
            wait_mean_ns: simulated.mean_wait_s * 1e9,
            wait_mean_error_ns: simulated.mean_wait_error_s * 1e9,
            hold_mean_ns: simulated.mean_hold_s * 1e9,
            wait_p50_ns: simulated.waits.at(0.5).unwrap_or(0),
            wait_p99_ns: simulated.waits.at(0.99).unwrap_or(0),
            connections: fleet.instances * fleet.max_size,
            busy: simulated.busy,
            most_busy: simulated.most_busy,
            load: simulated.ops_per_s / fleet.capacity.most(),
            is_saturated: !fleet.capacity.still_rises()
                && simulated.ops_per_s
                    >= SATURATED * fleet.capacity.most_from(simulated.busy as usize),
            is_beyond_measured: simulated.busy > fleet.capacity.known_to() as f64 + 0.5,
        }
    }
}

/// The plan for a fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The seed of the simulation.
    pub seed: u64,
    /// One, two, four … processes up to the fleet's number, and the first number that saturates the
    /// server.
    pub predictions: Vec<Prediction>,
    /// From how many processes on the server is saturated; `None` if no simulated number saturates
    /// it.
    pub saturated_from: Option<usize>,
    /// The smallest pool size with which the fleet does as well.
    pub enough_size: usize,
    /// The smallest number of processes whose pools together may exceed the server's room.
    pub over_room_from: Option<u64>,
    /// The advice, in sentences.
    pub advice: Vec<String>,
}

/// Plans a fleet.
pub fn plan(basis: &Basis, instances: usize, max_size: usize) -> Plan {
    let predict = |instances| basis.predict(instances, max_size);
    let mut numbers: BTreeSet<_> = doubled_to(instances).collect();
    let saturated_from = first_saturated(basis, max_size);
    // A number far beyond the fleet is in a sentence, but gets no row.
    numbers.extend(saturated_from.filter(|&first| first <= 4 * instances));
    let predictions: Vec<_> = numbers.into_iter().map(predict).collect();
    let asked = predict(instances);
    let enough_size = smallest_as_good(basis, &asked);
    let over_room_from = basis.room.map(|room| room / max_size as u64 + 1);
    let alone = &predictions[0];
    let advice = Judge { basis, alone, asked: &asked, saturated_from, enough_size };
    let advice = advice.sentences();
    Plan { seed: basis.seed, predictions, saturated_from, enough_size, over_room_from, advice }
}

/// 1, 2, 4 … below this number, and the number.
pub(crate) fn doubled_to(most: usize) -> impl Iterator<Item = usize> {
    (0..).map(|power| 1 << power).take_while(move |&it| it < most).chain([most])
}

/// From how many processes on the server is saturated: by doubling, then by halving the gap.
fn first_saturated(basis: &Basis, max_size: usize) -> Option<usize> {
    let most = MOST_INSTANCES.min(MOST_THREADS / basis.alone.threads).max(1);
    let is_saturated = |instances| basis.predict(instances, max_size).is_saturated;
    let (mut below, mut from) = (0, 1);
    while !is_saturated(from) {
        if from == most {
            return None;
        }
        (below, from) = (from, (2 * from).min(most));
    }
    Some(smallest(below, from, is_saturated))
}

fn smallest_as_good(basis: &Basis, asked: &Prediction) -> usize {
    let as_good =
        |size| basis.predict(asked.instances, size).ops_per_s >= AS_GOOD * asked.ops_per_s;
    smallest(0, asked.max_size, as_good)
}

/// The smallest number above `below` that does, by halving the gap. `from` does.
fn smallest(mut below: usize, mut from: usize, does: impl Fn(usize) -> bool) -> usize {
    while from - below > 1 {
        let middle = usize::midpoint(below, from);
        if does(middle) { from = middle } else { below = middle }
    }
    from
}

/// Turns figures into sentences.
struct Judge<'p> {
    basis: &'p Basis,
    alone: &'p Prediction,
    asked: &'p Prediction,
    saturated_from: Option<usize>,
    enough_size: usize,
}

impl Judge<'_> {
    fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![self.connections()];
        sentences.extend(self.proxy());
        sentences.extend(self.smaller());
        sentences.push(self.saturation());
        sentences.extend(self.nodes());
        if self.asked.is_beyond_measured {
            let known = self.basis.alone.capacity.known_to();
            sentences.push(format!(
                "More connections are in use than were measured ({known}). The plan assumes that the \
                 server does as much with them, which is optimistic."
            ));
        }
        sentences
    }

    fn connections(&self) -> String {
        let Prediction { instances, max_size, connections, .. } = *self.asked;
        let sum = format!("{instances} × {max_size} = {connections} connections at most");
        match self.basis.room {
            None => format!("{sum}; nothing limits their number."),
            Some(room) if connections as u64 > room => format!(
                "{sum}: more than the {room} that the server has room for, from {} instances on.",
                room / max_size as u64 + 1
            ),
            Some(room) => format!("{sum}, of the {room} that the server has room for."),
        }
    }

    /// Whether a proxy helps, if the pools together exceed the server's room.
    fn proxy(&self) -> Option<String> {
        let room = self.basis.room?;
        let Prediction { instances, connections, ops_per_s, busy, .. } = *self.asked;
        if connections as u64 <= room {
            return None;
        }
        let fits = room as usize / instances;
        if fits > 0 {
            let smaller = self.basis.predict(instances, fits).ops_per_s;
            if smaller >= AS_GOOD * ops_per_s {
                return Some(format!(
                    "No proxy is needed: with max_size {fits} they fit, and do as much ({:.0} % of \
                     it).",
                    100.0 * smaller / ops_per_s
                ));
            }
        }
        Some(if busy <= room as f64 {
            format!(
                "A proxy that lends the server's connections for single transactions (ProxySQL, \
                 MaxScale) is needed: on average {busy:.0} of these connections are in use, and \
                 those fit."
            )
        } else {
            format!(
                "A proxy alone does not help: on average {busy:.0} connections are in use, and \
                 those do not fit either. Raise the server's limit, or spread the work over more \
                 nodes."
            )
        })
    }

    fn smaller(&self) -> Option<String> {
        let Prediction { instances, max_size, .. } = *self.asked;
        (self.enough_size < max_size).then(|| {
            format!(
                "While all {instances} run, max_size {} does as well (97 % or more of it). The \
                 rest is for times when some of them are down.",
                self.enough_size
            )
        })
    }

    fn saturation(&self) -> String {
        let most = count(self.basis.alone.capacity.most());
        let never_idle = match self.basis.alone.idle.mean_s {
            ..1e-4 => {
                " Its threads are never idle here. If yours are, give the time with --think-ms."
            }
            _ => "",
        };
        match self.saturated_from {
            Some(1) => format!(
                "One instance alone saturates the server ({most} operations a second at most). \
                 More instances share that, and wait longer.{never_idle}"
            ),
            Some(first) => format!(
                "From {first} instances on, the server is saturated: it hardly does more ({most} \
                 operations a second at most), and more instances only wait longer."
            ),
            None if self.basis.alone.capacity.still_rises() => format!(
                "The measurement did not reach the server's limit: it does more with each \
                 connection, up to the {} that were measured.",
                self.basis.alone.capacity.known_to()
            ),
            None => format!(
                "No simulated number of instances saturates the server: with these it does {:.0} % \
                 of its {most} operations a second.",
                100.0 * self.asked.load
            ),
        }
    }

    fn nodes(&self) -> Option<String> {
        if !self.asked.is_saturated || self.asked.instances == 1 {
            return None;
        }
        let Prediction { instances, ops_per_s, .. } = *self.asked;
        let wanted = instances as f64 * self.alone.ops_per_s;
        let nodes = (wanted / (PLANNED_LOAD * self.basis.alone.capacity.most())).ceil().max(1.0);
        Some(format!(
            "Each of the {instances} does {:.0} % of what it does alone. To do all of that, {} \
             operations a second, you need {nodes:.0} nodes of this kind, each at 80 % of its \
             capacity. For queries that only read, these may be replicas. A proxy makes no server \
             faster.",
            100.0 * ops_per_s / wanted,
            count(wanted),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::capacity::{Capacity, Demand};
    use super::super::simulate::Idle;
    use super::*;

    /// A server of 16 processors that takes 1 ms for a request; 8 threads that are idle for 9 ms.
    fn basis(room: Option<u64>) -> Basis {
        let alone = Fleet {
            instances: 1,
            threads: 8,
            max_size: 8,
            idle: Idle { mean_s: 9e-3, spread: Demand::Constant },
            fair_after: 1e-3,
            // Measured a little beyond its limit.
            capacity: Capacity::through(&[(16.0, 16e3), (24.0, 16e3)]),
            demand: Demand::Exponential,
        };
        Basis { alone, room, seed: 1 }
    }

    #[test]
    fn a_fleet_saturates_the_server_when_its_demand_reaches_the_capacity() {
        let plan = plan(&basis(None), 4, 8);
        // 8 threads with a cycle of 10 ms make 800 requests a second; the server does 16 000.
        let first = plan.saturated_from.expect("it is saturated");
        assert!((19..=22).contains(&first), "{first}");
        assert!((plan.predictions[0].ops_per_s / 800.0 - 1.0).abs() < 0.02, "{plan:?}");
        let rows: Vec<_> = plan.predictions.iter().map(|it| it.instances).collect();
        assert_eq!(rows, [1, 2, 4], "the first that saturates gets no row");
    }

    #[test]
    fn smaller_pools_are_advised_if_the_pools_exceed_the_server_s_room_and_that_costs_nothing() {
        let plan = plan(&basis(Some(40)), 10, 8);
        assert_eq!(plan.over_room_from, Some(6));
        let text = plan.advice.join(" ");
        assert!(text.contains("10 × 8 = 80 connections") && text.contains("from 6"), "{text}");
        assert!(text.contains("max_size 4 they fit"), "{text}");
        assert!(plan.enough_size <= 4, "{plan:?}");
    }

    #[test]
    fn a_proxy_is_advised_if_the_connections_in_use_fit_and_no_pool_size_does() {
        let plan = plan(&basis(Some(10)), 11, 2);
        let text = plan.advice.join(" ");
        assert!(text.contains("A proxy that lends") && text.contains("fit."), "{text}");
    }

    #[test]
    fn a_server_whose_limit_was_not_measured_is_not_called_saturated() {
        let mut basis = basis(None);
        basis.alone.capacity = Capacity::through(&[(16.0, 16e3)]);
        let plan = plan(&basis, 40, 8);
        assert_eq!(plan.saturated_from, None);
        let text = plan.advice.join(" ");
        assert!(text.contains("did not reach") && text.contains("optimistic"), "{text}");
    }

    #[test]
    fn more_nodes_are_advised_if_the_server_is_saturated() {
        let plan = plan(&basis(None), 40, 8);
        assert!(plan.saturated_from.is_some_and(|first| first < 40));
        let text = plan.advice.join(" ");
        // 40 × 800 requests a second at 80 % of 16 000 each.
        assert!(text.contains("3 nodes of this kind"), "{text}");
        assert!(text.contains("A proxy makes no server faster"), "{text}");
    }
}
