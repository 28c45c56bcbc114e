"""A database of the first version with rows in every table is upgraded to the current schema without loss."""

import datetime
from typing import Any

import pytest

import migrate
from config import Settings
from database import Connection, Database
from testing import file_copies, servers

FIRST = servers.ROOT / "tests" / "upgrade" / "0.1.0.sql"  # schema.sql of that version, never changed.
ROWS = 3
COLUMNS = """SELECT table_name, column_name, column_type, data_type, is_nullable, column_default, extra, collation_name,
                    character_maximum_length AS longest
             FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, column_name"""
KEYS = """SELECT table_name, index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics
          WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"""
OURS = {"schema_changes"}  # migrate.py's own record of changes.


@pytest.fixture
def first_version(new_database: Settings):
    """A database as created by the first version."""
    database = Database(new_database, size=2)
    with database.transaction() as db:
        for statement in migrate.statements(FIRST.read_text(encoding="utf-8")):
            db.execute(statement)
        db.execute(migrate._RECORD)
        db.execute("INSERT INTO schema_changes (name) VALUES ('schema')")
    yield database
    database.close()


def value(column: dict[str, Any], number: int) -> Any:
    """Return a valid value for the column, a different one for each number."""
    kind = column["data_type"]
    if kind in ("enum", "set"):
        return number  # The position among the allowed values.
    if kind in ("datetime", "timestamp", "date"):
        return datetime.datetime(2026, 1, number, 12)
    if kind in ("varbinary", "binary", "blob", "mediumblob", "longblob"):
        return bytes([number]) * min(column["longest"], 16)
    if kind in ("varchar", "char", "text", "mediumtext", "longtext"):
        return (f"{number}é" if column["collation_name"] and "ascii" not in column["collation_name"] else f"{number}a")[
            : column["longest"]
        ]
    return 1 if "(1)" in column["column_type"] else number


def fill(db: Connection) -> None:
    """Insert rows into every table, by the types of its columns."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for column in db.rows(COLUMNS):
        generated = "GENERATED" in column["extra"].upper()
        if column["table_name"] not in OURS and not generated:
            listed.setdefault(column["table_name"], []).append(column)
    for table, columns in listed.items():
        names = ", ".join(column["column_name"] for column in columns)
        places = ", ".join(["%s"] * len(columns))
        for number in range(1, ROWS + 1):
            db.execute(
                f"INSERT IGNORE INTO {table} ({names}) VALUES ({places})", [value(column, number) for column in columns]
            )


def contents(db: Connection) -> dict[str, list[dict[str, Any]]]:
    tables = sorted({column["table_name"] for column in db.rows(COLUMNS)} - OURS)
    return {table: db.rows(f"SELECT * FROM {table}") for table in tables}


def shape(database: Database) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    with database.transaction() as db:
        return db.rows(COLUMNS), db.rows(KEYS)


def test_upgrade_of_the_first_version_keeps_all_data(first_version: Database):
    with first_version.transaction() as db:
        fill(db)
        before = contents(db)
    assert {table for table, rows in before.items() if not rows} == set()
    assert migrate.migrate(first_version) == [name for name, _ in migrate.CHANGES]
    with first_version.transaction() as db:
        after = contents(db)
    assert set(before) <= set(after)
    for table, rows in before.items():
        kept = set(rows[0]) & set(after[table][0])
        assert [_only(row, kept) for row in after[table]] == [_only(row, kept) for row in rows]
    assert migrate.migrate(first_version) == []
    with first_version.transaction() as db:
        assert contents(db) == after
        assert file_copies.wrong_copies(db) == []


def _only(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: row[name] for name in sorted(names)}


def test_upgraded_database_has_the_schema_of_a_new_one(first_version: Database, database: Database):
    migrate.migrate(first_version)
    assert shape(first_version) == shape(database)


def test_first_version_without_a_record_of_changes_is_recognised_and_upgraded(
    first_version: Database, database: Database
):
    with first_version.transaction() as db:
        db.execute("DROP TABLE schema_changes")
        fill(db)
    assert migrate.migrate(first_version) == ["schema", *(name for name, _ in migrate.CHANGES)]
    assert shape(first_version) == shape(database)
    with first_version.transaction() as db:
        assert file_copies.wrong_copies(db) == []
