use super::*;

fn config(entries: &[(&str, &str)]) -> Result<PoolConfig, ConfigError> {
    let mut config = PoolConfig::default();
    entries.iter().try_for_each(|(key, value)| config.set(key, value))?;
    Ok(config)
}

fn problem(entries: &[(&str, &str)]) -> String {
    config(entries).unwrap_err().to_string()
}

#[test]
fn what_a_pool_says_of_its_settings_can_be_read_again() {
    for kind in PoolKind::ALL {
        let builder = kind.builder::<NoServer>().name("orders");
        let settings = builder.settings();
        let mut config = PoolConfig::new(*kind);
        for (name, value) in &settings {
            config.set(name, value).unwrap();
        }
        let again = config.builder::<NoServer>().unwrap().settings();
        assert_eq!(again, settings, "{kind}");
    }
}

/// A value of each setting that is not its default.
const OTHERS: [(&str, &str); 26] = [
    ("name", "orders"),
    ("max_size", "7"),
    ("size", "7"),
    ("max_threads", "7"),
    ("max_overflow", "2"),
    ("min_idle", "3"),
    ("max_idle", "5"),
    ("max_sharing", "4"),
    ("get_timeout", "2s"),
    ("max_waiters", "99"),
    ("fair_after", "3ms"),
    ("connect_concurrency", "2"),
    ("connect_backoff", "20ms..9s"),
    ("connect_patience", "4s"),
    ("max_lifetime", "77s"),
    ("lifetime_jitter", "0.5"),
    ("idle_timeout", "none"),
    ("keepalive", "55s"),
    ("max_uses", "1000"),
    ("validation", "on_return"),
    ("validation_timeout", "900ms"),
    ("reset", "always"),
    ("leak_threshold", "61s"),
    ("trace_holders", "true"),
    ("nested_get", "warn"),
    ("slow_get", "44ms"),
];

#[test]
fn each_setting_of_a_kind_reaches_its_builder_and_the_others_are_refused() {
    for kind in PoolKind::ALL {
        let own: Vec<_> =
            kind.builder::<NoServer>().settings().iter().map(|(name, _)| *name).collect();
        for (key, value) in OTHERS {
            let mut config = PoolConfig::new(*kind);
            match config.set(key, value) {
                Ok(()) => {
                    let settings = config.builder::<NoServer>().unwrap().settings();
                    let is_there = settings.iter().any(|(_, set)| set == value);
                    assert!(is_there, "{kind}: {key} = {value} in {settings:?}");
                }
                Err(error) => {
                    assert!(!own.contains(&key), "{kind}: {error}");
                    let text = error.to_string();
                    assert!(text.contains(&format!("no setting of a {kind} pool")), "{text}");
                }
            }
        }
        for name in own {
            assert!(OTHERS.iter().any(|(key, _)| *key == name), "{kind}: no value for {name}");
        }
    }
}

