"""Connections to MariaDB: a bounded pool, transactions and retries. No other module imports pymysql.

`Database.transaction` yields a `Connection`; it commits at the end of the block and rolls back on any exception.
`Database.retry` repeats a whole transaction after a temporary error.
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

# After these errors the server has rolled the transaction back or never received it, so it can be repeated as a whole.
_TEMPORARY = {
    ER.LOCK_DEADLOCK,
    ER.LOCK_WAIT_TIMEOUT,
    ER.SERVER_SHUTDOWN,
    1205,
    1290,  # ER_OPTION_PREVENTS_STATEMENT: the server is read-only, as during a switch to another one
    1792,  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836,  # ER_READ_ONLY_MODE
    1114,  # ER_RECORD_FILE_FULL: no space is left until somebody makes some
    ER.DISK_FULL,
    1969,  # ER_STATEMENT_TIMEOUT
    1927,  # ER_CONNECTION_KILLED
    4031,
    CR.CR_CONNECTION_ERROR,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
}
# The server or the account has no connection left. No transaction was begun, and another client may soon close one.
_NO_CONNECTION_LEFT = {ER.CON_COUNT_ERROR, ER.USER_LIMIT_REACHED, ER.TOO_MANY_USER_CONNECTIONS}
_NO_CONNECTION_PAUSE = (0.05, 0.3)  # seconds between attempts, random because several processes may wait

# Seconds that a connection may be idle before the process closes it, or the server if the process makes no requests.
# The limit of ToolsDB is 600 s, for which the connections of a burst would block other processes of the account.
IDLE_S = 60
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    f"innodb_lock_wait_timeout = 10, wait_timeout = {IDLE_S}",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)


class DatabaseError(Exception):
    """The database refused a request or cannot be reached; the text names what to check."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached now, or all connections are in use; a later attempt may succeed."""


class DatabaseFull(DatabaseUnavailable):
    """The server, the account or this process has no connection left, and none became free within the time limit."""


class Duplicate(DatabaseError):
    """A row with the same unique key exists already."""


