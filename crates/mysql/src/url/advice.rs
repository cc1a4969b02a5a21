//! What to write instead of a parameter that does not exist.

use super::Ours;

/// Settings of the driver's own pool, which would have no effect here.
pub(super) const POOL_PARAMETERS: [&str; 4] =
    ["pool_min", "pool_max", "reset_connection", "check_health"];

pub(super) const OF_THE_DRIVERS_POOL: &str =
    "it is a setting of the driver's own pool and has no effect here: use the builder of this pool";

/// The parameters that the driver reads.
const DRIVER_PARAMETERS: [&str; 26] = [
    "user",
    "password",
    "host",
    "port",
    "socket",
    "server_key_path",
    "db_name",
    "prefer_socket",
    "enable_cleartext_plugin",
    "secure_auth",
    "tcp_keepalive_time_ms",
    "tcp_keepalive_probe_interval_secs",
    "tcp_keepalive_probe_count",
    "tcp_user_timeout_ms",
    "compress",
    "tcp_connect_timeout_ms",
    "stmt_cache_size",
    "max_allowed_packet",
    "cipher_suites",
    "pkcs12_path",
    "cert_chain_path",
    "priv_key_path",
    "pkcs12_password",
    "root_cert_path",
    "danger_skip_domain_validation",
    "danger_accept_invalid_certs",
];

/// The settings of the pools' builders.
const BUILDER_SETTINGS: [&str; 18] = [
    "max_size",
    "size",
    "min_idle",
    "max_idle",
    "max_overflow",
    "max_threads",
    "max_waiters",
    "max_sharing",
    "max_uses",
    "max_lifetime",
    "idle_timeout",
    "get_timeout",
    "validation",
    "validation_timeout",
    "keepalive",
    "connect_backoff",
    "reset",
    "leak_threshold",
];

/// Names in the URLs of other drivers, and what to write here.
const ELSEWHERE: [(&str, &str); 26] = [
    ("connect_timeout", "write `tcp_connect_timeout_ms`"),
    ("connect_timeout_ms", "write `tcp_connect_timeout_ms`"),
    ("connection_timeout", "write `tcp_connect_timeout_ms`"),
    ("socket_timeout", "write `read_timeout_ms`"),
    ("read_timeout", "write `read_timeout_ms`"),
    ("write_timeout", "write `write_timeout_ms`"),
    ("unix_socket", "write `socket`"),
    ("username", "write `user`, or put it before the host"),
    ("database", "write `db_name`, or put it behind the host"),
    ("init_command", "write `init`"),
    ("session_variables", "write `init`, with a statement `SET …`"),
    ("autocommit", "write `init`, with the statement `SET autocommit = …`"),
    ("time_zone", "write `init`, with the statement `SET time_zone = …`"),
    ("server_timezone", "write `init`, with the statement `SET time_zone = …`"),
    ("sql_mode", "write `init`, with the statement `SET sql_mode = …`"),
    ("charset", CHARSET),
    ("character_encoding", CHARSET),
    ("collation", CHARSET),
    ("ssl", TLS),
    ("use_ssl", TLS),
    ("require_ssl", TLS),
    ("ssl_mode", TLS),
    ("ssl_ca", "write `root_cert_path`"),
    ("tls", TLS),
    ("connection_limit", "it is the pool's `max_size`: set it with the pool's builder"),
    ("pool_size", "it is the pool's `max_size`: set it with the pool's builder"),
];

const CHARSET: &str = "leave it out: text is always utf8mb4. For another collation write `init`, with a \
                       statement `SET NAMES …`";

const TLS: &str = "write `root_cert_path`, with the file of the authority's certificate, and build the \
                   driver with TLS";

/// What to do about a parameter that does not exist.
pub(super) fn advice(name: &str) -> String {
    let letters = |name: &str| -> String {
        let only = name.chars().filter(char::is_ascii_alphanumeric);
        only.map(|c| c.to_ascii_lowercase()).collect()
    };
    let asked = letters(name);
    if let Some((_, what)) = ELSEWHERE.iter().find(|(other, _)| letters(other) == asked) {
        return (*what).to_owned();
    }
    let all = Ours::NAMES.iter().chain(&DRIVER_PARAMETERS).chain(&POOL_PARAMETERS);
    let all = all.chain(&BUILDER_SETTINGS).map(|known| (distance(&letters(known), &asked), *known));
    let nearest = all.min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((0, known)) if BUILDER_SETTINGS.contains(&known) => of_the_builder(known),
        Some((distance @ 0..=2, known)) if distance * 3 <= asked.len() => {
            let meant = format!("did you mean `{known}`?");
            if POOL_PARAMETERS.contains(&known) {
                format!("{meant} But {OF_THE_DRIVERS_POOL}")
            } else if BUILDER_SETTINGS.contains(&known) {
                format!("{meant} But {}", of_the_builder(known))
            } else {
                meant
            }
        }
        _ => "the driver's documentation lists all parameters under `URL-based connection string`"
            .to_owned(),
    }
}

fn of_the_builder(setting: &str) -> String {
    format!("`{setting}` is a setting of the pool: set it with the pool's builder, `.{setting}(…)`")
}

/// The edit distance: how many letters to add, remove or change to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (left, against) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *against);
            diagonal = row[left + 1];
            row[left + 1] = change.min(diagonal + 1).min(row[left] + 1);
        }
    }
    row[other.len()]
}
