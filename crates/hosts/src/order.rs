//! Which host a new connection goes to, and from which hosts connections retire.

use std::cmp::Reverse;
use std::time::Duration;

use crate::host::{Health, role};
use crate::{Refusal, Role};

/// The order in which a dial tries the hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// All connections go to the first host of the list that can be used. They stay with that host as long as
    /// it can be used, even after an earlier host has recovered.
    #[default]
    InOrder,
    /// Each new connection goes to the host with the fewest connections of this process.
    LeastConnections,
    /// Each new connection goes to the next host of the list.
    RoundRobin,
    /// Each new connection goes to the host that answers its watcher fastest.
    Nearest,
}

/// What a manager wants of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    Writer,
    /// A reader, or a writer if no reader can be used.
    Reader,
}

impl Wanted {
    /// How many values there are.
    pub(crate) const COUNT: usize = Self::Reader as usize + 1;

    pub(crate) fn fits(self, role: Role) -> bool {
        self != Self::Writer || role == Role::Writer
    }

    /// Whether another host must do the work after this refusal.
    pub(crate) fn needs_another(self, refusal: Refusal) -> bool {
        self == Self::Writer || refusal == Refusal::NotReady
    }

    /// For messages: "no host …".
    pub(crate) const fn missing(self) -> &'static str {
        match self {
            Self::Any | Self::Reader => "can be used",
            Self::Writer => "can be used as writer",
        }
    }
}

/// The least time that a dial waits for a host whose last connection broke. It is short because a server that
/// is shutting down may accept connections for a second and not answer.
const SHORT_PATIENCE: Duration = Duration::from_millis(250);

/// One host at this moment, as far as a choice needs it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) health: Health,
    pub(crate) is_suspected: bool,
    pub(crate) is_doubted: bool,
    pub(crate) connections: usize,
    pub(crate) answer_time: Option<Duration>,
    /// How long it has had its role, or none.
    pub(crate) since: Duration,
}

impl Seen {
    /// Returns how long a dial waits for this host if another host may serve instead.
    pub(crate) fn patience(&self, usual: Duration) -> Duration {
        if self.is_doubted {
            usual.min(SHORT_PATIENCE.max(self.answer_time.unwrap_or_default() * 10))
        } else {
            usual
        }
    }
}

/// How well a host fits what a manager wants: the lower, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Good,
    Unknown,
    /// A writer for a reader.
    Instead,
    Suspected,
}

fn class(host: &Seen, wanted: Wanted) -> Option<Class> {
    match role(&host.health) {
        Some(role) if !wanted.fits(role) => None,
        Some(_) if host.is_suspected => Some(Class::Suspected),
        Some(Role::Writer) if wanted == Wanted::Reader => Some(Class::Instead),
        Some(_) => Some(Class::Good),
        None if host.health == Health::Unknown => Some(Class::Unknown),
        None => None,
    }
}

/// The hosts that a dial tries, the best first; and the hosts that could not serve when they were last asked,
/// which a dial tries only if all the first ones fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Candidates {
    pub(crate) usable: Vec<usize>,
    pub(crate) others: Vec<usize>,
}

pub(crate) fn candidates(
    order: Order,
    wanted: Wanted,
    hosts: &[Seen],
    current: Option<usize>,
    turn: usize,
) -> Candidates {
    let mut usable = Vec::new();
    let mut others = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        match class(host, wanted) {
            Some(class) => usable.push((class, index)),
            None => others.push(index),
        }
    }
    usable.sort_by_key(|&(class, index)| {
        let host = &hosts[index];
        let (first, second) = match order {
            Order::InOrder => (u128::from(current != Some(index)), 0),
            Order::LeastConnections => (host.connections as u128, 0),
            // A host that is left out gives its turn to the next one.
            Order::RoundRobin => {
                let count = hosts.len();
                (((index + count - turn % count) % count) as u128, 0)
            }
            Order::Nearest => {
                let time = host.answer_time.map_or(u128::MAX, |time| time.as_micros());
                (time, host.connections)
            }
        };
        (class, first, second, index)
    });
    Candidates { usable: usable.into_iter().map(|(_, index)| index).collect(), others }
}

