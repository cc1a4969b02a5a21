//! Statements as frameworks and people write them.

/// The tables of the statements, and views and triggers that they must not touch.
pub(crate) const SCHEMA: &[&str] = &[
    "CREATE DATABASE app CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "CREATE DATABASE blog",
    "CREATE TABLE app.auth_user (id INT AUTO_INCREMENT PRIMARY KEY, password VARCHAR(128), \
     last_login DATETIME(6), is_superuser BOOL, username VARCHAR(150) UNIQUE, email VARCHAR(254), \
     is_active BOOL, date_joined DATETIME(6))",
    "CREATE TABLE app.posts (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(200), body TEXT, \
     author_id INT, created_at DATETIME, updated_at DATETIME, start DATE, `end` DATE, views INT, \
     score DECIMAL(10, 2), slug VARCHAR(100) UNIQUE, meta JSON, status VARCHAR(20), blog INT, \
     KEY by_author (author_id), FULLTEXT KEY words (title, body)) ENGINE=InnoDB",
    "CREATE TABLE app.comments (id INT AUTO_INCREMENT PRIMARY KEY, post_id INT, body TEXT, \
     parent_id INT, created_at DATETIME)",
    "CREATE TABLE app.sessions (session_key VARCHAR(40) PRIMARY KEY, session_data TEXT, \
     expire_date DATETIME)",
    "CREATE TABLE app.jobs (id BIGINT AUTO_INCREMENT PRIMARY KEY, queue VARCHAR(50), payload TEXT, \
     attempts INT, reserved_at INT, available_at INT, created_at INT)",
    "CREATE TABLE app.settings (name VARCHAR(50) PRIMARY KEY, value VARCHAR(50))",
    "CREATE TABLE app.places (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), at POINT)",
    "CREATE TABLE app.prices (id INT PRIMARY KEY, price INT) WITH SYSTEM VERSIONING",
    "CREATE TABLE app.schema_migrations (version VARCHAR(50) PRIMARY KEY)",
    "INSERT INTO app.posts (id, title, author_id, start, views, slug, meta) \
     VALUES (1, 'one', 1, NOW(), 1, 'one', '{\"a\": 1}')",
    "CREATE VIEW app.latest AS SELECT * FROM app.posts",
    "CREATE TABLE app.audited (id INT)",
    "CREATE TRIGGER app.audits BEFORE INSERT ON app.audited FOR EACH ROW SET @a = 1",
];

