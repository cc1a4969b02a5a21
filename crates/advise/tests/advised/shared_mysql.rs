// Cargo.toml: threadwise = { path = "../threadwise", features = ["mysql"] }
// The path leads to your copy of threadwise.
use std::error::Error;
use std::time::Duration;

use threadwise::mysql::MysqlManager;
use threadwise::shared::SharedPool;

pub fn pool(url: &str) -> Result<SharedPool<MysqlManager>, Box<dyn Error>> {
    let manager = MysqlManager::from_url(url)?;
    let pool = SharedPool::builder()
        .max_size(3)
        .get_timeout(Duration::from_secs(2))
        .build(manager)?;
    Ok(pool)
}