class Connection:
    """One connection inside one transaction. Arguments are always passed separately from the SQL text (%s)."""

    def __init__(self, raw: Any, *, skip_locked: bool) -> None:
        self._raw = raw
        self._deferred: dict[str, None] = {}
        self.for_update = "FOR UPDATE SKIP LOCKED" if skip_locked else "FOR UPDATE"

    def execute(self, sql: str, args: Arguments | None = None) -> int:
        """Run a statement; return the number of rows changed, found (SELECT), or matched even if unchanged (UPDATE)."""
        with self._raw.cursor() as cursor:
            count: int = cursor.execute(sql, args)
            return count

    def at_the_end(self, sql: str) -> None:
        """Run a statement once just before the commit, even if it is passed several times.

        For a row that all transactions write, so that none holds its lock while it waits for other locks.
        """
        self._deferred[sql] = None

    def end(self) -> None:
        """Run the statements passed to `at_the_end`."""
        for sql in self._deferred:
            self.execute(sql)
        self._deferred.clear()

    def insert(self, sql: str, args: Arguments | None = None) -> int:
        """Run an INSERT and return the AUTO_INCREMENT id. Raises Duplicate."""
        with self._raw.cursor() as cursor:
            try:
                cursor.execute(sql, args)
            except pymysql.err.IntegrityError as error:
                if error.args[0] == ER.DUP_ENTRY:
                    raise Duplicate(str(error.args[1])) from error
                raise
            return int(cursor.lastrowid)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run an INSERT or UPDATE for every row; an INSERT takes as few statements as the packet size allows.

        Returns the number of rows changed.
        """
        if not rows:
            return 0
        with self._raw.cursor() as cursor:
            return int(cursor.executemany(sql, rows) or 0)

    def rows(self, sql: str, args: Arguments | None = None) -> list[Row]:
        """Return all rows, each as a dict by column name."""
        with self._raw.cursor() as cursor:
            cursor.execute(sql, args)
            return list(cursor.fetchall())

    def row(self, sql: str, args: Arguments | None = None) -> Row | None:
        """Return the first row, or None."""
        with self._raw.cursor() as cursor:
            cursor.execute(sql, args)
            found: Row | None = cursor.fetchone()
            return found

    def value(self, sql: str, args: Arguments | None = None) -> Any:
        """Return the first column of the first row, or None."""
        found = self.row(sql, args)
        return next(iter(found.values())) if found else None

    def column(self, sql: str, args: Arguments | None = None) -> list[Any]:
        """Return the first column of all rows."""
        return [next(iter(found.values())) for found in self.rows(sql, args)]


def marks(values: Sequence[Any]) -> str:
    """Return the placeholders of an IN list, `%s,%s,%s`; for an empty list NULL, which matches nothing."""
    return ",".join(["%s"] * len(values)) or "NULL"


class _Pool:
    """Idle connections; the last used one is taken first, so that surplus ones reach IDLE_S and are closed.

    The pool of DBUtils takes the one that is idle longest, closes none, connects while it holds the lock that is needed
    to return one, and hides why a lost connection could not be replaced; whether to wait depends on that reason.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Any]] = []  # (monotonic time of the return, connection), longest idle first

    def take(self) -> Any:
        """Return a connection that answers; open a new one if none is idle. Raises the pymysql error if that fails."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                _, raw = self._idle.pop()
            try:
                raw.ping(reconnect=False)
            except pymysql.err.MySQLError:  # closed by the server while idle, or lost
                _close(raw)
            else:
                return raw
        return self._connect()

    def give_back(self, raw: Any) -> None:
        """Keep a connection for the next caller; close those that were idle for IDLE_S."""
        now = time.monotonic()
        with self._lock:
            old = [each for since, each in self._idle if now - since >= IDLE_S]
            self._idle = [(since, each) for since, each in self._idle if now - since < IDLE_S]
            self._idle.append((now, raw))
        for each in old:
            _close(each)

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            old, self._idle = self._idle, []
        for _, each in old:
            _close(each)


class Database:
    """The database, with a pool of at most `size` connections, which are opened when they are first needed.

    A thread waits up to `patience` seconds for a connection, whether the limit of this process is reached or that of
    the account (DatabaseFull). `connect_timeout` is in seconds.
    """

    def __init__(self, settings: Settings, size: int, patience: float = 15.0, connect_timeout: int = 5) -> None:
        self._settings = settings
        self._free = threading.BoundedSemaphore(size)
        self._patience = patience
        self._skip_locked: bool | None = False if settings.db_skip_locked == "0" else None
        self._pool = _Pool(partial(_connect, settings, connect_timeout))

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Connection]:
        """Yield a connection; commit at the end of the block, roll back if it raises.

        `read_only`: the server refuses every write. Raises DatabaseUnavailable, DatabaseFull, DatabaseError.
        """
        until = time.monotonic() + self._patience
        if not self._free.acquire(timeout=self._patience):
            raise DatabaseFull("All database connections are in use. Try again in a moment.")
        raw = None
        try:
            raw = _connect_patiently(self._pool.take, until)
            _begin(raw, read_only=read_only)
            connection = Connection(raw, skip_locked=self._supports_skip_locked(raw))
            yield connection
            connection.end()
            raw.commit()
        except pymysql.err.MySQLError as error:
            _roll_back(raw)
            raise _translated(error, self._settings) from error
        except BaseException:
            _roll_back(raw)
            raise
        finally:
            if raw is not None:
                self._pool.give_back(raw)
            self._free.release()

    def retry(self, work: Callable[[Connection], Value], attempts: int = 5) -> Value:
        """Run `work` in a transaction of its own; repeat it after a temporary error, such as a deadlock or a lost connection.

        `work` may run several times, so it must do nothing but SQL. Waits 50 ms x 2^n with full jitter between
        attempts.
        Raises DatabaseUnavailable after the last attempt, DatabaseFull at once, DatabaseError.
        """
        for attempt in range(attempts):
            try:
                with self.transaction() as db:
                    return work(db)
            except DatabaseFull:
                raise  # transaction() has already waited for a connection
            except DatabaseUnavailable:
                if attempt == attempts - 1:
                    raise
                time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _supports_skip_locked(self, raw: Any) -> bool:
        if self._skip_locked is None:
            with raw.cursor() as cursor:
                cursor.execute("SELECT VERSION() AS version")
                self._skip_locked = has_skip_locked(cursor.fetchone()["version"])
        return self._skip_locked


def create_database(settings: Settings, patience: float = 15.0) -> None:
    """Create an empty database if it does not exist. Raises DatabaseError.

    Waits up to `patience` seconds for a connection.
    """
    try:
        raw = _connect_patiently(partial(_connect_to_server, settings), time.monotonic() + patience)
        with raw, raw.cursor() as cursor:
            cursor.execute("SHOW DATABASES LIKE %s", (settings.database.replace("_", r"\_"),))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE `{settings.database}` CHARACTER SET utf8mb4")
    except pymysql.err.MySQLError as error:
        raise _translated(error, settings) from error


def _connect(settings: Settings, seconds: int) -> Any:
    """Return a new connection to the database with the session variables set."""
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


def _connect_patiently(connect: Callable[[], Any], until: float) -> Any:
    """Call `connect` until the server has a connection. Raises the pymysql error if it has none by the time `until`."""
    while True:
        try:
            return connect()
        except pymysql.err.MySQLError as error:
            if not (error.args and error.args[0] in _NO_CONNECTION_LEFT) or time.monotonic() >= until:
                raise
        time.sleep(random.uniform(*_NO_CONNECTION_PAUSE))


def has_skip_locked(version: str) -> bool:
    """Return whether a server of this version (such as 10.4.29-MariaDB-log) supports SKIP LOCKED (MariaDB 10.6)."""
    numbers = version.split("-")[0].split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= (10, 6)
    except (ValueError, IndexError):
        return False


def _begin(raw: Any, *, read_only: bool) -> None:
    if read_only:
        raw.query("START TRANSACTION READ ONLY")
    else:
        raw.begin()


def _roll_back(raw: Any) -> None:
    if raw is None:
        return
    # A lost connection has no transaction any more; the ping of the pool replaces it.
    with suppress(pymysql.err.MySQLError):
        raw.rollback()


def _translated(error: pymysql.err.MySQLError, settings: Settings) -> DatabaseError:
    """Translate a pymysql error into one of this module, with a text that names what to check."""
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
    if code in _NO_CONNECTION_LEFT:
        return DatabaseFull(
            f"The database at {where} has no connection left for {settings.db_user!r} ({error.args[-1]}). "
            "The attempt is repeated; if the error persists, run fewer processes or lower WIKIVISAGE_DB_POOL_SIZE."
        )
    if code in _TEMPORARY or isinstance(error, pymysql.err.InterfaceError):
        detail = error.args[-1] if error.args else error
        return DatabaseUnavailable(f"The database at {where} did not complete the transaction: {detail}")
    if code == ER.DUP_ENTRY:
        return Duplicate(str(error.args[1]))
    return DatabaseError(f"The database at {where} answered: {error}")
