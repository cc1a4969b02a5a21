# What can be done with this checkout. `just` lists it; `just ready` is all that decides whether a
# change is ready. Each recipe is a line or two that can be pasted into a shell.

# List the recipes.
default:
    @just --list --unsorted

# Compare the pools: nanosecond questions first, then all workloads. BACKEND: all, synthetic, sqlite, mysql, postgres; or abroad: with pools of other languages, which it first fetches and builds. ARGS go to the harness.
bench BACKEND="all" *ARGS: _mariadb-if-possible _postgres-if-possible
    {{ if BACKEND =~ "all|synthetic" { "cargo bench -p threadwise --all-features --benches" } else { "" } }}
    {{ if BACKEND =~ "all|synthetic" { "cargo bench -p threadwise-r2d2 --bench beside_r2d2" } else { "" } }}
    {{ if BACKEND == "abroad" { "crates/bench/abroad/setup.sh" } else { "" } }}
    cargo run --release --quiet -p threadwise-bench -- {{ if BACKEND == "abroad" { "abroad" } else { "compare --backend " + BACKEND } }} {{ARGS}}

# All tests, with the private MariaDB, PostgreSQL and Redis. diesel's crate is a workspace of its own.
test: _mariadb-if-possible _postgres-if-possible _redis-if-possible
    cargo test --workspace --all-features
    cargo test --manifest-path crates/diesel/Cargo.toml

