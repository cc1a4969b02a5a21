//! The users who are present. All of them get the messages in the order of their numbers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tungstenite::Bytes;

use crate::outbox::Outbox;
use crate::protocol::{Message, Nick, Outgoing, close, goodbye, ping};

/// How many messages the room keeps for users who enter while others talk.
const RECENT: usize = 256;

/// The room looks in the database for a number that is missing for this long.
const MISSING: Duration = Duration::from_secs(1);

/// The users and the messages. A thread holds the lock only for changes in memory, and never waits
/// for a socket or a database under it.
pub(crate) struct Room {
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    members: HashMap<Nick, Member>,
    entered: u64,
    /// The number of the last message that the room has sent.
    last: i64,
    /// Messages that are saved while the room still waits for an earlier one.
    early: BTreeMap<i64, (Instant, Message)>,
    recent: VecDeque<Message>,
}

struct Member {
    id: u64,
    outbox: Outbox,
    stream: TcpStream, // to hang up
    /// The chatter has all earlier messages, up to this number.
    knows: i64,
}

/// A chatter's place in the room. Dropping it frees the place, also when its thread panics.
pub(crate) struct Seat<'r> {
    room: &'r Room,
    nick: Nick,
    id: u64,
}

/// Why a user may not enter.
#[derive(Debug)]
pub(crate) enum NotEntered {
    Full,
    /// The room has forgotten messages that came after the past was read: read further, then try
    /// again.
    Behind,
    /// The chatter does not accept its frames, or its socket is closed.
    Gone,
}

impl Room {
    /// An empty room, for a database whose last message has this number.
    pub(crate) fn new(last: i64, max: usize) -> Self {
        Self { max, state: Mutex::new(State { last, ..State::default() }) }
    }

    pub(crate) fn last(&self) -> i64 {
        self.state.lock().last
    }

    pub(crate) fn is_present(&self, nick: &Nick) -> bool {
        self.state.lock().members.contains_key(nick)
    }

    /// Adds a chatter that knows the past up to message `knows`. A chatter of the same name is an
    /// old connection of the same page, and must leave.
    pub(crate) fn enter(
        &self,
        nick: &Nick,
        outbox: &Outbox,
        stream: &TcpStream,
        knows: i64,
    ) -> Result<Seat<'_>, NotEntered> {
        let stream = stream.try_clone().map_err(|_| NotEntered::Gone)?;
        let mut state = self.state.lock();
        if state.members.len() >= self.max && !state.members.contains_key(nick) {
            return Err(NotEntered::Full);
        }
        let is_covered = state.recent.front().is_some_and(|oldest| oldest.id <= knows + 1);
        if knows < state.last && !is_covered {
            return Err(NotEntered::Behind);
        }
        for message in state.recent.iter().filter(|message| message.id > knows) {
            if message.is_for(nick) && outbox.send(&message.frame(Some(nick))).is_err() {
                return Err(NotEntered::Gone);
            }
        }
        let knows = knows.max(state.last); // the past may have messages that the room has not sent yet
        state.entered += 1;
        let id = state.entered;
        let member = Member { id, outbox: outbox.clone(), stream, knows };
        match state.members.insert(nick.clone(), member) {
            Some(old) => {
                old.send_away(close::REPLACED, "this name is in use in another window now");
            }
            None => state.tell_all(&Outgoing::Joined { who: nick }.frame(), Some(nick)),
        }
        let mut who: Vec<_> = state.members.keys().collect();
        who.sort();
        let _ = outbox.send(&Outgoing::Present { who }.frame()); // a slow one is dropped
        Ok(Seat { room: self, nick: nick.clone(), id })
    }

    /// Sends a saved message to its recipients, and the acknowledgement to its sender, as soon as
    /// all messages before it were sent. That may be later than this call.
    pub(crate) fn tell(&self, message: Message) {
        let mut state = self.state.lock();
        if message.id > state.last {
            state.early.insert(message.id, (Instant::now(), message));
            state.tell_early();
        } // else it took so long to come here that it was fetched from the database
    }

    /// Acknowledges a message that its sender has sent again because the acknowledgement was lost.
    /// Sends it to the users if the room has not done so.
    pub(crate) fn tell_again(&self, message: Message) {
        let mut state = self.state.lock();
        if message.id <= state.last {
            return state.acknowledge(&message);
        }
        drop(state);
        self.tell(message);
    }

    /// The last number that the room has sent, and the number after the gap, if the gap is old
    /// enough.
    pub(crate) fn hole(&self) -> Option<(i64, i64)> {
        let state = self.state.lock();
        let (next, (since, _)) = state.early.first_key_value()?;
        (since.elapsed() > MISSING).then_some((state.last, *next))
    }

    /// Fills the gap before `next` with the messages that the database has there.
    pub(crate) fn mend(&self, found: Vec<Message>, next: i64) {
        let mut state = self.state.lock();
        for message in found {
            if message.id <= state.last {
                continue; // the thread that saved it was only slow
            }
            state.last = message.id - 1;
            state.early.insert(message.id, (Instant::now(), message));
            state.tell_early();
        }
        state.last = state.last.max(next - 1);
        state.tell_early();
    }

    /// Lets the threads of the chatters find the end of their input. They still answer what they have
    /// read. (Linux still delivers later input, so a thread must also look at the shutdown.)
    pub(crate) fn close(&self) {
        for member in self.state.lock().members.values() {
            let _ = member.stream.shutdown(Shutdown::Read); // one that is gone already is fine too
        }
    }

    /// Asks all chatters whether they are still there. The answers keep their connections alive.
    pub(crate) fn ping(&self) {
        self.state.lock().tell_all(&ping(), None);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        // The name may belong to another connection by now.
        if state.members.get(&self.nick).is_some_and(|member| member.id == self.id) {
            state.members.remove(&self.nick);
            state.tell_all(&Outgoing::Left { who: &self.nick }.frame(), None);
        }
    }
}

