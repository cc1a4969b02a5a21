//! What the manager of several hosts asks of a server: whether it is ready, and whether it accepts writes.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error};
use threadwise_hosts::{Condition, NoHost, OneHost, Refusal};

use crate::{Connection, MysqlManager, error};

/// The variables that decide. `SHOW` works on a Galera node that refuses everything else, and leaves out
/// what the server does not know.
const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('hostname', 'port', 'server_id', \
     'read_only', 'super_read_only', 'innodb_read_only', 'wsrep_on')";

const GALERA: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', \
     'wsrep_local_state_comment', 'wsrep_cluster_state_uuid')";

impl OneHost for MysqlManager {
    /// Asks for some of the server's variables: one round trip, and another one on a Galera node.
    ///
    /// | the server says | the host is |
    /// |---|---|
    /// | `read_only`, `super_read_only` or `innodb_read_only` is on | a reader |
    /// | a Galera node: `wsrep_ready` is off, or it is not in the primary component, or its state is neither synced nor donor | not ready |
    /// | anything else | a writer |
    ///
    /// Its name, port and `server_id` identify the server, and the cluster's UUID the cluster. A replica that is
    /// not read-only looks like a writer: set `read_only` on replicas.
    fn condition(&self, conn: &mut Connection, limit: Duration) -> Result<Condition, Error> {
        conn.within(limit, |conn| conn.run(|conn| (condition(conn), Ok(()))))
    }

    /// A host that is not ready (1047) or read-only (1290, 1836). A read-only transaction (1792) may be its
    /// user's wish.
    fn refusal(&self, _: &mut Connection, error: &Error) -> Option<Refusal> {
        let Error::MySqlError(answer) = error else { return None };
        match error::refusal(answer)? {
            error::Refusal::NotReady => Some(Refusal::NotReady),
            error::Refusal::ReadOnlyServer => Some(Refusal::ReadOnly),
            error::Refusal::ReadOnlyTransaction => None,
        }
    }

    fn no_host(problem: NoHost) -> Error {
        let details = (problem.addresses(), problem.to_string(), ErrorKind::NotConnected);
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    }
}

type Values = HashMap<String, String>;

fn condition(conn: &mut Conn) -> Result<Condition, Error> {
    let variables = values(conn, VARIABLES)?;
    let status = match is_on(&variables, "wsrep_on") {
        true => values(conn, GALERA)?,
        false => Values::new(),
    };
    Ok(read(&variables, &status))
}

fn values(conn: &mut Conn, question: &str) -> Result<Values, Error> {
    let rows: Vec<(String, String)> = conn.query(question)?;
    Ok(rows.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
}

/// Whether a switch is on. The newest servers have more values than two.
fn is_on(values: &Values, name: &str) -> bool {
    values.get(name).is_some_and(|value| !value.eq_ignore_ascii_case("OFF") && value != "0")
}

fn read(variables: &Values, status: &Values) -> Condition {
    let of = |name: &str| variables.get(name).map_or("?", String::as_str);
    let server = format!("{}:{}, server_id {}", of("hostname"), of("port"), of("server_id"));
    let condition = match galera_problem(status) {
        Some(problem) => Condition::not_ready(problem),
        None => {
            let switches = ["read_only", "super_read_only", "innodb_read_only"];
            match switches.iter().any(|switch| is_on(variables, switch)) {
                true => Condition::reader(),
                false => Condition::writer(),
            }
        }
    };
    let condition = condition.with_server(server);
    match status.get("wsrep_cluster_state_uuid") {
        // A node that is outside of its cluster does not know which it belongs to.
        Some(uuid) if !uuid.starts_with("00000000") => condition.with_cluster(uuid),
        _ => condition,
    }
}

/// Why a Galera node cannot serve now.
fn galera_problem(status: &Values) -> Option<String> {
    let status_of = |name: &str| status.get(name).map(String::as_str);
    if let Some(of_cluster) = status_of("wsrep_cluster_status")
        && of_cluster != "Primary"
    {
        return Some(format!(
            "it is not in the primary component (wsrep_cluster_status is {of_cluster})"
        ));
    }
    if status_of("wsrep_ready").is_some_and(|ready| ready != "ON") {
        return Some("wsrep_ready is OFF".to_owned());
    }
    match status_of("wsrep_local_state_comment") {
        // A donor serves, unless it says that it is not ready.
        None | Some("Synced" | "Donor/Desynced") => None,
        Some(state) => Some(format!("its state is {state} (wsrep_local_state_comment)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn says(variables: &[(&str, &str)], status: &[(&str, &str)]) -> String {
        read(&values(variables), &values(status)).to_string()
    }

    const SYNCED: [(&str, &str); 3] = [
        ("wsrep_ready", "ON"),
        ("wsrep_cluster_status", "Primary"),
        ("wsrep_local_state_comment", "Synced"),
    ];

    #[test]
    fn a_server_that_is_read_only_in_any_way_is_a_reader() {
        assert_eq!(says(&[("read_only", "OFF")], &[]), "writer");
        assert_eq!(says(&[("read_only", "0")], &[]), "writer");
        for name in ["read_only", "super_read_only", "innodb_read_only"] {
            assert_eq!(says(&[(name, "ON")], &[]), "reader");
        }
        assert_eq!(says(&[("read_only", "NO_LOCK_NO_ADMIN")], &[]), "reader");
    }

    #[test]
    fn a_node_of_galera_is_ready_if_it_is_synced_or_a_donor_in_the_primary_component() {
        assert_eq!(says(&[], &SYNCED), "writer");
        let but = |name: &str, value: &'static str| {
            let mut status = SYNCED;
            let entry = status.iter_mut().find(|(other, _)| *other == name).expect("a name of it");
            entry.1 = value;
            says(&[], &status)
        };
        assert_eq!(but("wsrep_local_state_comment", "Donor/Desynced"), "writer");
        for (name, value) in [
            ("wsrep_ready", "OFF"),
            ("wsrep_cluster_status", "non-Primary"),
            ("wsrep_local_state_comment", "Joiner"),
        ] {
            assert!(but(name, value).starts_with("not ready"), "{name}");
        }
    }
}
