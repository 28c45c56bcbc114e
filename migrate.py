"""Migration of the database to the current schema: schema.sql if empty, else the changes in order. Safe to repeat.

python migrate.py            create or update
python migrate.py --reset    drop all tables and create them again (asks first, unless --yes)
python migrate.py --rotate-keys   seal stored tokens with the newest key of WIKIVISAGE_TOKEN_KEY; the service may run

To rotate: put a new key before the old one (NEW,OLD), restart web and workers, run --rotate-keys, remove the old key.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import config
from database import Connection, Database, DatabaseError, create_database
from store.accounts import tokens, users

SCHEMA = Path(__file__).with_name("schema.sql")

Change = tuple[str, list[str]]
Columns = dict[str, set[str]]  # table -> names of its columns

# Changes to a released schema, in order; schema.sql always contains their result. A change is (name, statements) and
# runs once; its name is stored in `schema_changes` and must stay the same. MariaDB commits after each DDL statement, so
# every statement must have no effect when it is repeated (IF EXISTS / IF NOT EXISTS).
CHANGES: list[Change] = [
    (
        "0.2 project_files repeats what files says of a search",
        [
            """ALTER TABLE project_files
                 ADD COLUMN IF NOT EXISTS state ENUM('waiting', 'searched', 'error', 'gone') NOT NULL DEFAULT 'waiting'
                   AFTER search_due_at,
                 ADD COLUMN IF NOT EXISTS error VARCHAR(64) NULL AFTER state,
                 ADD COLUMN IF NOT EXISTS face_count SMALLINT UNSIGNED NULL AFTER error,
                 ADD COLUMN IF NOT EXISTS searched_at DATETIME NULL AFTER face_count""",
            """UPDATE project_files pf JOIN files f ON f.page_id = pf.page_id
               SET pf.state = f.state, pf.error = f.error, pf.face_count = f.face_count, pf.searched_at = f.searched_at""",
        ],
    ),
    (
        "0.2 files hold their captions",
        ["ALTER TABLE files ADD COLUMN IF NOT EXISTS captions TEXT NULL AFTER depicts"],
    ),
    (
        "0.2 workers say which networks they have",
        ["ALTER TABLE workers ADD COLUMN IF NOT EXISTS networks_json TEXT NULL AFTER doing"],
    ),
]

_RECORD = """CREATE TABLE IF NOT EXISTS schema_changes (
  name VARCHAR(100) NOT NULL PRIMARY KEY, applied_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""


_COLUMNS = """SELECT c.table_name, c.column_name FROM information_schema.columns c
  WHERE c.table_schema = DATABASE() ORDER BY c.table_name, c.ordinal_position"""
_MOST_NAMED = 3  # tables that the text of ForeignDatabase names


class ForeignDatabase(DatabaseError):
    """The database contains tables that no version of this schema has; nothing was changed."""


def statements(text: str) -> list[str]:
    """Return the statements of a schema file, without comments."""
    without_comments = re.sub(r"--[^\n]*", "", text)
    return [statement.strip() for statement in without_comments.split(";") if statement.strip()]


def schema_columns() -> Columns:
    """Return the columns of the tables in schema.sql."""
    found = {}
    for statement in statements(SCHEMA.read_text(encoding="utf-8")):
        if table := re.match(r"CREATE TABLE (\w+)", statement):
            found[table[1]] = set(re.findall(r"^  ([a-z]\w*) ", statement, re.MULTILINE))
    return found


def added_columns(changes: Sequence[Change]) -> Columns:
    """Return the columns that `changes` add to tables of older versions."""
    found: Columns = {}
    for _, parts in changes:
        for part in parts:
            if table := re.match(r"ALTER TABLE (\w+)", part):
                found.setdefault(table[1], set()).update(re.findall(r"ADD COLUMN IF NOT EXISTS (\w+)", part))
    return found


def check_ours(database: Database) -> None:
    """Raise ForeignDatabase unless the database is empty or has the tables of this schema. Changes nothing."""
    with database.transaction() as db:
        _check_schema(db)


def _check_schema(db: Connection) -> None:
    """Compare the tables with schema.sql. Raises ForeignDatabase.

    Every table must have all columns of the first version. Without `schema_changes` (the first migration was
    interrupted, or schema.sql was loaded by hand) further tables and columns are not allowed. With it they are,
    because the additions of a newer version remain after a rollback to an older one.
    """
    found: Columns = {}
    for row in db.rows(_COLUMNS):
        found.setdefault(row["table_name"], set()).add(row["column_name"])
    marked = False
    if found.get("schema_changes") == {"name", "applied_at"}:
        marked = "schema" in _applied(db)
        del found["schema_changes"]
    if wrong := list(_foreign(found, marked=marked)):
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise ForeignDatabase(
            f"The database {db.value('SELECT DATABASE()')!r} holds tables of an older WikiVisage or of something else: "
            f"{', '.join(wrong[:_MOST_NAMED])}{more}. Nothing was changed. "
            "Set WIKIVISAGE_DB_NAME to the name of another database; it is created if it is not there."
        )


def _foreign(found: Columns, *, marked: bool) -> Iterator[str]:
    """Yield for each table that does not match the schema the reason, as part of a sentence."""
    today, added = schema_columns(), added_columns(CHANGES)
    for table, columns in found.items():
        if table not in today:
            if not marked:
                yield f"table {table} is unknown"
        elif lacking := today[table] - added.get(table, set()) - columns:
            yield f"table {table} has no column {min(lacking)}"
        elif (unknown := columns - today[table]) and not marked:
            yield f"table {table} has an unknown column {min(unknown)}"


def _applied(db: Connection) -> set[str]:
    """Return the names of the changes that were applied."""
    return set(db.column("SELECT name FROM schema_changes"))


def migrate(database: Database, changes: Sequence[Change] = CHANGES) -> list[str]:
    """Apply the missing changes and return their names, oldest first. Raises ForeignDatabase, DatabaseError.

    Only one migration runs at a time: another one waits for a named lock.
    """
    with database.transaction() as db:
        if not db.value("SELECT GET_LOCK(CONCAT(DATABASE(), '.migrate'), 60) AS locked"):
            raise DatabaseError("Another migration has been running for a minute. Wait for it, then run this again.")
        try:
            return _apply(db, changes)
        finally:
            db.execute("DO RELEASE_LOCK(CONCAT(DATABASE(), '.migrate'))")


def _apply(db: Connection, changes: Sequence[Change]) -> list[str]:
    _check_schema(db)
    empty = not db.value("SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() LIMIT 1")
    db.execute(_RECORD)
    applied = _applied(db)
    names = [name for name in ("schema", *(name for name, _ in changes)) if name not in applied]
    if "schema" in names:
        _create(db)
    for name, parts in changes:
        if name in names and not empty:  # a new database has the results of all changes from schema.sql
            for part in parts:
                db.execute(part)
    db.many("INSERT INTO schema_changes (name) VALUES (%s)", [(name,) for name in names])
    db.execute("COMMIT")  # before the lock is released, because a waiting migration reads at once
    return names


def _create(db: Connection) -> None:
    """Create the missing tables with their initial rows."""
    for statement in statements(SCHEMA.read_text(encoding="utf-8")):
        again = statement.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1)
        db.execute(again.replace("INSERT INTO", "INSERT IGNORE INTO", 1))