impl State {
    fn tell_early(&mut self) {
        while let Some((_, message)) = self.early.remove(&(self.last + 1)) {
            self.last = message.id;
            self.tell_now(&message);
            self.recent.push_back(message);
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
    }

    fn tell_now(&mut self, message: &Message) {
        let frame = message.frame(None);
        match &message.to {
            None => self.tell(&frame, message.id, Some(&message.from)),
            Some(to) => {
                let member = self.members.get(to).filter(|member| member.knows < message.id);
                if member.is_some_and(|member| member.outbox.send(&frame).is_err()) {
                    self.hang_up(vec![to.clone()]);
                }
            }
        }
        self.acknowledge(message);
    }

    fn acknowledge(&mut self, message: &Message) {
        let sender = self.members.get(&message.from);
        if sender.is_some_and(|member| member.outbox.send(&message.ack()).is_err()) {
            self.hang_up(vec![message.from.clone()]);
        }
    }

    fn tell_all(&mut self, frame: &Bytes, but: Option<&Nick>) {
        self.tell(frame, i64::MAX, but);
    }

    /// Sends the same bytes to all chatters that do not know message `id` yet. Does not wait.
    // ANCHOR: all
    fn tell(&mut self, frame: &Bytes, id: i64, but: Option<&Nick>) {
        let others = self.members.iter().filter(|(nick, _)| Some(*nick) != but);
        let news = others.filter(|(_, member)| member.knows < id);
        let slow = news.filter(|(_, member)| member.outbox.send(frame).is_err());
        let slow: Vec<Nick> = slow.map(|(nick, _)| nick.clone()).collect();
        self.hang_up(slow);
    }
    // ANCHOR_END: all

    /// Closes these connections without a last frame, because there is no room for one. Tells the
    /// others.
    fn hang_up(&mut self, nicks: Vec<Nick>) {
        for nick in nicks {
            if let Some(member) = self.members.remove(&nick) {
                let _ = member.stream.shutdown(Shutdown::Both); // its threads find the end
                self.tell_all(&Outgoing::Left { who: &nick }.frame(), None);
            }
        }
    }
}

impl Member {
    fn send_away(self, code: u16, reason: &str) {
        let _ = self.outbox.send(&goodbye(code, reason));
        let _ = self.stream.shutdown(Shutdown::Read);
    }
}

impl Message {
    fn is_for(&self, nick: &Nick) -> bool {
        self.to.as_ref().is_none_or(|to| to == nick || self.from == *nick)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn nick(name: &str) -> Nick {
        Nick::parse(name).unwrap()
    }

    fn message(id: i64, to: Option<&str>) -> Message {
        let message = Message::said(&nick("eve"), format!("no. {id}"), to.map(str::to_owned), None);
        Message { id, ..message.unwrap() }
    }

    /// Adds a chatter with an outbox of this limit.
    fn enter(room: &Room, name: &str, knows: i64, limit: usize) -> Outbox {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let outbox = Outbox::new(limit);
        std::mem::forget(room.enter(&nick(name), &outbox, &stream, knows).ok().unwrap());
        outbox
    }

    /// The numbers of the messages that the outbox got.
    fn heard(outbox: &Outbox) -> Vec<i64> {
        let text = String::from_utf8_lossy(&outbox.take()).into_owned();
        let parts = text.split("\"type\":\"message\",\"id\":").skip(1);
        parts.map(|part| part.split(',').next().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn a_message_that_is_saved_early_waits_for_those_before_it() {
        let room = Room::new(0, 9);
        let ann = enter(&room, "ann", 0, 9999);
        room.tell(message(2, None));
        room.tell(message(3, Some("ann")));
        assert!(heard(&ann).is_empty());
        room.tell(message(1, None));
        assert_eq!(heard(&ann), [1, 2, 3]);
    }

    #[test]
    fn a_new_chatter_gets_what_its_past_lacks_and_nothing_twice() {
        let room = Room::new(0, 9);
        (1..=5).for_each(|id| room.tell(message(id, None)));
        let late = enter(&room, "late", 3, 9999);
        let early = enter(&room, "early", 7, 9999); // its past has messages that the room has not sent yet
        (6..=8).for_each(|id| room.tell(message(id, None)));
        assert_eq!((heard(&late), heard(&early)), (vec![4, 5, 6, 7, 8], vec![8]));
    }

    #[test]
    fn a_number_that_stays_away_is_filled_in_from_the_database() {
        let room = Room::new(0, 9);
        let ann = enter(&room, "ann", 0, 9999);
        room.tell(message(3, None));
        room.tell(message(5, None));
        assert_eq!(room.hole(), None, "it may still come by itself");
        room.mend(vec![message(1, None), message(2, Some("bob"))], 3);
        assert_eq!(heard(&ann), [1, 3]);
        room.tell(message(1, None)); // the thread that saved it was only slow
        room.mend(Vec::new(), 5); // the row was deleted
        assert_eq!((heard(&ann), room.last()), (vec![5], 5));
    }

    #[test]
    fn a_chatter_that_does_not_read_is_dropped_and_the_others_are_told() {
        let room = Room::new(0, 9);
        let (slow, quick) = (enter(&room, "slow", 0, 250), enter(&room, "quick", 0, 9999));
        (1..=9).for_each(|id| room.tell(message(id, None)));
        assert!(!room.is_present(&nick("slow")) && room.is_present(&nick("quick")));
        assert_eq!(heard(&quick), (1..=9).collect::<Vec<_>>());
        assert_eq!(heard(&slow), [1, 2], "as much as there was room for");
    }

    #[test]
    fn a_chatter_that_is_far_behind_must_read_on_in_the_database() {
        let room = Room::new(0, 9);
        (1..=RECENT as i64 + 1).for_each(|id| room.tell(message(id, None)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let outbox = Outbox::new(99_999);
        let entered = |knows| room.enter(&nick("ann"), &outbox, &stream, knows);
        assert!(matches!(entered(0), Err(NotEntered::Behind)) && entered(1).is_ok());
    }
}