# Tests that need no server: core, SQLite's manager, the conformance suite, and of the pools all files that do not start MariaDB.
quick:
    cargo test -p threadwise-core -p threadwise-sqlite -p threadwise-conformance --lib --tests
    for pool in queue persistent shared; do \
        cargo test -p threadwise-$pool --lib $(grep -L 'MariaDb\|Postgres' crates/$pool/tests/*.rs | sed 's|.*/\(.*\)\.rs|--test \1|') -- --skip mariadb --skip postgres || exit 1; \
    done

# All that decides whether a change is ready.
ready: lint test smoke loom settings instructions

# Format, clippy and the docs, warnings as errors.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
    cargo fmt --manifest-path crates/diesel/Cargo.toml --check
    cargo clippy --manifest-path crates/diesel/Cargo.toml --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --manifest-path crates/diesel/Cargo.toml --no-deps

# Each benchmark once, to see that it still runs.
smoke: _mariadb-if-possible _postgres-if-possible
    cargo bench -p threadwise --all-features --benches -- --test
    cargo bench -p threadwise-r2d2 --bench beside_r2d2 -- --test
    cargo run --release --quiet -p threadwise-bench -- compare --quick --out target/threadwise/smoke.json

# Small models in all their interleavings: SharedPool's protocol, PersistentPool's slot, the guide's pool; then, that each of SharedPool's notices its mutations.
loom $RUSTFLAGS="--cfg loom" $CARGO_TARGET_DIR="target/loom":
    {{loom-test}} --lib models::
    cargo test -p threadwise-persistent --lib models::
    cargo test -p build-your-own --test models
    {{loom-test}} --test mutations -- --nocapture

loom-test := "cargo test -p threadwise-shared --config profile.dev.package.'\"*\"'.opt-level=3 --config profile.dev.debug=false"

# That each of SharedPool's settings has a test that notices when it is ignored.
settings:
    cargo test -p threadwise-shared --test ignored_settings -- --ignored --nocapture

# That no file of the benchmark crates imports itself through others; prints a circle.
layers:
    cargo test -p threadwise-testkit --test layers -- --nocapture

# The instructions of get + drop of each pool, against the committed figures (`--record` writes them).
instructions *ARGS:
    cargo run --release --quiet -p threadwise-bench --bin instructions -- {{ARGS}}

# Random operations on many threads, and one thread alone with each of many pools; then, on MariaDB, whose answer is whose, and random statements (a minute each unless told otherwise), and 20 000 tables for two minutes.
stress $THREADWISE_STRESS_SECONDS="60": _mariadb-if-possible
    cargo test --release -p threadwise-shared --test stress -- --nocapture
    cargo test --release -p threadwise --all-features --test alone -- --nocapture
    cargo test --release -p threadwise --all-features --test stress_mysql -- --nocapture
    cargo test --release -p threadwise-mysql --test oracle -- fuzz --nocapture
    cargo test --release -p threadwise-mysql --test names -- --ignored --nocapture

# What a real MySQL does differently from MariaDB: tests that need the address of one, with the right to create databases.
test-mysql URL:
    MYSQLD_REAL_URL={{URL}} cargo test -p threadwise-mysql --test mysql -- --nocapture

# A Galera cluster of three nodes under inserts of 16 threads: nodes are killed, stopped, frozen and restarted. Prints how long no insert was acknowledged, and counts on each node that none is lost or doubled.
cluster:
    @just setup galera
    cargo test --workspace --all-features --test cluster -- --ignored --nocapture --test-threads 1

# Run all examples on SQLite, and see that they print what they should. (`just test` puts them under stress, on MariaDB too.)
examples:
    cargo test -p threadwise --all-features --test examples -- --skip mariadb
    cargo test -p build-your-own --test output
    cargo test -p threadwise-systems --test all_on_sqlite
    cargo test -p threadwise-systems --test http_pool --test crawler
    cargo test -p threadwise-systems --test pooled_tutorial --test thread_lifetimes --test waiting_room -- \
        --skip mariadb --skip server --skip ctrl_c

# Run one example; DB: sqlite, or mysql for a private MariaDB. What follows goes to the example. Without a name: lists them.
[positional-arguments]
example NAME="" DB="sqlite" *ARGS:
    #!/bin/sh
    set -eu
    name=$1 db=$2; shift 2
    tour=$(cd examples && echo [0-9]*.rs | sed 's/\.rs//g')
    # The tour's that take a database say so in their heads: `--db`.
    tour_on_mysql=$(cd examples && grep -l -e --db [0-9]*.rs | sed 's/\.rs$//' | paste -sd ' ' -)
    series=$(cd examples/build_your_own/src && echo b[0-9]_*.rs | sed 's/\.rs//g')
    systems=$(cd examples/systems/src/bin && echo */ | tr -d /)
    is_in() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac; }
    if ! is_in "$name" "$tour $series $systems"; then
        {
            [ -z "$name" ] || echo "there is no example \`$name\`"
            # The names within a third of the given one's length in changes, or that have it in them; the nearest first.
            [ -z "$name" ] || printf '%s\n' $tour $series $systems | awk -v given="$name" '
                function distance(a, b,    i, j, cost, least) {
                    for (i = 0; i <= length(a); i++) d[i, 0] = i
                    for (j = 0; j <= length(b); j++) d[0, j] = j
                    for (i = 1; i <= length(a); i++) for (j = 1; j <= length(b); j++) {
                        cost = substr(a, i, 1) != substr(b, j, 1)
                        least = d[i-1, j-1] + cost
                        if (d[i-1, j] + 1 < least) least = d[i-1, j] + 1
                        if (d[i, j-1] + 1 < least) least = d[i, j-1] + 1
                        d[i, j] = least
                    }
                    return d[length(a), length(b)]
                }
                function plain(text) { text = tolower(text); gsub(/-/, "_", text); sub(/\.rs$/, "", text); return text }
                {
                    short = $0; sub(/^b?[0-9]+_/, "", short); wanted = plain(given)
                    near = distance(wanted, $0)
                    other = distance(wanted, short)
                    if (other < near) near = other
                    if (index($0, wanted)) near = 0
                    if (near * 3 <= length(wanted)) print near, $0
                }' | sort -n | head -3 | sed 's/^[0-9]* /did you mean: /'
            echo "the tour:       " $tour
            echo "the series:     " $series
            echo "the systems:    " $systems
            echo "on MariaDB too, with \`mysql\` behind the name: the systems but http_pool and crawler, and" $tour_on_mysql
        } >&2
        [ -z "$name" ] || exit 2
        exit 0
    fi
    case $db in
        sqlite) ;;
        mysql) # http_pool and crawler speak HTTP; the series takes no database.
            if is_in "$name" "$series http_pool crawler" || { is_in "$name" "$tour" && ! is_in "$name" "$tour_on_mysql"; }; then
                echo "$name runs without a database server; on MariaDB run the systems but http_pool and crawler," \
                    "and of the tour" $tour_on_mysql >&2
                exit 2
            fi ;;
        *) echo "the database is sqlite or mysql, not \`$db\`: just example $name sqlite|mysql [what the example is to get]" >&2
            exit 2 ;;
    esac
    says() { echo "building $1, and then running it; the first build takes some minutes" >&2; }
    if is_in "$name" "$tour"; then
        says "the example $name (debug)"
        set -- -p threadwise --all-features --example "$name" -- "$@"
    elif is_in "$name" "$series"; then
        says "$name of the series build-your-own (release)"
        set -- --release -p build-your-own --bin "$name" -- "$@"
    else
        says "all programs of threadwise-systems (release), since load generators start servers: $name is one of them"
        cargo build --quiet --release -p threadwise-systems --bins
        set -- --release -p threadwise-systems --bin "$name" -- "$@"
    fi
    if [ "$db" = sqlite ]; then exec cargo run --quiet "$@"; fi
    just setup mariadb
    # Built before the server starts.
    built=""; for word in "$@"; do [ "$word" != -- ] || break; built="$built $word"; done
    cargo build --quiet $built
    exec cargo run --quiet -p threadwise-systems --bin with_mariadb -- cargo run --quiet "$@"

