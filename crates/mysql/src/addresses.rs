//! Tries each address of a host name. The driver alone tries only the first.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use mysql::{DriverError, Error, Opts, OptsBuilder, Result};

/// The shortest limit. To the system, zero means no limit.
const SHORTEST: Duration = Duration::from_millis(1);

/// A host and its port as one text. A bare IPv6 address gets brackets.
pub(crate) fn with_port(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// The addresses of the host, each once, in the system's order.
pub(crate) fn resolve(opts: &Opts) -> io::Result<Vec<SocketAddr>> {
    let host = opts.get_ip_or_hostname();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    let mut addresses: Vec<SocketAddr> = (bare, opts.get_tcp_port()).to_socket_addrs()?.collect();
    let mut seen = Vec::new();
    addresses.retain(|address| {
        let is_new = !seen.contains(address);
        seen.push(*address);
        is_new
    });
    if addresses.is_empty() {
        return Err(io::Error::new(ErrorKind::NotFound, "the host name has no address"));
    }
    Ok(addresses)
}

/// The system's error if the name service cannot open a file or a socket.
#[cfg(unix)]
pub(crate) fn no_descriptors() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}

#[cfg(not(unix))]
pub(crate) fn no_descriptors() -> io::Error {
    ErrorKind::OutOfMemory.into()
}

/// Connects to the addresses one after the other, until one accepts. `limit` holds for all
/// together: each address gets an equal part of the time that is left.
pub(crate) fn try_each<T>(
    opts: &Opts,
    addresses: &[SocketAddr],
    limit: Option<Duration>,
    connect: impl Fn(Opts) -> Result<T>,
) -> Result<T> {
    let ways = ways(opts, addresses);
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut failures: Vec<(String, Error)> = Vec::new();
    for (tried, (name, way)) in ways.iter().enumerate() {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let share = left.map(|left| (left / (ways.len() - tried) as u32).max(SHORTEST));
        let opts = OptsBuilder::from_opts(way.clone()).tcp_connect_timeout(share);
        match connect(opts.into()) {
            Err(error) if is_of_the_address(&error) => failures.push((name.clone(), error)),
            outcome => return outcome,
        }
    }
    Err(summary(opts, failures, limit))
}

/// The options that reach each address, and its name for messages.
fn ways(opts: &Opts, addresses: &[SocketAddr]) -> Vec<(String, Opts)> {
    let by_name = || (String::new(), opts.clone());
    if addresses.len() < 2 {
        return vec![by_name()];
    }
    if opts.bind_address().is_some() {
        return vec![by_name()]; // the driver tries each address then
    }
    if opts.get_ssl_opts().is_some() {
        // The certificate is for the host name, so the driver must know that name. If the driver is
        // told to bind the socket first, it tries each address of the name. So it binds to any
        // address, once for each family.
        let bound = |ip: IpAddr| {
            let opts = OptsBuilder::from_opts(opts.clone());
            Opts::from(opts.bind_address(Some(SocketAddr::new(ip, 0))))
        };
        let families =
            [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)].into_iter();
        let others = families
            .filter(|ip| addresses.iter().any(|address| address.is_ipv4() == ip.is_ipv4()))
            .map(|ip| (if ip.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(), bound(ip)));
        return std::iter::once(("first address".to_owned(), opts.clone())).chain(others).collect();
    }
    addresses
        .iter()
        .map(|address| {
            let host = match address {
                SocketAddr::V4(address) => address.ip().to_string(),
                SocketAddr::V6(address) => format!("[{}]", address.ip()),
            };
            let opts = OptsBuilder::from_opts(opts.clone()).ip_or_hostname(Some(host));
            (address.to_string(), opts.into())
        })
        .collect()
}

/// Whether another address may work, because this server has not answered yet.
fn is_of_the_address(error: &Error) -> bool {
    matches!(
        error,
        Error::DriverError(DriverError::CouldNotConnect(Some(_)) | DriverError::ConnectTimeout)
    )
}