/// Returns the host that [`Order::InOrder`] stays with or moves back to. With `fail_back`, it moves back only
/// to a host that has been good for that long.
pub(crate) fn preferred(
    wanted: Wanted,
    hosts: &[Seen],
    current: Option<usize>,
    fail_back: Option<Duration>,
) -> Option<usize> {
    let good = |index: &usize| class(&hosts[*index], wanted).is_some_and(|it| it <= Class::Instead);
    let (Some(now), Some(for_at_least)) = (current.filter(good), fail_back) else {
        return current.filter(good).or_else(|| (0..hosts.len()).find(good));
    };
    let now_class = class(&hosts[now], wanted);
    (0..hosts.len())
        .filter(good)
        .filter(|&index| index == now || hosts[index].since >= for_at_least)
        // A host of a worse class is no reason to go back.
        .filter(|&index| class(&hosts[index], wanted) <= now_class)
        .min_by_key(|&index| (class(&hosts[index], wanted), index))
}

/// Returns the hosts from which connections retire, one after the other when a borrower returns them.
pub(crate) fn to_leave(
    order: Order,
    wanted: Wanted,
    hosts: &[Seen],
    current: Option<usize>,
    fail_back: Option<Duration>,
) -> Vec<usize> {
    let steady = |index: usize| {
        let is_good = class(&hosts[index], wanted) == Some(Class::Good);
        fail_back.is_some_and(|long| is_good && hosts[index].since >= long)
    };
    let steady_hosts: Vec<_> = (0..hosts.len()).filter(|&index| steady(index)).collect();
    let is_left = |index: usize| match order {
        Order::InOrder => current.is_some_and(|current| current != index),
        _ if steady_hosts.is_empty() => false,
        // A reader can be used again.
        _ if class(&hosts[index], wanted) == Some(Class::Instead) => true,
        Order::LeastConnections | Order::RoundRobin => {
            let total: usize = hosts.iter().map(|host| host.connections).sum();
            hosts[index].connections > total.div_ceil(steady_hosts.len().max(1))
        }
        Order::Nearest => {
            let time = |index: usize| hosts[index].answer_time;
            let nearest = steady_hosts.iter().filter_map(|&other| time(other)).min();
            // Twice as far, and by more than a millisecond: connections do not move between similar hosts.
            matches!((time(index), nearest), (Some(own), Some(nearest))
                if own > nearest * 2 && own > nearest + Duration::from_millis(1))
        }
    };
    let mut left: Vec<_> = (0..hosts.len()).filter(|&index| is_left(index)).collect();
    left.sort_by_key(|&index| Reverse(hosts[index].connections));
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn host(health: Health) -> Seen {
        Seen {
            health,
            is_suspected: false,
            is_doubted: false,
            connections: 0,
            answer_time: None,
            since: LONG,
        }
    }

    fn writer() -> Seen {
        host(Health::Ready(Role::Writer))
    }

    fn reader() -> Seen {
        host(Health::Ready(Role::Reader))
    }

    fn down() -> Seen {
        host(Health::Down("refused".to_owned()))
    }

    fn usable(order: Order, wanted: Wanted, hosts: &[Seen], current: Option<usize>) -> Vec<usize> {
        candidates(order, wanted, hosts, current, 0).usable
    }

    #[test]
    fn in_order_the_current_host_comes_first_and_then_the_list() {
        let hosts = [writer(), writer(), writer()];
        assert_eq!(usable(Order::InOrder, Wanted::Any, &hosts, None), [0, 1, 2]);
        assert_eq!(usable(Order::InOrder, Wanted::Any, &hosts, Some(2)), [2, 0, 1]);
    }

    #[test]
    fn a_host_that_is_down_or_has_another_role_is_among_the_others() {
        let hosts = [down(), reader(), writer()];
        let found = candidates(Order::InOrder, Wanted::Writer, &hosts, None, 0);
        assert_eq!(found, Candidates { usable: vec![2], others: vec![0, 1] });
    }

    #[test]
    fn a_suspected_host_comes_last() {
        let hosts = [Seen { is_suspected: true, ..writer() }, writer(), host(Health::Unknown)];
        assert_eq!(usable(Order::InOrder, Wanted::Any, &hosts, Some(0)), [1, 2, 0]);
    }

    #[test]
    fn a_reader_is_preferred_and_a_writer_is_better_than_none() {
        let hosts = [writer(), reader(), reader()];
        assert_eq!(usable(Order::InOrder, Wanted::Reader, &hosts, None), [1, 2, 0]);
        assert_eq!(usable(Order::InOrder, Wanted::Reader, &[writer(), down()], None), [0]);
    }

    #[test]
    fn connections_spread_over_the_hosts() {
        let hosts = [Seen { connections: 3, ..writer() }, Seen { connections: 1, ..writer() }];
        assert_eq!(usable(Order::LeastConnections, Wanted::Any, &hosts, None), [1, 0]);
    }

    #[test]
    fn the_turn_goes_round_and_a_host_that_is_down_gives_it_to_the_next() {
        let hosts = [reader(), down(), reader()];
        let first = |turn| candidates(Order::RoundRobin, Wanted::Any, &hosts, None, turn).usable[0];
        assert_eq!([0, 1, 2, 3, usize::MAX].map(first), [0, 2, 2, 0, 0]);
    }

    #[test]
    fn the_nearest_host_comes_first_and_an_unmeasured_one_last() {
        let at = |millis| Seen { answer_time: Some(Duration::from_millis(millis)), ..writer() };
        let hosts = [writer(), at(9), at(2)];
        assert_eq!(usable(Order::Nearest, Wanted::Any, &hosts, None), [2, 1, 0]);
    }

    #[test]
    fn a_dial_waits_less_long_for_a_host_whose_connections_broke_by_what_it_usually_needs() {
        let usual = Duration::from_secs(2);
        let doubted = Seen { is_doubted: true, ..writer() };
        assert_eq!(writer().patience(usual), usual);
        assert_eq!(doubted.patience(usual), SHORT_PATIENCE);
        let far =
            |millis| Seen { answer_time: Some(Duration::from_millis(millis)), ..doubted.clone() };
        assert_eq!(far(100).patience(usual), Duration::from_secs(1));
        assert_eq!(far(300).patience(usual), usual);
    }

    #[test]
    fn the_current_host_is_kept_unless_going_back_is_wanted_and_the_first_is_steady() {
        let hosts = [writer(), writer()];
        assert_eq!(preferred(Wanted::Writer, &hosts, Some(1), None), Some(1));
        assert_eq!(preferred(Wanted::Writer, &hosts, Some(1), Some(LONG)), Some(0));
        let fresh = [Seen { since: Duration::from_secs(1), ..writer() }, writer()];
        assert_eq!(preferred(Wanted::Writer, &fresh, Some(1), Some(LONG)), Some(1));
        let gone = [writer(), down()];
        assert_eq!(preferred(Wanted::Writer, &gone, Some(1), None), Some(0));
        assert_eq!(preferred(Wanted::Writer, &[down(), down()], Some(1), None), None);
    }

    #[test]
    fn a_manager_of_readers_does_not_go_back_to_a_writer() {
        let hosts = [writer(), reader()];
        assert_eq!(preferred(Wanted::Reader, &hosts, Some(1), Some(LONG)), Some(1));
    }

    #[test]
    fn in_order_all_hosts_but_the_current_one_are_left() {
        let hosts = [writer(), writer()];
        assert_eq!(to_leave(Order::InOrder, Wanted::Any, &hosts, Some(1), None), [0]);
        assert!(to_leave(Order::InOrder, Wanted::Any, &hosts, None, None).is_empty());
    }

    #[test]
    fn a_host_with_more_than_its_share_is_left_only_on_request() {
        let hosts =
            [Seen { connections: 4, ..writer() }, Seen { connections: 4, ..writer() }, writer()];
        let left =
            |fail_back| to_leave(Order::LeastConnections, Wanted::Any, &hosts, None, fail_back);
        assert!(left(None).is_empty());
        assert_eq!(left(Some(LONG)), [0, 1]);
    }

    #[test]
    fn readers_leave_the_writer_once_a_reader_is_steady() {
        let hosts = [Seen { connections: 2, ..writer() }, reader()];
        let left =
            |fail_back| to_leave(Order::LeastConnections, Wanted::Reader, &hosts, None, fail_back);
        assert!(left(None).is_empty());
        assert_eq!(left(Some(LONG)), [0]);
    }
}
