// Cargo.toml: threadwise = { path = "../threadwise", features = ["mysql"] }
// The path leads to your copy of threadwise.
use std::error::Error;
use std::time::Duration;

use threadwise::mysql::MysqlManager;
use threadwise::persistent::PersistentPool;

pub fn pool(url: &str) -> Result<PersistentPool<MysqlManager>, Box<dyn Error>> {
    let manager = MysqlManager::from_url(url)?;
    let pool = PersistentPool::builder()
        .max_threads(3)
        .get_timeout(Duration::from_secs(2))
        .build(manager)?;
    Ok(pool)
}
