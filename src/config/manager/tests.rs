use super::*;

#[cfg(feature = "sqlite")]
use super::SqliteConfig as Sqlite;

/// Entries, and what their error says.
type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);

fn config<M: Configured>(entries: &[(&str, &str)]) -> ManagerConfig<M> {
    let mut config = ManagerConfig::new();
    for (key, value) in entries {
        config.set(key, value).unwrap_or_else(|error| panic!("{error}"));
    }
    config
}

/// What is wrong when these are set, or else when the manager is built.
fn problem<M: Configured>(entries: &[(&str, &str)]) -> String {
    let mut config = ManagerConfig::<M>::new();
    let set = entries.iter().try_for_each(|(key, value)| config.set(key, value));
    match set.and_then(|()| config.build().map(drop)) {
        Ok(()) => panic!("no error: {config:?}"),
        Err(error) => error.to_string(),
    }
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use super::*;
    use crate::mysql::MysqlManager;

    #[test]
    fn each_key_reaches_the_manager() {
        let config: MysqlConfig = config(&[
            ("host", "db.example"),
            ("port", "3307"),
            ("user", "app"),
            ("password", "sesame"),
            ("database", "shop"),
            ("connect_timeout", "2s"),
            ("read_timeout", "20s"),
            ("write_timeout", "none"),
            ("program_name", "orders"),
            ("prefer_socket", "true"),
            ("init", "SET time_zone = '+00:00'"),
        ]);
        assert_says(
            &config.to_string(),
            &[
                "address = db.example:3307",
                "user = app",
                "password = set",
                "database = shop",
                "connect_timeout = 2s",
                "read_timeout = 20s",
                "write_timeout = none",
                "program_name = orders",
                "prefer_socket = true",
                "init = 1",
            ],
        );
        let socket: MysqlConfig = super::config(&[("socket", "/run/db.sock")]);
        assert_says(&socket.to_string(), &["address = /run/db.sock", "read_timeout = 60s"]);
    }

    #[test]
    fn a_url_has_settings_of_its_own_and_others_replace_its_login() {
        let url =
            "mysql://old:x@db/shop?read_timeout_ms=900&db.write_timeout=3s&db.connect_timeout=4s";
        let config: MysqlConfig = config(&[
            ("url", url),
            ("user", "new"),
            ("password", "sesame"),
            ("database", "other"),
            ("connect_timeout", "5s"),
        ]);
        assert_says(
            &config.to_string(),
            &[
                "user = new",
                "database = other",
                "read_timeout = 900ms",
                "write_timeout = 3s",
                "connect_timeout = 5s",
            ],
        );
    }

    #[test]
    fn errors_name_the_key_and_what_it_must_be() {
        let cases: &[Case<'_>] = &[
            (&[("hosst", "db")], &["`hosst` is no setting of a MySQL manager", "`host`"]),
            (&[("colour", "red")], &["the settings are url, host, port"]),
            (&[("port", "0")], &["`port` is \"0\"", "from 1 to 65535"]),
            (&[("read_timeout", "30")], &["`read_timeout` is \"30\"", "`30s`"]),
            (&[("read_timeout", "0s")], &["must be longer than zero"]),
            (&[("prefer_socket", "yes")], &["`true` or `false`"]),
            (&[("user", " ")], &["`user` is empty"]),
            (&[("url", "mysql://db/?poolmax=9")], &["`url` is wrong", "parameter `poolmax`"]),
            (&[("url", "mysql://db/?db.porrt=9")], &["the parameter `db.porrt` of the URL is no"]),
            (&[("user", "app")], &["`url` is missing", "`host` or `socket`"]),
            (&[("url", "mysql://db/"), ("port", "1")], &["`port` contradicts `url`"]),
            (&[("host", "db"), ("socket", "/s")], &["`host` contradicts `socket`"]),
        ];
        for (entries, says) in cases {
            assert_says(&problem::<MysqlManager>(entries), says);
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let url = "mysql://app:sesame@db.example/shop?db.password=sesame2";
        let secret: MysqlConfig = config(&[("url", url), ("read_timeout", "1s")]);
        let mut shown = format!("{secret} {secret:?}");
        let mut both = secret.clone();
        both.set("host", "db").unwrap();
        shown += &format!("{both} {}", both.build().unwrap_err());
        for wrong in
            ["mysql://app:sesame@/x", "mysql://app:sesame@db/?db.password=sesame&x=1", "sesame"]
        {
            shown += &format!("{:?}", secret.clone().set("url", wrong).unwrap_err());
        }
        #[cfg(feature = "serde")]
        {
            shown += &serde_json::to_string(&secret).unwrap();
            let toml = "user = \"app\"\nurl = \"mysql://app:sesame@/x\"\npassword = \"sesame\"";
            shown += &format!("{}", toml::from_str::<MysqlConfig>(toml).unwrap_err());
        }
        assert!(!shown.contains("sesame"), "{shown}");
    }

    #[test]
    fn an_entry_that_cannot_be_read_changes_nothing() {
        let mut config: MysqlConfig = config(&[("host", "db")]);
        let before = config.clone();
        let vars = [("A_HOST", "other"), ("A_PORT", "x")].map(|(n, v)| (n.into(), v.into()));
        let error = config.set_from_vars("A", vars.into_iter()).unwrap_err();
        assert_says(&error.to_string(), &["the environment variable `A_PORT` is \"x\""]);
        assert!(config == before);
        let vars = [("A_HOST".to_owned(), "other".to_owned())];
        assert!(config.set_from_vars("A", vars.into_iter()).unwrap());
        assert_says(&config.to_string(), &["address = other:3306"]);
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::postgres::PostgresManager;

    #[test]
    fn each_key_reaches_the_manager() {
        let config: PostgresConfig = config(&[
            ("host", "one, two"),
            ("port", "5433"),
            ("user", "app"),
            ("password", "sesame"),
            ("database", "shop"),
            ("connect_timeout", "2s"),
            ("read_timeout", "20s"),
            ("application_name", "orders"),
            ("sslmode", "disable"),
            ("target_session_attrs", "read-write"),
            ("init", "SET search_path = shop"),
        ]);
        let text = config.to_string();
        assert_says(
            &text,
            &[
                "address = one:5433, two:5433",
                "user = app",
                "password = set",
                "database = shop",
                "connect_timeout = 2s",
                "read_timeout = 20s",
                "application_name = orders",
                "sslmode = disable",
                "target_session_attrs = read-write",
                "init = 1",
            ],
        );
        assert!(!format!("{text} {config:?}").contains("sesame"));
    }

    #[test]
    fn a_url_has_settings_of_its_own_and_others_replace_its_login() {
        let url = "postgres://old:x@db/shop?read_timeout=9&db.connect_timeout=4s&sslmode=disable";
        let config: PostgresConfig =
            config(&[("url", url), ("user", "new"), ("database", "other")]);
        assert_says(
            &config.to_string(),
            &[
                "user = new",
                "password = set",
                "database = other",
                "read_timeout = 9s",
                "connect_timeout = 4s",
                "sslmode = disable",
            ],
        );
    }

    #[test]
    fn errors_name_the_key_and_what_it_must_be() {
        let cases: &[Case<'_>] = &[
            (&[("ssl_mode", "require")], &["is no setting of a PostgreSQL manager", "`sslmode`"]),
            (&[("sslmode", "verify-full")], &["`disable`, `prefer` or `require`"]),
            (&[("target_session_attrs", "rw")], &["`any`, `read-write` or `read-only`"]),
            (&[("port", "5432,x")], &["from 1 to 65535"]),
            (&[("host", "a,b"), ("port", "1,2,3")], &["`port` has 3 values for 2 hosts"]),
            (&[("user", "app")], &["`url` is missing", "set `host`"]),
            (&[("url", "postgres://db/"), ("sslmode", "prefer")], &["`sslmode` contradicts `url`"]),
        ];
        for (entries, says) in cases {
            assert_says(&problem::<PostgresManager>(entries), says);
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use threadwise_core::ManageConnection;

    use super::*;
    use crate::sqlite::SqliteManager;

    #[test]
    fn each_key_reaches_the_manager() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let path = format!("{}?db.busy_timeout=700ms", path.display());
        let mut config: Sqlite =
            config(&[("path", &path), ("mode", "read_write"), ("wal", "false")]);
        assert_says(
            &config.to_string(),
            &["shop.db, mode = read_write, busy_timeout = 700ms, wal = false"],
        );
        assert!(config.build().unwrap().connect().is_err(), "`read_write` creates no file");
        config.set("mode", "read_write_create").unwrap();
        config.build().unwrap().connect().unwrap();
        config.set("mode", "read_only").unwrap();
        let conn = config.build().unwrap().connect().unwrap();
        assert!(conn.execute_batch("CREATE TABLE t (a INT)").is_err());
    }

    #[test]
    fn errors_name_the_key_and_what_it_must_be() {
        let cases: &[Case<'_>] = &[
            (&[("path", ":memory:")], &["`path` is \":memory:\"", "set `memory`"]),
            (&[("mode", "ro")], &["`read_write_create`, `read_write` or `read_only`"]),
            (&[("busy_timeout", "none")], &["must be a time with its unit"]),
            (&[("wal", "true")], &["`path` is missing", "`memory` to `true`"]),
            (&[("memory", "true"), ("path", "x")], &["`path` contradicts `memory`"]),
            (&[("pathh", "x")], &["did you mean `path`?"]),
        ];
        for (entries, says) in cases {
            assert_says(&problem::<SqliteManager>(entries), says);
        }
    }
}

#[cfg(all(feature = "serde", feature = "sqlite", feature = "shared"))]
#[test]
fn a_file_has_the_pool_and_its_manager() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        database: Sqlite,
        pool: crate::PoolConfig,
    }

    let file: File = toml::from_str("[database]\nmemory = true\n[pool]\nmax_size = 3").unwrap();
    let pool = file.pool.build(file.database.build().unwrap()).unwrap();
    assert_eq!(threadwise_core::Pool::state(&pool).max_size, Some(3));
    let text = serde_json::to_string(&file.database).unwrap();
    assert_eq!(text, r#"{"memory":"true"}"#);
    let error = toml::from_str::<Sqlite>("memory = true\nmemori = true").err().unwrap();
    assert_says(&error.to_string(), &["`memori` is no setting of a SQLite manager"]);
}