# Put the examples' code into the guide's chapters, and into the page on managers.
guide:
    GUIDE=write cargo test -p threadwise --all-features --test guide
    GUIDE=write cargo test -p threadwise-r2d2 --test porting

# In Chromium, on a phone and on a desk, in light and dark: the benchmarks' page, and the chat's with two to ten people; keeps pictures.
look:
    @just setup browser
    cargo test -p threadwise-page --test look -- --ignored --nocapture
    cargo test -p threadwise-systems --test chat_browser -- --ignored --nocapture --test-threads 2

# Install what is needed besides Rust and a C compiler. WHAT: all (the servers of MariaDB, PostgreSQL and Redis, and valgrind), mariadb, galera, postgres, redis, browser.
setup WHAT="all":
    #!/bin/sh
    set -eu
    as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
    apt() {
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq -o DPkg::Lock::Timeout=900 -o Acquire::Retries=3 "$@"
    }
    # Another program may have apt's lock, or the mirror may be away for a moment. Old lists may do, too.
    apt_install() {
        tries=0
        until apt update; do
            tries=$((tries + 1))
            if [ $tries -ge 30 ]; then echo "apt's lists of packages stay as they are" >&2; break; fi
            sleep 10
        done
        apt install -y --no-install-recommends "$@"
    }
    if [ {{WHAT}} = browser ]; then
        for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
            if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then exit 0; fi
        done
        if ! command -v apt-get >/dev/null; then
            echo "install Chromium, or set CHROMIUM to it" >&2
            exit 1
        fi
        apt_install chromium fonts-dejavu-core
        exit 0
    fi
    if [ {{WHAT}} = galera ]; then
        just setup mariadb
        for place in "${GALERA_PROVIDER:-}" /usr/lib/galera/libgalera_smm.so /usr/lib64/galera-4/libgalera_smm.so /usr/lib64/galera/libgalera_smm.so; do
            if [ -n "$place" ] && [ -f "$place" ]; then exit 0; fi
        done
        if command -v apt-get >/dev/null; then apt_install galera-4
        elif command -v dnf >/dev/null; then as_root dnf install -y galera
        else
            echo "install Galera's library for MariaDB, or set GALERA_PROVIDER to it (libgalera_smm.so)" >&2
            exit 1
        fi
        exit 0
    fi
    if [ {{WHAT}} = redis ]; then
        if command -v "${REDIS_SERVER:-redis-server}" >/dev/null; then exit 0; fi
        if command -v apt-get >/dev/null; then
            apt_install redis-server
            # The package starts a service. The tests start their own server.
            if command -v systemctl >/dev/null; then as_root systemctl disable --now redis-server || true
            else as_root service redis-server stop || true
            fi
        elif command -v dnf >/dev/null; then as_root dnf install -y redis
        elif command -v apk >/dev/null; then as_root apk add redis
        elif command -v pacman >/dev/null; then as_root pacman -S --noconfirm redis
        elif command -v brew >/dev/null; then brew install redis
        else
            echo "no package manager that is known here: install redis-server, or set REDIS_SERVER to it" >&2
            exit 1
        fi
        exit 0
    fi
    if [ {{WHAT}} = all ]; then just setup redis; fi
    if [ {{WHAT}} = postgres ] || [ {{WHAT}} = all ]; then
        programs=$(ls -d "${POSTGRES_BIN:-/none}" /usr/lib/postgresql/*/bin /usr/libexec/*/bin /usr/bin /usr/local/bin 2>/dev/null |
            while read -r place; do [ ! -x "$place/initdb" ] || echo "$place"; done)
        if [ -n "$programs" ]; then :
        elif command -v apt-get >/dev/null; then
            # Debian's package makes and starts a server of its own, unless this file forbids it first.
            apt_install postgresql-common
            as_root sed -i 's/^#\? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
            apt install -y --no-install-recommends postgresql
            echo "installed PostgreSQL without a server that runs: create_main_cluster = false in /etc/postgresql-common/createcluster.conf" >&2
        elif command -v dnf >/dev/null; then as_root dnf install -y postgresql-server
        elif command -v apk >/dev/null; then as_root apk add postgresql
        elif command -v pacman >/dev/null; then as_root pacman -S --noconfirm postgresql
        elif command -v brew >/dev/null; then brew install postgresql
        else
            echo "no package manager that is known here: install PostgreSQL's server (or set POSTGRES_BIN to its directory)" >&2
            exit 1
        fi
        if [ {{WHAT}} = postgres ]; then exit 0; fi
    fi
    missing=""
    if [ {{WHAT}} = all ] && ! command -v valgrind >/dev/null; then missing="valgrind"; fi
    server=""
    for candidate in "${MARIADBD:-}" mariadbd mysqld /usr/sbin/mariadbd /usr/sbin/mysqld; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then server=$candidate; fi
    done
    if [ -n "$server" ] && [ -z "$missing" ]; then exit 0; fi
    # $1 is what the system calls MariaDB's server.
    wanted() { [ -n "$server" ] && echo $missing || echo "$1 $missing"; }
    if command -v apt-get >/dev/null; then
        apt_install $(wanted mariadb-server-core)
    elif command -v dnf >/dev/null; then as_root dnf install -y $(wanted mariadb-server)
    elif command -v apk >/dev/null; then as_root apk add $(wanted mariadb)
    elif command -v pacman >/dev/null; then as_root pacman -S --noconfirm $(wanted mariadb)
    elif command -v brew >/dev/null; then [ -n "$server" ] || brew install mariadb # no valgrind there
    else
        echo "no package manager that is known here: install $(wanted "MariaDB's server (or set MARIADBD to it)")" >&2
        exit 1
    fi

# If this cannot install the server, the commands that need it say so themselves.
_mariadb-if-possible:
    -@just setup mariadb

_redis-if-possible:
    -@just setup redis
_postgres-if-possible:
    -@just setup postgres

# The documentation of all crates, in a browser.
docs:
    cargo doc --workspace --no-deps --all-features --open
