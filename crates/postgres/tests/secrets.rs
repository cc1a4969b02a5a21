//! No output shows the password.

mod common;

use threadwise_core::{ManageConnection, chain};
use threadwise_postgres::{Credentials, PostgresManager};
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::wait;

const PASSWORD: &str = "gr3p-f0r-m3";

#[test]
fn no_debug_output_and_no_error_shows_the_password() {
    let server = Postgres::shared();
    let create = format!("CREATE ROLE secretive LOGIN PASSWORD '{PASSWORD}'");
    server.run_all("postgres", &[&create]);
    let at = |rest: &str| format!("postgres://secretive:{PASSWORD}@{rest}");
    let manager = |url: &str| PostgresManager::from_url(url).unwrap();
    let here = format!("127.0.0.1:{}", server.port());
    let mut said = Vec::new();

    let good = manager(&at(&format!("{here}/postgres")));
    said.push(format!("{good:?} {good:#?}"));
    let mut conn = good.connect().unwrap();
    said.push(format!("{conn:?} {:?}", conn.cancel_token()));
    let error = conn.batch_execute("nonsense").unwrap_err();
    said.push(format!("{error:?} {}", chain(&error)));
    good.is_valid(&mut conn).unwrap(); // the driver returns an error before it has read the answer's end
    server.kill_session(conn.process_id());
    wait::until("the end to be seen", || good.has_broken(&mut conn));
    let error = conn.batch_execute("SELECT 1").unwrap_err();
    said.push(format!("{error:?} {conn:?}"));
    for rest in ["127.0.0.1:1/x", &format!("{here}/no_such"), "no-such-host.invalid/"] {
        let error = manager(&at(rest)).connect().unwrap_err();
        said.push(format!("{error:?} {}", chain(&error)));
    }
    let wrong = manager(&format!("postgres://secretive:x{PASSWORD}@{here}/postgres"));
    let error = wrong.connect().unwrap_err();
    said.push(format!("{error:?} {}", chain(&error)));
    let asked = manager(&format!("postgres://{here}/postgres"))
        .credentials_from(|| Ok(Credentials::new("secretive", format!("x{PASSWORD}"))));
    let error = asked.connect().unwrap_err();
    said.push(format!("{error:?} {} {asked:?}", chain(&error)));
    for rest in ["", "h:port", "h/?no_such=1", "h/?pool_min=1", "/", "h/?sslmode=no"] {
        let error = PostgresManager::from_url(&at(rest)).unwrap_err();
        said.push(format!("{error} {error:?} {}", error.part()));
    }
    let text = format!("host=h user=x password={PASSWORD} nonsense");
    said.push(PostgresManager::from_url(&text).unwrap_err().to_string());

    assert!(said.iter().all(|text| !text.is_empty()));
    for text in said {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}