#[test]
fn errors_name_the_key_the_value_and_what_it_must_be() {
    for (key, value, says) in [
        ("max_sise", "8", "did you mean `max_size`?"),
        ("maxSize", "8", "did you mean `max_size`?"),
        ("idle-timeout", "8s", "did you mean `idle_timeout`?"),
        ("colour", "red", "is no setting of a pool"),
        ("max_size", "-1", "must be a whole number, such as `8`"),
        ("max_size", "1e3", "must be a whole number, such as `8`"),
        ("max_size", "", "must be a whole number, such as `8`"),
        ("max_size", "99999999999999999999", "must be a whole number"),
        ("get_timeout", "30", "must be a time with its unit, such as `30s`"),
        ("get_timeout", "soon", "must be a time with its unit, such as `30s`, or `none`"),
        ("fair_after", "none", "must be a time with its unit"),
        ("lifetime_jitter", "25%", "must be a number from 0 to 1"),
        ("validation", "sometimes", "`never`, `on_checkout`, `on_return`"),
        ("reset", "Always ", "`always`, `when_changed`"),
        ("nested_get", "panic", "`off`, `warn` or `error`"),
        ("trace_holders", "yes", "`true` or `false`"),
        ("connect_backoff", "1s", "such as `10ms..5s`"),
        ("kind", "shred", "must be one of shared"),
    ] {
        let text = problem(&[(key, value)]);
        assert!(text.starts_with(&format!("`{key}` is ")), "{text}");
        assert!(text.contains(says), "{text:?} does not say {says:?}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_changes_nothing() {
    let mut config = config(&[("max_size", "8")]).unwrap();
    let before = config.clone();
    assert!(config.set("max_size", "many").is_err());
    let vars = [("A_KIND", "queue"), ("A_MAX_IDLE", "3")].map(|(n, v)| (n.into(), v.into()));
    assert!(config.set_from_vars("A", vars.into_iter()).is_err(), "a queue has no max_idle");
    assert!(config.take_from_url("x?pool.max_size=9&pool.reset=no").is_err());
    assert_eq!(config, before);
}

#[test]
fn a_later_entry_replaces_an_earlier_one_also_under_its_other_name() {
    let config = config(&[("kind", "queue"), ("max_size", "8"), ("size", "3")]).unwrap();
    assert!(config.to_string().contains(" size = 3,"), "{config}");
    assert_eq!(config.entries.len(), 1);
}

#[test]
fn the_kind_may_come_last_but_must_have_the_settings() {
    let mut config = config(&[("max_size", "8"), ("get_timeout", "1s")]).unwrap();
    config.set("kind", "persistent").unwrap();
    assert!(config.to_string().contains("max_threads = 8"), "{config}");
    config.set("max_overflow", "1").unwrap();
    let error = config.set("kind", "shared").unwrap_err().to_string();
    assert_eq!(error, "`max_overflow` is no setting of a shared pool");
}

#[test]
fn variables_are_read_by_their_prefix_and_errors_name_them() {
    let vars = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let mut config = PoolConfig::default();
    let list = vars(&[
        ("SHOP_POOL_MAX_SIZE", "5"),
        ("SHOP_POOL_KIND", "queue"),
        ("SHOP_POOLS", "x"),
        ("OTHER_MAX_SIZE", "x"),
    ]);
    assert!(config.set_from_vars("SHOP_POOL", list.into_iter()).unwrap());
    assert!(config.to_string().starts_with("kind = queue, size = 5,"), "{config}");
    let list = vars(&[("SHOP_POOL_GET_TIMEOUT", "5")]);
    let error = config.set_from_vars("SHOP_POOL", list.into_iter()).unwrap_err();
    assert_eq!(error.key(), "get_timeout");
    let text = error.to_string();
    assert!(text.starts_with("the environment variable `SHOP_POOL_GET_TIMEOUT` is"), "{text}");
}

#[test]
fn a_url_keeps_what_is_not_the_pools() {
    let mut config = PoolConfig::default();
    for (url, rest) in [
        ("a", "a"),
        ("a?b=1", "a?b=1"),
        ("a?pool.max_size=3", "a"),
        ("a?b=1&pool.max_size=4&c=%20", "a?b=1&c=%20"),
        ("a?pool.validation=%33%30s#end", "a#end"),
        ("a?pool.name=red+car&pooled=1", "a?pooled=1"),
    ] {
        assert_eq!(config.take_from_url(url).unwrap(), rest, "{url}");
    }
    let text = config.to_string();
    assert!(text.contains("name = red car, max_size = 4,"), "{text}");
    assert!(text.contains("validation = 30s"), "{text}");
    let error = config.take_from_url("a?pool.max_szie=3").unwrap_err().to_string();
    assert!(error.starts_with("the parameter `pool.max_szie` of the URL is"), "{error}");
}

#[test]
fn settings_that_contradict_each_other_are_errors_of_build() {
    let config = config(&[("min_idle", "5"), ("max_size", "2")]).unwrap();
    let Err(BuildError::Setting { name, .. }) = config.build(NoServer) else {
        panic!("a pool with both settings")
    };
    assert_eq!(name, "min_idle");
}

#[cfg(feature = "serde")]
mod serialized {
    use super::*;

    fn read(toml: &str) -> Result<PoolConfig, String> {
        toml::from_str(toml).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_becomes_a_config_and_back() {
        let text = "kind = \"persistent\"\nmax_threads = 8\nidle_timeout = \"5m\"\n";
        let config = read(text).unwrap();
        assert!(config.to_string().contains("max_threads = 8"), "{config}");
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<PoolConfig>(&json).unwrap(), config);
        let json = r#"{"kind": "shared", "max_lifetime": null, "lifetime_jitter": 0.5}"#;
        let config: PoolConfig = serde_json::from_str(json).unwrap();
        assert!(config.to_string().contains("max_lifetime = none, lifetime_jitter = 0.5"));
    }

    #[test]
    fn errors_name_the_key() {
        for (toml, says) in [
            ("max_sise = 8", "`max_sise` is no setting of a pool; did you mean `max_size`?"),
            (
                "get_timeout = 30",
                "`get_timeout` is \"30\"; must be a time with its unit, such as `30s`",
            ),
            ("kind = \"queue\"\nmax_idle = 3", "`max_idle` is no setting of a queue pool"),
            ("size = 3\nkind = \"queue\"\nmax_size = 4", "is set twice, or under two names"),
            ("max_size = [8]", "a text, a number, `true` or `false`"),
        ] {
            let error = read(toml).unwrap_err();
            assert!(error.contains(says), "{error:?} does not say {says:?}");
        }
    }
}
