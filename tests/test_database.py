"""The pool, transactions and retries on a real server."""

import threading
import time
from dataclasses import replace

import pytest

from config import Settings
from database import (
    Connection,
    Database,
    DatabaseError,
    DatabaseFull,
    DatabaseUnavailable,
    Duplicate,
    has_skip_locked,
    marks,
)
from testing import servers
from testing.waiting import PATIENCE, joined


def users(database: Database) -> int:
    with database.transaction() as db:
        return int(db.value("SELECT COUNT(*) FROM users"))


def add(db: Connection, subject: str) -> int:
    return db.insert("INSERT INTO users (subject, name) VALUES (%s, %s)", (subject, subject))


def test_transaction_is_committed_unless_the_block_raises(database: Database):
    with database.transaction() as db:
        add(db, "1")
    with pytest.raises(ZeroDivisionError), database.transaction() as db:
        assert add(db, "2") / 0
    assert users(database) == 1


def test_transaction_that_only_reads_cannot_write(database: Database):
    with database.transaction(read_only=True) as db:
        assert db.value("SELECT COUNT(*) FROM users") == 0
    with pytest.raises(DatabaseError), database.transaction(read_only=True) as db:
        add(db, "1")
    assert users(database) == 0


def test_violated_unique_key_raises_duplicate(database: Database):
    with database.transaction() as db:
        add(db, "1")
    with pytest.raises(Duplicate), database.transaction() as db:
        add(db, "1")


def test_transaction_is_retried_after_a_deadlock(database: Database):
    with database.transaction() as db:
        first, second = add(db, "1"), add(db, "2")
    met, attempts = threading.Barrier(2), []

    def touch(order: tuple[int, int]) -> None:
        def work(db: Connection) -> None:
            attempts.append(order)
            db.execute("UPDATE users SET blocked = 1 WHERE id = %s", (order[0],))
            if len(attempts) <= 2:
                met.wait(PATIENCE)
            db.execute("UPDATE users SET blocked = 1 WHERE id = %s", (order[1],))

        database.retry(work)

    threads = [threading.Thread(target=touch, args=(order,)) for order in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    joined(threads)
    assert len(attempts) == 3


def test_killed_connection_is_replaced(database: Database, settings: Settings):
    def work(db: Connection) -> int:
        mine = int(db.value("SELECT CONNECTION_ID()"))
        if not killed:
            killed.append(mine)
            servers.administer(settings, f"KILL {mine}")
        return int(db.value("SELECT COUNT(*) FROM users"))

    killed: list[int] = []
    assert database.retry(work) == 0
    assert killed


def test_pool_without_a_free_connection_raises_after_the_timeout(settings: Settings):
    small = Database(settings, size=1, patience=0.1)
    with small.transaction(), pytest.raises(DatabaseUnavailable, match="in use"), small.transaction():
        pass
    small.close()


def test_wait_for_a_connection_of_the_pool_is_not_repeated(settings: Settings):
    small = Database(settings, size=1, patience=0.5)
    began = time.monotonic()
    with small.transaction(), pytest.raises(DatabaseFull, match="in use"):
        small.retry(lambda db: db.value("SELECT 1"))
    assert time.monotonic() - began < 2
    small.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"db_port": 1}, "check TOOL_TOOLSDB_HOST and TOOL_TOOLSDB_PORT"),
        ({"db_password": "wrong"}, "check TOOL_TOOLSDB_USER, TOOL_TOOLSDB_PASSWORD"),
        ({"db_name": "wikivisage__not_there"}, "run python migrate.py|check TOOL_TOOLSDB_USER"),
    ],
)
def test_connection_error_names_the_variable_to_check(settings: Settings, change: dict[str, object], words: str):
    broken = Database(replace(settings, **change), size=1)  # type: ignore[arg-type]
    with pytest.raises(DatabaseError, match=words), broken.transaction():
        pass


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("10.4.29-MariaDB-log", False),
        ("10.5.1", False),
        ("10.6.0-MariaDB", True),
        ("11.4.2-MariaDB", True),
        ("?", False),
    ],
)
def test_skip_locked_is_enabled_by_the_server_version(version: str, known: bool):
    assert has_skip_locked(version) is known


def test_skip_locked_can_be_disabled(settings: Settings):
    plain = Database(replace(settings, db_skip_locked="0"), size=1)
    with plain.transaction() as db:
        assert db.for_update == "FOR UPDATE"
    plain.close()


def test_empty_list_matches_no_row():
    assert marks([]) == "NULL"
    assert marks([1, 2]) == "%s,%s"
