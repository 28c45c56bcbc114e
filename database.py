"""Connections to MariaDB: a bounded pool, transactions, and what may be tried again. The only importer of pymysql.

`Database.transaction()` gives a `Connection`; it commits at the end of the block and rolls back on any exception.
`Database.retry(work)` runs a whole transaction again where the server broke it off for a reason that passes.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import pymysql
from pymysql.constants import CLIENT, CR, ER
from pymysql.cursors import DictCursor

from config import Settings

Row = dict[str, Any]
Arguments = Sequence[Any] | Mapping[str, Any]  # for %s, or by name for %(name)s
Value = TypeVar("Value")

# Each was rolled back by the server, or never reached it: the transaction can be run again from its beginning.
_PASSING = {
    ER.LOCK_DEADLOCK,
    ER.LOCK_WAIT_TIMEOUT,
    ER.SERVER_SHUTDOWN,
    1205,
    1969,  # ER_STATEMENT_TIMEOUT
    1927,  # ER_CONNECTION_KILLED
    4031,
    CR.CR_CONNECTION_ERROR,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
}
# The server has no connection to give: nothing was begun, and one is free again as soon as somebody else closes theirs.
_NO_ROOM = {ER.CON_COUNT_ERROR, ER.USER_LIMIT_REACHED, ER.TOO_MANY_USER_CONNECTIONS}
_NO_ROOM_PAUSE = (0.05, 0.3)  # seconds between two attempts, at random: several processes wait at once

# So long a connection may be idle: then the process closes it, or, where that is quiet, the server. ToolsDB's own limit is
# 600 s, which would keep the connections of a burst from the account's other processes for ten minutes.
IDLE_S = 60
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    f"innodb_lock_wait_timeout = 10, wait_timeout = {IDLE_S}",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)


class DatabaseError(Exception):
    """The database refused or could not be reached; the text says what to look at."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached now, or all its connections are taken; the same may work in a moment."""


class DatabaseFull(DatabaseUnavailable):
    """The server or the account has no connection left, and none became free in the time that there was."""


class Duplicate(DatabaseError):
    """A row with this unique key is there already."""


class Connection:
    """One connection inside one transaction. Arguments are always passed apart from the SQL text (%s)."""

    def __init__(self, raw: Any, *, skip_locked: bool) -> None:
        self._raw = raw
        self._last: dict[str, None] = {}
        self.for_update = "FOR UPDATE SKIP LOCKED" if skip_locked else "FOR UPDATE"

    def execute(self, sql: str, args: Arguments | None = None) -> int:
        """Run a statement; returns the number of rows changed (found, for a SELECT)."""
        with self._raw.cursor() as cursor:
            count: int = cursor.execute(sql, args)
            return count

    def at_the_end(self, sql: str) -> None:
        """Run a statement just before the commit, once, however often it is asked for: of a row that everybody writes, so
        that nobody holds it while they wait for others."""
        self._last[sql] = None

    def end(self) -> None:
        """Run what was left for the end."""
        for sql in self._last:
            self.execute(sql)
        self._last.clear()

    def insert(self, sql: str, args: Arguments | None = None) -> int:
        """Run an INSERT; returns the AUTO_INCREMENT id. Raises Duplicate."""
        with self._raw.cursor() as cursor:
            try:
                cursor.execute(sql, args)
            except pymysql.err.IntegrityError as error:
                if error.args[0] == ER.DUP_ENTRY:
                    raise Duplicate(str(error.args[1])) from error
                raise
            return int(cursor.lastrowid)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run an INSERT or UPDATE for every row, in as few statements as the server's packet allows."""
        if not rows:
            return 0
        with self._raw.cursor() as cursor:
            return int(cursor.executemany(sql, rows) or 0)

    def rows(self, sql: str, args: Arguments | None = None) -> list[Row]:
        """All rows, each a dict by column name."""
        with self._raw.cursor() as cursor:
            cursor.execute(sql, args)
            return list(cursor.fetchall())

    def row(self, sql: str, args: Arguments | None = None) -> Row | None:
        """The first row, or None."""
        with self._raw.cursor() as cursor:
            cursor.execute(sql, args)
            found: Row | None = cursor.fetchone()
            return found

    def value(self, sql: str, args: Arguments | None = None) -> Any:
        """The first column of the first row, or None."""
        found = self.row(sql, args)
        return next(iter(found.values())) if found else None

    def column(self, sql: str, args: Arguments | None = None) -> list[Any]:
        """The first column of all rows."""
        return [next(iter(found.values())) for found in self.rows(sql, args)]