/// Who writes such statements, and what one borrower runs.
pub(crate) const STATEMENTS: &[(&str, &[&str])] = &[
    (
        "Django",
        &[
            "SELECT `auth_user`.`id`, `auth_user`.`password`, `auth_user`.`username` FROM `auth_user` WHERE `auth_user`.`id` = 1 LIMIT 21",
        ],
    ),
    ("Django", &["SELECT COUNT(*) AS `__count` FROM `posts` WHERE `posts`.`status` = 'draft'"]),
    ("Django", &["SELECT 1 AS `a` FROM `posts` WHERE `posts`.`slug` = 'it''s' LIMIT 1"]),
    (
        "Django",
        &[
            "INSERT INTO `auth_user` (`password`, `last_login`, `username`) VALUES ('pbkdf2_sha256$870000$x$y=', NULL, 'ada')",
        ],
    ),
    (
        "Django",
        &[
            "UPDATE `auth_user` SET `last_login` = '2026-11-30 09:00:00.000000' WHERE `auth_user`.`id` = 1",
        ],
    ),
    ("Django", &["DELETE FROM `sessions` WHERE `sessions`.`session_key` IN ('a', 'b')"]),
    ("Django", &["SELECT (1) AS `a` FROM `sessions` WHERE `sessions`.`session_key` = 'x' LIMIT 1"]),
    (
        "Django",
        &[
            "SELECT `posts`.`id`, T3.`username` FROM `posts` INNER JOIN `auth_user` T3 ON (`posts`.`author_id` = T3.`id`) ORDER BY `posts`.`created_at` DESC",
        ],
    ),
    (
        "Django",
        &[
            "START TRANSACTION",
            "SAVEPOINT `s140_x1`",
            "UPDATE `posts` SET `views` = (`posts`.`views` + 1) WHERE `posts`.`id` = 1",
            "RELEASE SAVEPOINT `s140_x1`",
            "COMMIT",
        ],
    ),
    (
        "Django",
        &["START TRANSACTION", "SAVEPOINT `s140_x2`", "ROLLBACK TO SAVEPOINT `s140_x2`", "COMMIT"],
    ),
    (
        "Django",
        &[
            "SELECT CAST(DATE_FORMAT(CONVERT_TZ(`posts`.`created_at`, 'UTC', 'Europe/Berlin'), '%Y-%m-01 00:00:00') AS DATETIME) AS `month`, COUNT(`posts`.`id`) AS `c` FROM `posts` GROUP BY `month` ORDER BY NULL",
        ],
    ),
    (
        "Django",
        &[
            "SELECT `posts`.`id` FROM `posts` WHERE JSON_EXTRACT(`posts`.`meta`, '$.\"a\"') = JSON_EXTRACT('1', '$')",
        ],
    ),
    (
        "Django",
        &[
            "SELECT `posts`.`id`, ROW_NUMBER() OVER (PARTITION BY `posts`.`author_id` ORDER BY `posts`.`views` DESC) AS `n` FROM `posts`",
        ],
    ),
    (
        "Django",
        &[
            "(SELECT `posts`.`id` AS `col1` FROM `posts`) UNION (SELECT `comments`.`id` AS `col1` FROM `comments`) LIMIT 5",
        ],
    ),
    (
        "Django",
        &[
            "SELECT `posts`.`id` FROM `posts` WHERE EXISTS(SELECT 1 AS `a` FROM `comments` U0 WHERE U0.`post_id` = (`posts`.`id`) LIMIT 1) FOR UPDATE",
        ],
    ),
    ("Django", &["INSERT IGNORE INTO `settings` (`name`, `value`) VALUES ('a', 'b')"]),
    ("Django", &["SELECT @@SQL_AUTO_IS_NULL"]),
    (
        "Django",
        &[
            "SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL",
        ],
    ),
    (
        "Django",
        &[
            "SELECT `posts`.`id` FROM `posts` WHERE `posts`.`start` <= '2026-11-30' AND `posts`.`end` IS NULL",
        ],
    ),
    (
        "Django",
        &[
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE()",
        ],
    ),
    ("Rails", &["SELECT `posts`.* FROM `posts` WHERE `posts`.`id` = 1 LIMIT 1"]),
    (
        "Rails",
        &[
            "SELECT 1 AS one FROM `posts` WHERE `posts`.`title` = 'x' LIMIT 1 /*application:Shop,controller:posts*/",
        ],
    ),
    (
        "Rails",
        &[
            "BEGIN",
            "INSERT INTO `posts` (`title`, `created_at`, `updated_at`) VALUES ('Don\\'t', '2026-11-30 09:00:00', '2026-11-30 09:00:00')",
            "COMMIT",
        ],
    ),
    (
        "Rails",
        &["BEGIN", "SAVEPOINT active_record_1", "RELEASE SAVEPOINT active_record_1", "COMMIT"],
    ),
    (
        "Rails",
        &[
            "BEGIN",
            "SAVEPOINT active_record_1",
            "ROLLBACK TO SAVEPOINT active_record_1",
            "ROLLBACK",
        ],
    ),
    (
        "Rails",
        &[
            "UPDATE `posts` SET `posts`.`views` = COALESCE(`posts`.`views`, 0) + 1 WHERE `posts`.`id` = 1",
        ],
    ),
    (
        "Rails",
        &[
            "INSERT INTO `settings` (`name`,`value`) VALUES ('b', 'c') ON DUPLICATE KEY UPDATE `value`=VALUES(`value`)",
        ],
    ),
    (
        "Rails",
        &[
            "SELECT COUNT(DISTINCT `posts`.`id`) FROM `posts` LEFT OUTER JOIN `comments` ON `comments`.`post_id` = `posts`.`id`",
        ],
    ),
    (
        "Rails",
        &[
            "SELECT `posts`.`id` AS t0_r0, `comments`.`id` AS t1_r0 FROM `posts` LEFT OUTER JOIN `comments` ON `comments`.`post_id` = `posts`.`id` WHERE (start < '2026-11-30')",
        ],
    ),
    (
        "Rails",
        &[
            "SELECT `schema_migrations`.`version` FROM `schema_migrations` ORDER BY `schema_migrations`.`version` ASC",
        ],
    ),
    ("Rails", &["SHOW FULL FIELDS FROM `posts`"]),
    ("Rails", &["SHOW KEYS FROM `posts`"]),
    ("Rails", &["DELETE FROM `comments` WHERE `comments`.`post_id` = 1"]),
    ("Rails", &["SELECT GET_LOCK('4385910', 0)"]),
    ("diesel", &["SELECT `posts`.`id`, `posts`.`title` FROM `posts` WHERE (`posts`.`id` = 1)"]),
    ("diesel", &["INSERT INTO `comments` (`post_id`, `body`) VALUES (1, 'x'), (2, DEFAULT)"]),
    ("diesel", &["UPDATE `posts` SET `title` = 'y' WHERE (`posts`.`id` = 1)"]),
    ("diesel", &["DELETE FROM `comments` WHERE (`comments`.`id` = 1)"]),
    ("diesel", &["SELECT LAST_INSERT_ID()"]),
    ("diesel", &["REPLACE INTO `settings` (`name`, `value`) VALUES ('a', 'z')"]),
    ("sqlx", &["SELECT id, title FROM posts WHERE id = 1"]),
    ("sqlx", &["INSERT INTO comments (post_id, body, created_at) VALUES (1, 'b', NOW())"]),
    ("sqlx", &["SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'app'"]),
    ("sqlx", &["SELECT version FROM schema_migrations ORDER BY version"]),
    (
        "sqlx",
        &[
            "BEGIN",
            "SELECT id FROM jobs WHERE queue = 'q' ORDER BY id LIMIT 1 FOR UPDATE",
            "ROLLBACK",
        ],
    ),
    ("sqlx", &["SELECT EXISTS(SELECT 1 FROM posts WHERE slug = 'x') AS `found!: bool`"]),
    ("sqlx", &["SELECT DATABASE(), CONNECTION_ID()"]),
    (
        "sqlx",
        &[
            "WITH RECURSIVE tree (id, depth) AS (SELECT id, 0 FROM comments WHERE parent_id IS NULL UNION ALL SELECT c.id, t.depth + 1 FROM comments c JOIN tree t ON c.parent_id = t.id) SELECT id, depth FROM tree",
        ],
    ),
    ("Hibernate", &["select p1_0.id,p1_0.title,p1_0.author_id from posts p1_0 where p1_0.id=1"]),
    ("Hibernate", &["insert into comments (body,post_id) values ('x',1)"]),
    ("Hibernate", &["update posts set title='x',views=2 where id=1"]),
    (
        "Hibernate",
        &[
            "select p1_0.id,c1_0.post_id,c1_0.id,c1_0.body from posts p1_0 left join comments c1_0 on p1_0.id=c1_0.post_id where p1_0.start>='2026-01-01'",
        ],
    ),
    (
        "Hibernate",
        &[
            "SET autocommit=0",
            "insert into comments (body) values ('y')",
            "commit",
            "SET autocommit=1",
        ],
    ),
    (
        "Hibernate",
        &["select count(p1_0.id) from posts p1_0 where lower(p1_0.title) like '%x%' escape '!'"],
    ),
    ("Hibernate", &["select p1_0.id from posts p1_0 order by p1_0.created_at desc limit 0,10"]),
    ("Hibernate", &["delete from comments where id=5"]),
    ("Hibernate", &["select @@session.tx_read_only"]),
    ("Laravel", &["select * from `posts` where `id` = 1 limit 1"]),
    ("Laravel", &["select count(*) as aggregate from `posts` where `status` in ('a', 'b')"]),
    (
        "Laravel",
        &[
            "select `posts`.*, (select count(*) from `comments` where `posts`.`id` = `comments`.`post_id`) as `comments_count` from `posts`",
        ],
    ),
    (
        "Laravel",
        &[
            "insert into `comments` (`body`, `post_id`, `created_at`) values ('x', 1, '2026-11-30 09:00:00')",
        ],
    ),
    (
        "Laravel",
        &[
            "update `posts` set `views` = `views` + 1, `posts`.`updated_at` = '2026-11-30 09:00:00' where `id` = 1",
        ],
    ),
    (
        "Laravel",
        &[
            "START TRANSACTION",
            "select * from `jobs` where `queue` = 'default' and ((`reserved_at` is null and `available_at` <= 1) or (`reserved_at` <= 1)) order by `id` asc limit 1 FOR UPDATE SKIP LOCKED",
            "COMMIT",
        ],
    ),
    (
        "Laravel",
        &[
            "insert into `jobs` (`queue`, `attempts`, `payload`) values ('default', 0, '{\"displayName\":\"App\\\\\\\\Jobs\\\\\\\\X\"}')",
        ],
    ),
    (
        "Laravel",
        &[
            "insert into `settings` (`name`, `value`) values ('k', 'v') on duplicate key update `value` = values(`value`)",
        ],
    ),
    ("Laravel", &["insert ignore into `settings` (`name`) values ('k')"]),
    (
        "Laravel",
        &["select * from `posts` where json_unquote(json_extract(`meta`, '$.\"a\"')) = '1'"],
    ),
    (
        "Laravel",
        &["select * from `posts` where match (`title`, `body`) against ('x' in boolean mode)"],
    ),
    (
        "Laravel",
        &["START TRANSACTION", "SAVEPOINT trans2", "ROLLBACK TO SAVEPOINT trans2", "ROLLBACK"],
    ),
    ("Laravel", &["update `posts` set `meta` = json_set(`meta`, '$.\"a\"', 2) where `id` = 1"]),
    ("by hand", &["-- the latest\nSELECT id FROM posts WHERE start <= CURDATE()"]),
    ("by hand", &["SELECT id FROM posts # of all\nWHERE author_id = 1"]),
    (
        "by hand",
        &[
            "SELECT p.id, RANK() OVER w, SUM(p.views) OVER (ORDER BY p.id ROWS UNBOUNDED PRECEDING) FROM posts p WINDOW w AS (ORDER BY p.views)",
        ],
    ),
    (
        "by hand",
        &[
            "WITH recent AS (SELECT id, author_id FROM posts WHERE created_at > NOW() - INTERVAL 7 DAY) SELECT author_id, COUNT(*) FROM recent GROUP BY author_id HAVING COUNT(*) > 1",
        ],
    ),
    (
        "by hand",
        &["SELECT JSON_VALUE(meta, '$.a'), REGEXP_REPLACE(title, '[0-9]+', '') FROM posts"],
    ),
    ("by hand", &["SELECT id FROM posts USE INDEX (by_author) WHERE author_id = 1"]),
    ("by hand", &["INSERT settings SET name = 'n', value = 'v'"]),
    ("by hand", &["INSERT INTO places (name, at) VALUES ('x', ST_GeomFromText('POINT(1 2)'))"]),
    (
        "by hand",
        &[
            "SELECT name, ST_Distance(at, ST_GeomFromText('POINT(0 0)')) AS d FROM places ORDER BY d LIMIT 5",
        ],
    ),
    ("by hand", &["EXPLAIN SELECT * FROM posts WHERE author_id = 1"]),
    ("by hand", &["SHOW TABLES"]),
    ("by hand", &["SHOW STATUS LIKE 'Threads_connected'"]),
    ("by hand", &["SELECT CURRENT_USER(), CONNECTION_ID(), @@hostname"]),
    ("by hand", &["UPDATE prices SET price = price * 1.1 WHERE id = 1"]),
    ("by hand", &["SELECT price FROM prices FOR SYSTEM_TIME ALL WHERE id = 1"]),
    ("by hand", &["SELECT blog, COUNT(*) FROM posts GROUP BY blog"]),
    (
        "by hand",
        &[
            "SELECT id FROM app.posts AS p WHERE p.title = 'a;b' AND p.body LIKE '%call execute xa begin%'",
        ],
    ),
    (
        "by hand",
        &["DELETE c FROM comments c JOIN posts p ON p.id = c.post_id WHERE p.status = 'gone'"],
    ),
    (
        "by hand",
        &[
            "SELECT GROUP_CONCAT(title ORDER BY id SEPARATOR ', ') FROM posts WHERE id BETWEEN 1 AND 1e3",
        ],
    ),
    ("by hand", &["SELECT SQL_CALC_FOUND_ROWS id FROM posts LIMIT 1", "SELECT FOUND_ROWS()"]),
];
