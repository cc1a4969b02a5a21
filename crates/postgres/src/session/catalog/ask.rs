//! The question about code, and its answer.

use std::collections::HashSet;
use std::time::Duration;

use postgres::Client;
use postgres::SimpleQueryMessage;

use super::Question;
use super::code::is_harmless_code;

/// How long the server may take for the answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// All code of users: names and bodies of functions, views, policies, defaults, checks, indexes and
/// conditions of triggers. What this crate cannot read comes with an empty text: rules, and functions
/// in other languages or with a text elsewhere. The code of extensions, which administrators install,
/// is left out. A user's function with the name of a built-in one comes as an `o`: a call by that
/// name may mean the other. Of the extensions that are known to change no session, there are the
/// names of the functions, which users' code may call. (The server gives its own objects numbers
/// below 16384.)
const CODE: &str = "
WITH extension AS (
    SELECT d.classid, d.objid, e.extname FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
), relation AS (
    SELECT c.oid, c.relkind FROM pg_catalog.pg_class c
    WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'v', 'p', 'f')
      AND NOT EXISTS (SELECT FROM extension
                      WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = c.oid)
)
SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_proc b
                         WHERE b.pronamespace = 'pg_catalog'::regnamespace
                           AND b.proname = p.proname) THEN 'o' ELSE 'f' END, p.proname::text,
       CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN p.prosrc
            WHEN a.aggfnoid IS NOT NULL THEN '1' ELSE '' END
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
WHERE p.oid >= 16384
  AND NOT EXISTS (SELECT FROM extension
                  WHERE classid = 'pg_catalog.pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT 'f', p.proname::text, '1' FROM pg_catalog.pg_proc p
JOIN extension ON classid = 'pg_catalog.pg_proc'::regclass AND objid = p.oid
WHERE extname IN ('btree_gin', 'btree_gist', 'citext', 'cube', 'earthdistance', 'fuzzystrmatch',
    'hstore', 'intarray', 'isn', 'ltree', 'pg_trgm', 'pgcrypto', 'postgis', 'seg', 'unaccent',
    'uuid-ossp', 'vector')
UNION ALL
SELECT 'v', '', pg_catalog.pg_get_viewdef(oid) FROM relation WHERE relkind = 'v'
UNION ALL
SELECT 'r', '', '' FROM pg_catalog.pg_rewrite r
JOIN relation ON relation.oid = r.ev_class WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'd', '', pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
JOIN relation ON relation.oid = d.adrelid
UNION ALL
SELECT 'c', '', pg_catalog.pg_get_expr(conbin, conrelid) FROM pg_catalog.pg_constraint
WHERE conbin IS NOT NULL AND oid >= 16384
UNION ALL
SELECT 'n', '', pg_catalog.pg_get_expr(typdefaultbin, 0) FROM pg_catalog.pg_type
WHERE typdefaultbin IS NOT NULL AND oid >= 16384
UNION ALL
SELECT 'i', '', e.text FROM pg_catalog.pg_index i
JOIN relation ON relation.oid = i.indrelid
CROSS JOIN LATERAL (VALUES (pg_catalog.pg_get_expr(i.indexprs, i.indrelid)),
                           (pg_catalog.pg_get_expr(i.indpred, i.indrelid))) AS e (text)
UNION ALL
SELECT 'p', '', e.text FROM pg_catalog.pg_policy p
CROSS JOIN LATERAL (VALUES (pg_catalog.pg_get_expr(p.polqual, p.polrelid)),
                           (pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))) AS e (text)
UNION ALL
SELECT 't', '', pg_catalog.substring(pg_catalog.pg_get_triggerdef(oid), ' WHEN (.*) EXECUTE ')
FROM pg_catalog.pg_trigger WHERE tgqual IS NOT NULL AND NOT tgisinternal
UNION ALL
SELECT 'k', '', pg_catalog.pg_get_expr(partexprs, partrelid) FROM pg_catalog.pg_partitioned_table";

/// Asks about the users' code. Anything but an answer leaves the question unanswered.
pub(crate) fn ask(question: Question, client: &mut Client) -> Result<(), postgres::Error> {
    // In a transaction of its own, so that the limit ends with it. `READ ONLY` costs nothing, and
    // says that this only reads.
    let millis = LIMIT.as_millis();
    let text = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {millis}; \
         SET LOCAL search_path = pg_catalog; {CODE}; COMMIT"
    );
    let answer = client.simple_query(&text)?;
    question.answer(is_harmless(&answer));
    Ok(())
}

fn is_harmless(messages: &[SimpleQueryMessage]) -> bool {
    let rows = || {
        messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) if row.len() == 3 => Some(row),
            _ => None,
        })
    };
    let functions: HashSet<String> = rows()
        .filter(|row| row.get(0) == Some("f"))
        .filter_map(|row| row.get(1).map(str::to_owned))
        .collect();
    rows().all(|row| match row.get(2) {
        None => true,
        Some("") => false,
        Some(text) => is_harmless_code(text, &functions),
    })
}
