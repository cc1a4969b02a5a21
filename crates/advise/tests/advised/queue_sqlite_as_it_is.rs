// Cargo.toml: threadwise = { path = "../threadwise", features = ["sqlite"] }
// The path leads to your copy of threadwise.
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use threadwise::queue::QueuePool;
use threadwise::sqlite::SqliteManager;

pub fn pool(path: &Path) -> Result<QueuePool<SqliteManager>, Box<dyn Error>> {
    let manager = SqliteManager::file(path).wal(false);
    let pool = QueuePool::builder()
        .size(3)
        .get_timeout(Duration::from_secs(2))
        .build(manager)?;
    Ok(pool)
}
