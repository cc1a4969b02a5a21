//! Whether a piece of code can change the session that runs it.

use std::collections::HashSet;

use crate::session::functions::is_harmless;
use crate::session::statement::Calls;
use crate::session::tokens::{Token, Tokens};

/// Words of statements that change a session, run a text that was put together, or define code.
const FORBIDDEN: &[&str] = &[
    "alter",
    "create",
    "deallocate",
    "discard",
    "drop",
    "execute",
    "hold",
    "import",
    "listen",
    "load",
    "pg_temp",
    "prepare",
    "program",
    "reset",
    "temp",
    "temporary",
    "unlisten",
];

/// Grammar of PL/pgSQL that may precede a bracket.
const GRAMMAR: &[&str] = &[
    "assert", "elseif", "elsif", "exit", "foreach", "if", "loop", "perform", "query", "raise",
    "return", "returns", "slice", "strict", "while",
];

/// Defaults of columns take numbers from sequences. No reset undoes that; see the crate's page.
const OF_DEFAULTS: &[&str] = &["nextval"];

/// Whether `text` (the body of a function, a query, an expression) can change a session. `functions`
/// has the names of the users' functions, whose own bodies are judged, too.
pub(super) fn is_harmless_code(text: &str, functions: &HashSet<String>) -> bool {
    let tokens: Result<Vec<_>, _> = Tokens::new(text, false).collect();
    let Ok(tokens) = tokens else { return false };
    let is_forbidden = |word: &str| FORBIDDEN.iter().any(|one| word.eq_ignore_ascii_case(one));
    let has_forbidden = tokens.iter().any(|token| match token {
        Token::Word(word) | Token::Quoted(word) => is_forbidden(word),
        _ => false,
    });
    let is_known = |name: &str| {
        is_harmless(name)
            || functions.contains(name)
            || GRAMMAR.contains(&name)
            || OF_DEFAULTS.contains(&name)
    };
    !has_forbidden && !sets(&tokens) && !runs_text(&tokens) && Calls(&tokens).all(true, is_known)
}

/// Whether a `SET` does not belong to an `UPDATE`.
fn sets(tokens: &[Token<'_>]) -> bool {
    let mut in_update = false;
    for (at, token) in tokens.iter().enumerate() {
        let follows = |word: &str| at > 0 && tokens[at - 1].is(word);
        if token.is("update") {
            // `FOR UPDATE` and `FOR NO KEY UPDATE` lock rows.
            in_update = !(follows("for") || follows("key"));
        } else if *token == Token::Sign(b';')
            || ["then", "else", "loop", "begin"].iter().any(|word| token.is(word))
        {
            in_update = false;
        } else if token.is("set") {
            if !in_update {
                return true;
            }
            in_update = false;
        }
    }
    false
}

/// Whether a `DO` runs code. The `DO` of `ON CONFLICT DO` does not.
fn runs_text(tokens: &[Token<'_>]) -> bool {
    tokens.windows(2).any(|pair| {
        pair[0].is("do") && !["nothing", "update", "instead", "also"].iter().any(|w| pair[1].is(w))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_harmless_here(text: &str) -> bool {
        is_harmless_code(text, &HashSet::from(["mine".to_owned()]))
    }

    #[test]
    fn ordinary_code_is_harmless() {
        for text in [
            "BEGIN NEW.updated_at := now(); RETURN NEW; END",
            "DECLARE n numeric(10, 2); BEGIN UPDATE t SET a = 1 WHERE b = NEW.b; RETURN NEW; END",
            "BEGIN IF (TG_OP = 'UPDATE') THEN INSERT INTO log (what) VALUES ('SET x'); END IF; \
             RETURN NULL; END",
            "SELECT count(*) FROM t WHERE mine(a) > shop.mine(b)",
            "BEGIN PERFORM mine(1); PERFORM pg_notify('a', 'b'); RETURN; END",
            "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
            "nextval('s'::regclass)",
            "SELECT x INTO y FROM t",
            "DO INSTEAD NOTHING",
        ] {
            assert!(is_harmless_here(text), "{text}");
        }
    }

    #[test]
    fn code_that_may_change_a_session_is_found() {
        for text in [
            "BEGIN SET a.b = 1; END",
            "BEGIN UPDATE t SET a = 1; SET x.y = 2; END",
            "BEGIN FOR r IN SELECT 1 FOR UPDATE LOOP SET x.y = 2; END LOOP; END",
            "BEGIN /* update */ SET x.y = 2; END",
            "SELECT set_config('a.b', '1', false)",
            "BEGIN PERFORM pg_catalog.set_config('a.b', '1', false); END",
            "BEGIN EXECUTE 'SET a.b = 1'; END",
            "BEGIN CREATE TEMP TABLE x (i INT); END",
            "BEGIN LISTEN x; END",
            "SELECT pg_advisory_lock(1)",
            "SELECT theirs()",
            "SELECT setseed(0.1)",
            "BEGIN DO 'BEGIN END'; END",
        ] {
            assert!(!is_harmless_here(text), "{text}");
        }
    }
}