def marks(values: Sequence[Any]) -> str:
    """The placeholders for an IN list, `%s,%s,%s`; an empty list matches nothing."""
    return ",".join(["%s"] * len(values)) or "NULL"


class _Pool:
    """Open connections that nobody uses; the last used is handed out first, so that those which are not needed are closed.

    DBUtils' pool hands out the longest idle one, closes none, connects while it holds the lock that returning one needs, and
    hides why a connection that was lost could not be replaced: whether to wait depends on that.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Any]] = []  # when it was given back, the longest idle first

    def take(self) -> Any:
        """A connection that answers. Raises the server's error where a new one cannot be had."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                _, raw = self._idle.pop()
            try:
                raw.ping(reconnect=False)
            except pymysql.err.MySQLError:  # closed by the server while it was idle, or lost
                _close(raw)
            else:
                return raw
        return self._connect()

    def give_back(self, raw: Any) -> None:
        """Keep a connection for the next one who needs it; close those that were idle for IDLE_S."""
        now = time.monotonic()
        with self._lock:
            old = [each for since, each in self._idle if now - since >= IDLE_S]
            self._idle = [(since, each) for since, each in self._idle if now - since < IDLE_S]
            self._idle.append((now, raw))
        for each in old:
            _close(each)

    def close(self) -> None:
        """Close all that are idle."""
        with self._lock:
            old, self._idle = self._idle, []
        for _, each in old:
            _close(each)


class Database:
    """A pool of at most `size` connections, opened when they are needed; a thread waits up to `patience` seconds for one.

    The wait is the same whether this process or the account has too many: see DatabaseFull. `connect_timeout` in seconds.
    """

    def __init__(self, settings: Settings, size: int, patience: float = 15.0, connect_timeout: int = 5) -> None:
        self._settings = settings
        self._free = threading.BoundedSemaphore(size)
        self._patience = patience
        self._skip_locked: bool | None = False if settings.db_skip_locked == "0" else None
        self._pool = _Pool(partial(_connect, settings, connect_timeout))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose work is committed at the end of the block and rolled back when it raises.

        Raises DatabaseUnavailable, DatabaseError.
        """
        until = time.monotonic() + self._patience
        if not self._free.acquire(timeout=self._patience):
            raise DatabaseUnavailable("All database connections are in use. Try again in a moment.")
        raw = None
        try:
            raw = _when_there_is_room(self._pool.take, until)
            raw.begin()
            connection = Connection(raw, skip_locked=self._knows_skip_locked(raw))
            yield connection
            connection.end()
            raw.commit()
        except pymysql.err.MySQLError as error:
            _roll_back(raw)
            raise _meaning(error, self._settings) from error
        except BaseException:
            _roll_back(raw)
            raise
        finally:
            if raw is not None:
                self._pool.give_back(raw)
            self._free.release()

    def retry(self, work: Callable[[Connection], Value], attempts: int = 5) -> Value:
        """Run `work` in a transaction of its own, again after a deadlock, a lock timeout or a lost connection.

        `work` may run several times: it must do nothing but SQL. Waits 50 ms x 2^n with full jitter between attempts.
        """
        for attempt in range(attempts):
            try:
                with self.transaction() as db:
                    return work(db)
            except DatabaseFull:
                raise  # transaction() has waited for a connection already
            except DatabaseUnavailable:
                if attempt == attempts - 1:
                    raise
                time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _knows_skip_locked(self, raw: Any) -> bool:
        if self._skip_locked is None:
            with raw.cursor() as cursor:
                cursor.execute("SELECT VERSION() AS version")
                self._skip_locked = has_skip_locked(cursor.fetchone()["version"])
        return self._skip_locked


def create_database(settings: Settings, patience: float = 15.0) -> None:
    """Create the empty database where there is none; wait up to `patience` seconds for a connection. Raises DatabaseError."""
    try:
        raw = _when_there_is_room(partial(_connect_to_server, settings), time.monotonic() + patience)
        with raw, raw.cursor() as cursor:
            cursor.execute("SHOW DATABASES LIKE %s", (settings.database.replace("_", r"\_"),))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE `{settings.database}` CHARACTER SET utf8mb4")
    except pymysql.err.MySQLError as error:
        raise _meaning(error, settings) from error


def _connect(settings: Settings, seconds: int) -> Any:
    """A connection to the database whose session is set up."""
    raw = _connect_to_server(
        settings,
        database=settings.database,
        cursorclass=DictCursor,
        connect_timeout=seconds,
        read_timeout=120,
        write_timeout=60,
        client_flag=CLIENT.FOUND_ROWS,
    )
    try:
        with raw.cursor() as cursor:
            for statement in _SESSION:
                cursor.execute(statement)
    except BaseException:
        _close(raw)
        raise
    return raw


def _connect_to_server(settings: Settings, **more: Any) -> Any:
    return pymysql.connect(
        host=settings.db_host,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password,
        charset="utf8mb4",
        **{"connect_timeout": 5} | more,
    )


def _close(raw: Any) -> None:
    with suppress(pymysql.err.MySQLError):
        raw.close()


def _when_there_is_room(connect: Callable[[], Any], until: float) -> Any:
    """A connection, as soon as the server has one. Raises the server's error when it has none until then."""
    while True:
        try:
            return connect()
        except pymysql.err.MySQLError as error:
            if not (error.args and error.args[0] in _NO_ROOM) or time.monotonic() >= until:
                raise
        time.sleep(random.uniform(*_NO_ROOM_PAUSE))