def reset(database: Database) -> None:
    """Drop every table of the database. Raises ForeignDatabase."""
    with database.transaction() as db:
        _check_schema(db)
        tables = db.column(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
        )
        db.execute("SET FOREIGN_KEY_CHECKS = 0")
        for table in tables:
            db.execute(f"DROP TABLE IF EXISTS `{table}`")
        db.execute("SET FOREIGN_KEY_CHECKS = 1")


def rotate_keys(database: Database, keys: Sequence[str]) -> tuple[int, int]:
    """Seal all stored tokens with the newest key. Raises store.accounts.tokens.BadKey.

    Safe while the service runs: a row that was refreshed meanwhile is not replaced but read again. Returns the number
    of users whose tokens were sealed, and of users whose tokens can be unsealed with none of the keys.
    """
    box, sealed, again = tokens.box(keys), 0, True
    while again:
        parts = list(_reseal_batches(database, box))
        sealed += sum(part.sealed for part in parts)
        again = any(part.changed_meanwhile for part in parts)
    return sealed, sum(part.unreadable for part in parts)


def _reseal_batches(database: Database, box: tokens.TokenBox) -> Iterator[users.Resealed]:
    """Reseal the tokens of all users once, and yield the result of each batch of users."""
    after = 0
    while True:
        part = database.retry(lambda db, after=after: users.reseal(db, box, after))  # type: ignore[misc]
        yield part
        after = part.last
        if not after:
            return


def _rotate(database: Database, settings: config.Settings) -> int:
    if not settings.token_keys:
        print("migrate: WIKIVISAGE_TOKEN_KEY is not set: there is no key to seal with.", file=sys.stderr)
        return 1
    try:
        sealed, unreadable = rotate_keys(database, settings.token_keys)
    except tokens.BadKey as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 1
    print(f"Resealed the tokens of {sealed} users. All readable tokens are sealed with the newest key.")
    if unreadable:
        print(f"{unreadable} users' tokens can be read with none of the keys; these users have to sign in again.")
    return 0


def main(arguments: list[str] | None = None, ask: Callable[[str], str] = input) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Migrate the database to the current schema.")
    parser.add_argument("--reset", action="store_true", help="drop all tables first; all answers are lost")
    parser.add_argument("--yes", action="store_true", help="do not ask before --reset")
    parser.add_argument("--rotate-keys", action="store_true", help="seal all stored tokens with the newest key")
    options = parser.parse_args(arguments)
    settings = config.load()
    database = Database(settings, size=1)
    try:
        if not options.rotate_keys:
            create_database(settings)
        check_ours(database)
        if options.rotate_keys:
            return _rotate(database, settings)
        if options.reset:
            question = f"Drop every table of {settings.database} on {settings.db_host}, with all answers? Type yes: "
            if not options.yes and ask(question).strip() != "yes":
                print("Nothing was changed.")
                return 1
            reset(database)
        names = migrate(database)
    except DatabaseError as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 1
    finally:
        database.close()
    print(f"Applied: {', '.join(names)}." if names else "The schema is up to date.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
