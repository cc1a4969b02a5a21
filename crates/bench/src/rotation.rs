//! The order in which contenders take turns.

use std::ops::RangeInclusive;

use crate::interrupt::Interrupt;

/// Gives the contenders at these places their turns in these rounds, until it is interrupted.
/// `turn` gets the round and the contender.
pub(crate) fn take_turns<C>(
    contenders: &mut [C],
    places: &[usize],
    rounds: RangeInclusive<usize>,
    interrupt: &Interrupt,
    mut turn: impl FnMut(usize, &mut C),
) {
    for round in rounds {
        for place in rotation(round, places) {
            if interrupt.is_raised() {
                return;
            }
            turn(round, &mut contenders[place]);
        }
    }
}

/// The order of turns in a round. Each round begins with the next contender and runs in the
/// opposite direction. So no contender always follows the same one, whose effects it would inherit.
fn rotation(round: usize, order: &[usize]) -> impl Iterator<Item = usize> {
    let len = order.len();
    (0..len).map(move |turn| {
        let step = if round.is_multiple_of(2) { turn } else { len - turn };
        order[(round + step) % len]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_begins_with_the_next_contender_and_reverses_the_direction() {
        let orders: Vec<Vec<_>> =
            (0..4).map(|round| rotation(round, &[7, 8, 9]).collect()).collect();
        assert_eq!(orders, [[7, 8, 9], [8, 7, 9], [9, 7, 8], [7, 9, 8]]);
    }
}