/// One error for all addresses. It names the host once, and each address with its cause.
fn summary(opts: &Opts, mut failures: Vec<(String, Error)>, limit: Option<Duration>) -> Error {
    if failures.len() < 2 {
        let one = failures.pop().map(|(_, error)| error);
        return one.unwrap_or(Error::DriverError(DriverError::CouldNotConnect(None)));
    }
    let mut kind = ErrorKind::TimedOut;
    let causes: Vec<_> = failures
        .into_iter()
        .map(|(name, error)| match error {
            Error::DriverError(DriverError::CouldNotConnect(Some((_, cause, its_kind)))) => {
                kind = its_kind;
                format!("{name}: {cause}")
            }
            _ => {
                let limit = limit.unwrap_or_default();
                format!("{name}: no answer in its share of the connect timeout of {limit:?}")
            }
        })
        .collect();
    let address = with_port(&opts.get_ip_or_hostname(), opts.get_tcp_port());
    let details = (address, causes.join("; "), kind);
    Error::DriverError(DriverError::CouldNotConnect(Some(details)))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::RefCell;

    fn refused() -> Error {
        let details = ("x".to_owned(), "refused".to_owned(), ErrorKind::ConnectionRefused);
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    }

    fn addresses() -> Vec<SocketAddr> {
        vec!["[::1]:3306".parse().unwrap(), "127.0.0.1:3306".parse().unwrap()]
    }

    fn opts() -> Opts {
        OptsBuilder::new().ip_or_hostname(Some("db.example")).into()
    }

    #[test]
    fn the_next_address_is_tried_if_one_refuses() {
        let tried = RefCell::new(Vec::new());
        let outcome = try_each(&opts(), &addresses(), None, |opts| {
            tried.borrow_mut().push(opts.get_ip_or_hostname().into_owned());
            if tried.borrow().len() < 2 { Err(refused()) } else { Ok(42) }
        });
        assert_eq!(outcome.unwrap(), 42);
        assert_eq!(tried.into_inner(), ["[::1]", "127.0.0.1"]);
    }

    #[test]
    fn no_other_address_is_tried_once_a_server_has_answered() {
        let tried = RefCell::new(0);
        let outcome: Result<()> = try_each(&opts(), &addresses(), None, |_| {
            *tried.borrow_mut() += 1;
            Err(Error::DriverError(DriverError::SetupError))
        });
        assert!(outcome.is_err());
        assert_eq!(tried.into_inner(), 1);
    }

    #[test]
    fn all_addresses_share_one_limit() {
        let limit = Duration::from_secs(8);
        let shares = RefCell::new(Vec::new());
        let outcome: Result<()> = try_each(&opts(), &addresses(), Some(limit), |opts| {
            shares.borrow_mut().push(opts.get_tcp_connect_timeout().unwrap());
            Err(refused())
        });
        let shares = shares.into_inner();
        assert!(shares[0] <= limit / 2 && shares[1] <= limit, "{shares:?}");
        let text = outcome.unwrap_err().to_string();
        assert_eq!(text.matches("db.example").count(), 1, "{text}");
        for part in ["[::1]:3306: refused", "127.0.0.1:3306: refused"] {
            assert_eq!(text.matches(part).count(), 1, "{text}");
        }
    }

    #[test]
    fn with_encryption_the_host_name_stays_and_each_family_is_tried() {
        let opts = OptsBuilder::from_opts(opts()).ssl_opts(Some(mysql::SslOpts::default()));
        let opts = Opts::from(opts);
        let ways = ways(&opts, &addresses());
        assert_eq!(ways.len(), 3);
        assert!(ways.iter().all(|(_, opts)| opts.get_ip_or_hostname() == "db.example"));
        let bound: Vec<_> = ways.iter().map(|(_, opts)| opts.bind_address().copied()).collect();
        assert_eq!(bound[0], None);
        assert!(bound[1].unwrap().is_ipv4() && bound[2].unwrap().is_ipv6());
    }
}
