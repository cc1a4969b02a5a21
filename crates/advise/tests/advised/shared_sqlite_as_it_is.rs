// Cargo.toml: threadwise = { path = "../threadwise", features = ["sqlite"] }
// The path leads to your copy of threadwise.
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

pub fn pool(path: &Path) -> Result<SharedPool<SqliteManager>, Box<dyn Error>> {
    let manager = SqliteManager::file(path).wal(false);
    let pool = SharedPool::builder()
        .max_size(3)
        .get_timeout(Duration::from_secs(2))
        .build(manager)?;
    Ok(pool)
}
