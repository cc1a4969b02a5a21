//! Tests the connection for both kinds of database.

use threadwise::shared::SharedPool;
use threadwise::{GetError, Pool};
use threadwise_systems::{Connection, Error, PoolChoice, Source, Value};
use threadwise_testkit::mariadb::MariaDb;

fn sources() -> [Source; 2] {
    let server = MariaDb::shared();
    let url = server.url_for(&server.create_database("systems"));
    [Source::temporary().expect("a file"), url.parse().expect("a URL")]
}

#[test]
fn rows_come_back_as_they_went_in() {
    for source in sources() {
        let pool = SharedPool::builder().build(source.manager()).expect("a pool");
        let mut conn = pool.get().expect("a connection");
        conn.create_table("thing", "id {id}, name VARCHAR(40) UNIQUE, weight DOUBLE, note TEXT")
            .expect("a table");
        let insert = "INSERT INTO thing (name, weight, note) VALUES (?, ?, ?)";
        let first = ["Zoë 🦀".into(), 0.5.into(), Value::NULL];
        assert_eq!(conn.execute(insert, &first).expect("a row"), 1);
        assert_eq!(conn.last_id(), 1);
        let again = conn.execute(insert, &first).expect_err("the name is there");
        assert!(again.is_duplicate(), "{again}");

        let rows = conn.query("SELECT id, name, weight, note FROM thing", &[]).expect("rows");
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(row.integer(0).expect("a number"), 1);
        assert_eq!(row.text(1).expect("text"), "Zoë 🦀");
        assert_eq!(row.real(2).expect("a number"), 0.5);
        assert!(row.is_null(3) && row.text(3).is_err() && row.text(9).is_err());
    }
}

#[test]
fn a_transaction_is_committed_or_leaves_nothing() {
    fn add(conn: &mut Connection) -> Result<u64, Error> {
        conn.execute("INSERT INTO number VALUES (?)", &[7.into()])
    }
    for source in sources() {
        let pool = SharedPool::builder().build(source.manager()).expect("a pool");
        let mut conn = pool.get().expect("a connection");
        conn.create_table("number", "n BIGINT").expect("a table");
        let count = |conn: &mut Connection| {
            conn.query("SELECT COUNT(*) FROM number", &[]).expect("rows")[0]
                .integer(0)
                .expect("one")
        };
        let done: Result<(), Error> = conn.transaction(|conn| {
            add(conn)?;
            Err(Error::Unreadable("a change of mind".to_owned()))
        });
        assert!(done.is_err() && count(&mut conn) == 0);
        let done = conn.transaction::<_, Error>(|conn| Ok(add(conn)? + add(conn)?));
        assert_eq!((done.expect("a commit"), count(&mut conn)), (2, 2));
    }
}

#[test]
fn every_kind_of_pool_lends_connections_until_it_is_closed() {
    for source in sources() {
        for kind in PoolChoice::ALL {
            let pool = kind.build(source.manager(), 2).expect("a pool");
            let mut conn = pool.get().expect("a connection");
            let rows = conn.steady(|conn| conn.query("SELECT 1 + ?", &[2.into()])).expect("a row");
            assert_eq!(rows[0].integer(0).expect("a number"), 3, "{kind}");
            drop(conn);
            pool.close();
            assert!(matches!(pool.get().err(), Some(GetError::Closed)), "{kind}");
        }
    }
}

#[test]
fn a_text_that_names_no_database_is_an_error_without_its_password() {
    for text in
        ["", "sqlite:", "postgres://me:secret@there/x", "mysql://me:secret@there:99999999/x"]
    {
        let error = text.parse::<Source>().expect_err(text).to_string();
        assert!(!error.is_empty() && !error.contains("secret"), "{error}");
    }
    let source: Source = "mysql://me:secret@there/x".parse().expect("a URL");
    assert!(!format!("{source} {source:?}").contains("secret"));
}
