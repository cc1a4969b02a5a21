//! A schema for MariaDB in which ordinary names have side effects on the session that uses them.

/// The statements that create it, to be run once by root: the databases `d` and `other`. In `d` there
/// are functions, views, triggers and a procedure that set a variable, take a named lock or create a
/// temporary table; and tables (`t`, `u`, `files`) that do none of that.
pub const LEAKY_SCHEMA: &[&str] = &[
    "CREATE DATABASE d",
    "CREATE DATABASE other",
    "CREATE TABLE d.t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB",
    "INSERT INTO d.t VALUES (1, 10)",
    "CREATE TABLE d.u (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE TABLE d.files (line LONGTEXT) ENGINE=MyISAM",
    "CREATE FUNCTION d.sets() RETURNS INT BEGIN SET @a = 1; RETURN 1; END",
    "CREATE FUNCTION d.locks() RETURNS INT BEGIN DO GET_LOCK('mine', 0); RETURN 1; END",
    "CREATE FUNCTION d.creates() RETURNS INT BEGIN CREATE TEMPORARY TABLE x (i INT); RETURN 1; END",
    "CREATE VIEW d.setting AS SELECT id, d.sets() AS v FROM d.t",
    "CREATE VIEW d.setting_id AS SELECT id FROM d.t WHERE d.sets() = 1",
    "CREATE VIEW d.locking AS SELECT id, d.locks() AS v FROM d.t",
    "CREATE VIEW other.setting_elsewhere AS SELECT id, d.sets() AS v FROM d.t",
    "CREATE TABLE d.triggering (id INT AUTO_INCREMENT PRIMARY KEY)",
    "CREATE TRIGGER d.fires BEFORE INSERT ON d.triggering FOR EACH ROW SET @a = 1",
    "CREATE TABLE d.locked_on_delete (id INT)",
    "INSERT INTO d.locked_on_delete \
     VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12)",
    "CREATE TRIGGER d.locks BEFORE DELETE ON d.locked_on_delete FOR EACH ROW DO GET_LOCK('mine', 0)",
    "CREATE PROCEDURE d.calls() BEGIN SET @a = 1; END",
    "CREATE ROLE boss",
    "GRANT boss TO root@127.0.0.1",
];
