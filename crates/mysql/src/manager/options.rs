//! What the manager changes in the driver's options, and what it refuses.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use mysql::consts::CapabilityFlags;
use mysql::{Opts, OptsBuilder, PoolOpts};

use super::MysqlManager;

const KEEPALIVE_INTERVAL_SECS: u32 = 10;
const KEEPALIVE_PROBES: u32 = 6;

/// Fills in the keepalive settings that are missing.
pub(super) fn with_keepalive(opts: Opts) -> OptsBuilder {
    let time = opts
        .get_tcp_keepalive_time_ms()
        .unwrap_or(MysqlManager::KEEPALIVE.as_millis().try_into().unwrap_or(u32::MAX));
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let opts = {
        let interval = opts.get_tcp_keepalive_probe_interval_secs();
        let probes = opts.get_tcp_keepalive_probe_count();
        OptsBuilder::from_opts(opts)
            .tcp_keepalive_probe_interval_secs(Some(interval.unwrap_or(KEEPALIVE_INTERVAL_SECS)))
            .tcp_keepalive_probe_count(Some(probes.unwrap_or(KEEPALIVE_PROBES)))
    };
    OptsBuilder::from_opts(opts).tcp_keepalive_time_ms(Some(time))
}

/// Adds a connection attribute, unless the options switched attributes off.
pub(super) fn with_attribute(opts: Opts, name: &str, value: &str) -> Opts {
    let Some(attributes) = opts.get_connect_attrs() else { return opts };
    let mut attributes = attributes.clone();
    attributes.insert(name.to_owned(), value.to_owned());
    OptsBuilder::from_opts(opts).connect_attrs(Some(attributes)).into()
}

/// Sets the program's name to that of its file, unless the options set it. (The driver would send the
/// path by which the program was started.)
pub(super) fn with_program_name(opts: Opts) -> Opts {
    let is_set = opts.get_connect_attrs().is_some_and(|all| all.contains_key("program_name"));
    let program = std::env::current_exe().ok();
    match program.as_deref().and_then(Path::file_name) {
        Some(name) if !is_set => with_attribute(opts, "program_name", &name.to_string_lossy()),
        _ => opts,
    }
}

/// The reason why no connection can be made with these options; `None` if one can.
pub(super) fn unusable(opts: &Opts) -> Option<String> {
    let timeouts = [
        ("connect_timeout", opts.get_tcp_connect_timeout()),
        ("read_timeout", opts.get_read_timeout().copied()),
        ("write_timeout", opts.get_write_timeout().copied()),
    ];
    if let Some((name, _)) = timeouts.iter().find(|(_, timeout)| *timeout == Some(Duration::ZERO)) {
        return Some(format!("setting `{name}` must not be zero: use `None` for no timeout"));
    }
    if *opts.get_pool_opts() != PoolOpts::default() {
        return Some(
            "setting `pool_opts` is for the driver's own pool and has no effect here: use the \
             builder of this pool"
                .to_owned(),
        );
    }
    if opts.get_additional_capabilities().contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
        return Some(
            "setting `additional_capabilities` must not contain `CLIENT_DEPRECATE_EOF`: the driver \
             cannot read what a server then sends"
                .to_owned(),
        );
    }
    // The driver would panic.
    if opts.get_ssl_opts().is_some() && opts.get_socket().is_none() && !driver_has_tls() {
        return Some(
            "TLS (the setting `ssl_opts`, or `root_cert_path` in the URL) is not built into the \
             driver: enable one of the features `rustls-tls`, `rustls-tls-ring` or `native-tls` of \
             the crate `mysql`"
                .to_owned(),
        );
    }
    None
}

/// Whether a crate of the program enabled TLS in the driver. The driver knows the parameters for
/// client certificates only then.
fn driver_has_tls() -> bool {
    ["cert_chain_path", "pkcs12_path"].into_iter().any(|parameter| {
        let asked = HashMap::from([(parameter.to_owned(), String::new())]);
        let answer = OptsBuilder::new().from_hash_map(&asked);
        !matches!(answer, Err(mysql::UrlError::FeatureRequired(..)))
    })
}
