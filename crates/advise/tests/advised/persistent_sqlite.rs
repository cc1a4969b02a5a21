// Cargo.toml: threadwise = { path = "../threadwise", features = ["sqlite"] }
// The path leads to your copy of threadwise.
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use threadwise::persistent::PersistentPool;
use threadwise::sqlite::SqliteManager;

pub fn pool(path: &Path) -> Result<PersistentPool<SqliteManager>, Box<dyn Error>> {
    let manager = SqliteManager::file(path);
    let pool = PersistentPool::builder()
        .max_threads(3)
        .get_timeout(Duration::from_secs(2))
        .build(manager)?;
    Ok(pool)
}