def has_skip_locked(version: str) -> bool:
    """Whether a server that calls itself `version` (say 10.4.29-MariaDB-log) knows SKIP LOCKED (MariaDB 10.6)."""
    numbers = version.split("-")[0].split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= (10, 6)
    except (ValueError, IndexError):
        return False


def _roll_back(raw: Any) -> None:
    if raw is None:
        return
    with suppress(pymysql.err.MySQLError):  # lost connections lost their transaction too; the pool's ping replaces them
        raw.rollback()


def _meaning(error: pymysql.err.MySQLError, settings: Settings) -> DatabaseError:
    code = error.args[0] if error.args else 0
    where = f"{settings.db_host}:{settings.db_port}"
    if code in {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR}:
        return DatabaseError(
            f"The database at {where} refuses user {settings.db_user!r} for {settings.database!r}: "
            "check TOOL_TOOLSDB_USER, TOOL_TOOLSDB_PASSWORD and WIKIVISAGE_DB_NAME."
        )
    if code == ER.BAD_DB_ERROR:
        return DatabaseError(f"There is no database {settings.database!r} at {where}: run python migrate.py.")
    if code == ER.NO_SUCH_TABLE:
        return DatabaseError(
            f"The database {settings.database!r} lacks a table: run python migrate.py. ({error.args[1]})"
        )
    if code in {CR.CR_CONN_HOST_ERROR, CR.CR_UNKNOWN_HOST}:
        return DatabaseUnavailable(f"No database answers at {where}: check TOOL_TOOLSDB_HOST and TOOL_TOOLSDB_PORT.")
    if code in _NO_ROOM:
        return DatabaseFull(
            f"The database at {where} has no connection left for {settings.db_user!r} ({error.args[-1]}). "
            "It is tried again; if it stays, run fewer processes or lower WIKIVISAGE_DB_POOL_SIZE."
        )
    if code in _PASSING or isinstance(error, pymysql.err.InterfaceError):
        return DatabaseUnavailable(f"The database at {where} broke off: {error.args[-1] if error.args else error}")
    if code == ER.DUP_ENTRY:
        return Duplicate(str(error.args[1]))
    return DatabaseError(f"The database at {where} answered: {error}")
