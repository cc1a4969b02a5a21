#!/bin/sh
# Fetches the pools of other languages and builds the programs beside this script. All of it goes to
# `abroad` in Cargo's target directory. Only a JDK, Python's venv module and its headers are installed on
# the system, as root and through apt-get, if they are missing. What fails is reported, and the rest goes
# on.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$here/../../../target}/abroad
mkdir -p "$out/debs" "$out/debian" || exit 1
out=$(cd "$out" && pwd)
debian=$out/debian
log=$out/setup.log
export DEBIAN_FRONTEND=noninteractive
: >"$log"

# $1 could not be prepared, for the reason $2.
cannot() { echo "abroad: $1 is left out: $2 ($log has the details)" >&2; }

has_apt() { command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; }

# A connection that sends nothing for a minute is given up.
apt_get() {
    apt-get -qq -o APT::Sandbox::User=root -o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60 "$@" >>"$log" 2>&1
}

# The list of packages may be missing or old. Only root can fetch it.
ask_apt() { apt_get "$@" || { [ "$(id -u)" = 0 ] && apt_get update && apt_get "$@"; }; }

# Installs Debian packages on the system. This needs root.
install_debian() {
    has_apt && [ "$(id -u)" = 0 ] && ask_apt install -y --no-install-recommends "$@"
}

# Downloads Debian packages and unpacks them below `debian`. This needs no root.
unpack_debian() {
    has_apt || return 1
    for package; do
        [ -e "$out/debs/$package" ] && continue
        new=$(mktemp -d) || return 1
        (
            cd "$new" && ask_apt download "$package" && dpkg-deb -x ./*.deb "$debian" &&
                dpkg-deb -f ./*.deb Version >version && mv version "$out/debs/$package"
        )
        rm -r "$new"
        [ -e "$out/debs/$package" ] || return 1
    done
}

# Installs Python packages from the file $1 into the virtual environment.
pip() {
    "$out/venv/bin/python" -m pip --disable-pip-version-check --quiet install -r "$here/python/$1" >>"$log" 2>&1
}

make_venv() { python3 -m venv --clear "$out/venv" >>"$log" 2>&1; }

prepare_python() {
    "$out/venv/bin/python" -m pip --version >>"$log" 2>&1 || make_venv ||
        { install_debian python3 python3-venv && make_venv; } ||
        { rm -rf "$out/venv"; cannot Python "python3 with its venv module is needed"; return; }
    pip requirements.txt ||
        { rm -rf "$out/venv"; cannot Python "pip could not install DBUtils, SQLAlchemy and PyMySQL"; return; }
    "$out/venv/bin/python" -c 'import MySQLdb' >>"$log" 2>&1 && return
    # mysqlclient is built here, against MariaDB's C library.
    headers=$("$out/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$headers/Python.h" ] || install_debian python3-dev
    unpack_debian libmariadb-dev libmariadb3 || { cannot mysqlclient "it needs Debian's libmariadb-dev"; return; }
    libraries=$(dirname "$(find "$debian/usr/lib" -name libmariadb.so.3)")
    MYSQLCLIENT_CFLAGS=-I$debian/usr/include/mariadb
    MYSQLCLIENT_LDFLAGS="-L$libraries -lmariadb -Wl,-rpath,$libraries"
    export MYSQLCLIENT_CFLAGS MYSQLCLIENT_LDFLAGS
    pip requirements-c.txt || cannot mysqlclient "pip could not build it"
}

prepare_java() {
    command -v javac >/dev/null || install_debian default-jdk-headless ||
        { cannot Java "a JDK is needed, such as Debian's default-jdk-headless"; return; }
    unpack_debian libhikaricp-java libmariadb-java libslf4j-java ||
        { cannot Java "it needs Debian's libhikaricp-java, libmariadb-java and libslf4j-java"; return; }
    rm -rf "$out/java" && mkdir -p "$out/java/classes" "$out/java/jars"
    for jar in HikariCP mariadb-java-client slf4j-api slf4j-nop; do
        ln -s "$debian/usr/share/java/$jar.jar" "$out/java/jars/$jar.jar"
    done
    javac -d "$out/java/classes" -cp "$out/java/jars/*" "$here/java/Pools.java" >>"$log" 2>&1 ||
        { rm -rf "$out/java"; cannot Java "javac failed"; }
}

# The version of Go in Debian's package `golang-go`.
version_of_go() {
    apt-cache depends golang-go 2>/dev/null | sed -n 's/.*Depends: golang-\([0-9.]*\)-go$/\1/p' | head -1
}

prepare_go() {
    program=$(command -v go)
    if [ -z "$program" ]; then
        version=$(version_of_go)
        [ -n "$version" ] || { ask_apt update; version=$(version_of_go); }
        [ -n "$version" ] && unpack_debian "golang-$version-go" "golang-$version-src" ||
            { cannot Go "it needs Debian's golang-go, or another Go"; return; }
        GOROOT=$debian/usr/lib/go-$version
        export GOROOT
        program=$GOROOT/bin/go
    fi
    driver=golang-github-go-sql-driver-mysql-dev
    unpack_debian $driver || { cannot Go "it needs Debian's $driver"; return; }
    mkdir -p "$out/go"
    version=$(cut -d- -f1 "$out/debs/$driver")
    GO111MODULE=off GOFLAGS='' CGO_ENABLED=0 GOPATH=$debian/usr/share/gocode GOCACHE=$out/go/cache \
        "$program" build -ldflags "-X main.driverVersion=$version" -o "$out/go/pools" "$here/go/main.go" >>"$log" 2>&1 ||
        { rm -f "$out/go/pools"; cannot Go "the build failed"; }
}

echo "abroad: preparing Python, Java and Go in $out; the first time takes a minute" >&2
# Subshells, because each may change the environment.
(prepare_python)
(prepare_java)
(prepare_go)
exit 0
