//! Where a URL leads, for messages.

/// The host, port and database of a URL, or its path. Without user, password and parameters.
pub(crate) fn of(url: &str) -> &str {
    let place = match url.split_once("://") {
        // The last mark: a password may have others.
        Some((_, rest)) => rest.rsplit_once('@').map_or(rest, |(_, place)| place),
        None => url,
    };
    let place = place.split(['?', '#']).next().unwrap_or_default();
    // `host=… password=…`, as libpq takes it.
    if place.contains('=') { "the server of its settings" } else { place }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_url_is_printed_without_user_password_and_parameters() {
        assert_eq!(of("postgres://me:p@ss@db1:5432/shop?sslmode=require"), "db1:5432/shop");
        assert_eq!(of("mysql://db1/shop"), "db1/shop");
        assert_eq!(of("shop.db"), "shop.db");
        assert_eq!(of("file:shop.db?key=secret"), "file:shop.db");
        assert_eq!(of("host=db1 password=secret"), "the server of its settings");
    }

    #[test]
    fn a_password_with_a_mark_in_it_is_not_printed() {
        for password in ["se?cret", "se#cret", "se@cret", "se/cret"] {
            assert_eq!(of(&format!("postgres://me:{password}@db1/shop")), "db1/shop");
        }
    }
}
