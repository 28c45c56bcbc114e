"""The schema: made once, changed in order, asked before it is dropped."""

import threading

import pytest

import migrate
from config import Settings
from database import Database
from tests import servers


@pytest.fixture
def pool(new_database: Settings):
    database = Database(new_database, size=4)
    yield database
    database.close()


def tables(pool: Database) -> set[str]:
    with pool.transaction() as db:
        return set(db.column("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"))


def test_an_empty_database_gets_the_whole_schema_and_a_second_run_changes_nothing(pool: Database):
    assert migrate.migrate(pool)[0] == "schema"
    first = tables(pool)
    assert {"files", "faces", "answers", "edits", "signals"} <= first
    assert migrate.migrate(pool) == []
    assert tables(pool) == first


def test_a_migration_that_broke_off_in_the_middle_is_finished_by_the_next(pool: Database):
    with pool.transaction() as db:
        db.execute(migrate.statements(migrate.SCHEMA.read_text(encoding="utf-8"))[0])
    migrate.migrate(pool)
    with pool.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM signals") == 1


def test_two_at_once_wait_for_each_other(pool: Database):
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate.migrate(pool))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(len(names) > 0 for names in done) == [False, False, True]


@pytest.mark.parametrize(("said", "kept"), [("yes", False), ("no", True), ("", True)])
def test_reset_asks_first(new_database: Settings, monkeypatch: pytest.MonkeyPatch, said: str, kept: bool):
    for name, value in servers.variables(new_database).items():
        monkeypatch.setenv(name, value)
    assert migrate.main([]) == 0
    pool = Database(new_database, size=1)
    with pool.transaction() as db:
        db.execute("UPDATE signals SET counter = 7")
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return said

    assert migrate.main(["--reset"], ask) == (1 if kept else 0)
    assert new_database.database in asked[0]
    with pool.transaction() as db:
        assert db.value("SELECT counter FROM signals") == (7 if kept else 0)
    pool.close()


def test_changes_are_run_in_order_and_once(pool: Database):
    migrate.migrate(pool)
    changes = [
        ("first", ["CREATE TABLE IF NOT EXISTS a (n INT)"]),
        ("second", ["ALTER TABLE a ADD IF NOT EXISTS m INT"]),
    ]
    assert migrate.migrate(pool, changes) == ["first", "second"]
    assert migrate.migrate(pool, changes) == []


def test_no_statement_has_a_semicolon_or_comment_sign_inside_its_text():
    text = migrate.SCHEMA.read_text(encoding="utf-8")
    assert all(statement.startswith(("CREATE TABLE", "INSERT")) for statement in migrate.statements(text))
