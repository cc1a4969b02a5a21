//! What to write instead of a parameter that does not exist.

/// The parameters that the driver reads.
const DRIVER_PARAMETERS: [&str; 20] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
    "read_timeout",
];

/// The settings of the pools' builders, and of other pools.
const POOL_SETTINGS: [&str; 26] = [
    "connect_backoff",
    "connection_limit",
    "get_timeout",
    "idle_timeout",
    "keepalive",
    "leak_threshold",
    "max_connections",
    "max_idle",
    "max_lifetime",
    "max_overflow",
    "max_sharing",
    "max_size",
    "max_threads",
    "max_uses",
    "max_waiters",
    "maxpoolsize",
    "min_idle",
    "minpoolsize",
    "pool_max",
    "pool_min",
    "pool_size",
    "pool_timeout",
    "pooling",
    "reset",
    "size",
    "validation",
];

const TLS: &str = "files of certificates are the business of the TLS connector that \
                   `PostgresManager::tls` takes";

/// Names in the URLs of other drivers, and what to write here.
const ELSEWHERE: [(&str, &str); 22] = [
    ("database", "write `dbname`, or put it behind the host"),
    ("db", "write `dbname`, or put it behind the host"),
    ("username", "write `user`, or put it before the host"),
    ("pass", "write `password`, or put it before the host"),
    ("passwd", "write `password`, or put it before the host"),
    ("socket", "write `host`, with the directory of the socket"),
    ("ssl", "write `sslmode=require`, and give a connector to `PostgresManager::tls`"),
    ("tls", "write `sslmode=require`, and give a connector to `PostgresManager::tls`"),
    ("sslrootcert", TLS),
    ("sslcert", TLS),
    ("sslkey", TLS),
    ("sslpassword", TLS),
    ("sslcrl", TLS),
    ("keepalives_count", "write `keepalives_retries`"),
    ("statement_timeout", "write `options=-c statement_timeout=…`"),
    ("search_path", "write `options=-c search_path=…`"),
    ("timezone", "write `options=-c timezone=…`"),
    ("lock_timeout", "write `options=-c lock_timeout=…`"),
    ("socket_timeout", "write `read_timeout`"),
    ("login_timeout", "write `connect_timeout`"),
    ("client_encoding", "the driver always uses UTF-8: remove it"),
    ("passfile", "give the password to `PostgresManager::set_credentials`"),
];

/// What is wrong with a parameter that this crate does not take itself; `None` if the driver knows it.
pub(super) fn advice(name: &str, value: &str) -> Option<String> {
    if DRIVER_PARAMETERS.contains(&name) {
        return about_value(name, value).map(str::to_owned);
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, advice)) = ELSEWHERE.iter().find(|(known, _)| *known == lower) {
        return Some(format!("it does not exist here: {advice}"));
    }
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    if POOL_SETTINGS.iter().any(|known| plain(known) == plain(name)) {
        return Some("it would have no effect: use the builder of the pool".to_owned());
    }
    let near = DRIVER_PARAMETERS
        .iter()
        .chain(&["init"])
        .map(|known| (distance(&lower, known), known))
        .min()
        .filter(|(distance, known)| distance * 3 <= known.len());
    Some(match near {
        Some((_, known)) => format!("it does not exist: did you mean `{known}`?"),
        None => "it does not exist".to_owned(),
    })
}

/// What is wrong with a value that libpq knows and the driver does not.
fn about_value(name: &str, value: &str) -> Option<&'static str> {
    match (name, value) {
        ("sslmode", "verify-ca" | "verify-full") => Some(
            "write `require`, and give a connector that verifies to `PostgresManager::tls`: the \
             connectors do so unless told otherwise",
        ),
        ("sslmode", "allow") => Some("write `prefer`, or `disable`"),
        ("target_session_attrs", "primary") => Some("write `read-write`"),
        ("target_session_attrs", "standby" | "prefer-standby") => Some("write `read-only`"),
        _ => None,
    }
}

/// How many letters must change, appear or go to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_changes() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "adc"), 1);
        assert_eq!(distance("ac", "abc"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
