"""One pool of Python, and threads that use it as the harness says. ../README.md has the protocol."""

import json
import platform
import random
import sys
import threading
import time
from importlib.metadata import version
from time import perf_counter_ns
from urllib.parse import urlsplit

SELECT = "SELECT price FROM threadwise_bench_item WHERE id = %s"
ROWS = 10_000


class Fake:
    """A connection without a server. It has what the pools call, and all of it does nothing."""

    def ping(self, reconnect=False):
        pass

    def rollback(self):
        pass

    def close(self):
        pass


class Driver:
    """A DB-API module, as pools see one, that counts the connections it opens."""

    threadsafety = 1

    def __init__(self, name, url):
        self.opened = 0
        self.lock = threading.Lock()
        self.packages = []
        self.OperationalError = self.InterfaceError = self.InternalError = OSError
        if name == "none":
            self.dial = Fake
            return
        at = urlsplit(url)
        where = {
            "host": at.hostname,
            "port": at.port,
            "user": at.username,
            "password": at.password or "",
            "database": at.path.lstrip("/"),
        }
        if name == "pymysql":
            import pymysql as module

            # The server has no TLS. Otherwise PyMySQL loads the system's certificates for each
            # connection, which takes longer than to connect.
            where["ssl_disabled"] = True
            self.packages = ["PyMySQL"]
        else:
            import MySQLdb as module

            self.packages = ["mysqlclient"]
        self.dial = lambda: module.connect(**where)
        self.OperationalError = module.OperationalError
        self.InterfaceError = module.InterfaceError
        self.InternalError = module.InternalError

    def connect(self):
        connection = self.dial()
        with self.lock:
            self.opened += 1
        return connection


def build(args, driver):
    """Returns what borrows a connection, what is called after an error of one, and the package."""
    size = int(args["size"])
    if args["pool"] == "pooleddb":
        from dbutils.pooled_db import PooledDB

        pool = PooledDB(driver, maxconnections=size, blocking=True)
        return pool.connection, lambda connection: None, "DBUtils"
    if args["pool"] == "persistentdb":
        from dbutils.persistent_db import PersistentDB

        return PersistentDB(driver).connection, lambda connection: None, "DBUtils"
    from sqlalchemy.pool import QueuePool

    timeout = float(args["timeout_s"])
    pool = QueuePool(driver.connect, pool_size=size, max_overflow=0, timeout=timeout)
    # The bare pool leaves this to its user. An Engine does it for errors that mean a lost connection.
    return pool.connect, lambda connection: connection.invalidate(), "SQLAlchemy"


def operation(args):
    """Returns what a thread does with a connection."""
    hold = int(args["hold_us"]) / 1e6
    if args["work"] == "select":

        def use(connection):
            cursor = connection.cursor()
            cursor.execute(SELECT, (random.randint(1, ROWS),))
            if cursor.fetchone() is None:
                raise LookupError("the row was not found")
            cursor.close()

    elif args["work"] == "sleep":

        def use(connection):
            cursor = connection.cursor()
            cursor.execute("DO SLEEP(%s)", (hold,))
            cursor.close()

    elif hold > 0:

        def use(connection):
            time.sleep(hold)

    else:

        def use(connection):
            pass

    return use


class Crew:
    """The threads, from the first round to the last. They wait between rounds."""

    def __init__(self, args, borrow, lost, use):
        self.borrow, self.lost, self.use = borrow, lost, use
        self.untimed = int(args["timed"]) - 1
        self.pause = int(args["pause_ms"]) / 1e3
        self.threads = int(args["threads"])
        self.start = threading.Barrier(self.threads + 1)
        self.end = threading.Barrier(self.threads + 1)
        self.samples = [None] * self.threads
        self.first_error = None
        self.is_over = False
        # After an outage, the first success ends the round.
        self.is_back = False
        self.served = threading.Lock()
        for number in range(self.threads):
            threading.Thread(target=self.live, args=(number,), daemon=True).start()

    def live(self, number):
        while True:
            self.start.wait()
            self.samples[number] = self.round()
            self.end.wait()

    def round(self):
        ops = errors = 0
        waits = []
        begun = perf_counter_ns()
        while ops + errors == 0 or not self.is_over:
            try:
                asked = perf_counter_ns()
                connection = self.borrow()
                waits.append(perf_counter_ns() - asked)
                self.spend(connection)
                ops += 1
                if self.is_back:
                    self.tell_served()
                for _ in range(self.untimed):
                    self.spend(self.borrow())
                    ops += 1
            except Exception as error:  # any error of a pool or driver is a figure
                errors += 1
                self.first_error = self.first_error or f"{type(error).__name__}: {error}"
                time.sleep(self.pause)
        return ops, errors, begun, perf_counter_ns(), waits

    def spend(self, connection):
        try:
            self.use(connection)
        except Exception:
            self.lost(connection)
            raise
        finally:
            connection.close()

    def tell_served(self):
        with self.served:
            if not self.is_over:
                self.is_over = True
                say({"mark": "served"})

    def begin(self, is_over):
        self.is_over = is_over
        self.is_back = False
        self.first_error = None
        self.begun = perf_counter_ns()
        self.start.wait()

    def finish(self, opened):
        self.end.wait()
        threads = [
            {
                "ops": ops,
                "errors": errors,
                "begun_ns": begun - self.begun,
                "ended_ns": ended - self.begun,
                "waits_ns": waits,
            }
            for ops, errors, begun, ended, waits in self.samples
        ]
        say({"threads": threads, "first_error": self.first_error, "opened": opened})


def say(message):
    print(json.dumps(message, separators=(",", ":")), flush=True)


def main():
    args = dict(word.split("=", 1) for word in sys.argv[1:])
    driver = Driver(args["driver"], args["url"])
    borrow, lost, package = build(args, driver)
    crew = Crew(args, borrow, lost, operation(args))
    packages = [f"{name} {version(name)}" for name in [package, *driver.packages]]
    language = f"{platform.python_implementation()} {platform.python_version()}"
    say({"ready": ", ".join([*packages, language])})
    for line in sys.stdin:
        command, *window = line.split()
        if command == "round":
            seconds = int(window[0]) / 1e3
            crew.begin(is_over=seconds == 0)
            time.sleep(seconds)
            crew.is_over = True
        else:
            crew.begin(is_over=False)
            say({"mark": "begun"})
            sys.stdin.readline()
            crew.is_back = True
            say({"mark": "back"})
        crew.finish(driver.opened)


main()
