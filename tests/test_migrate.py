"""The migration: creates the schema once, applies changes in order, and asks before tables are dropped."""

import subprocess
import sys
import threading

import pytest
from cryptography.fernet import Fernet

import migrate
from config import Settings
from database import Connection, Database
from store.accounts import users
from testing import servers
from testing.waiting import joined
from token_crypto import TokenBox


@pytest.fixture
def pool(new_database: Settings):
    database = Database(new_database, size=4)
    yield database
    database.close()


def tables(pool: Database) -> set[str]:
    with pool.transaction() as db:
        return set(db.column("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"))


def test_empty_database_gets_the_schema_and_a_second_run_changes_nothing(pool: Database):
    assert migrate.migrate(pool)[0] == "schema"
    first = tables(pool)
    assert {"files", "faces", "answers", "edits", "signals"} <= first
    assert migrate.migrate(pool) == []
    assert tables(pool) == first


def test_interrupted_migration_is_completed_by_the_next_run(pool: Database):
    with pool.transaction() as db:
        db.execute(migrate.statements(migrate.SCHEMA.read_text(encoding="utf-8"))[0])
    migrate.migrate(pool)
    with pool.transaction() as db:
        assert db.value("SELECT COUNT(*) FROM signals") == 1


def test_concurrent_migrations_wait_for_each_other(pool: Database):
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate.migrate(pool))) for _ in range(3)]
    for thread in threads:
        thread.start()
    joined(threads)
    assert sorted(len(names) > 0 for names in done) == [False, False, True]


@pytest.mark.parametrize(("reply", "kept"), [("yes", False), ("no", True), ("", True)])
def test_reset_asks_for_confirmation(new_database: Settings, monkeypatch: pytest.MonkeyPatch, reply: str, kept: bool):
    for name, value in servers.variables(new_database).items():
        monkeypatch.setenv(name, value)
    assert migrate.main([]) == 0
    pool = Database(new_database, size=1)
    with pool.transaction() as db:
        db.execute("UPDATE signals SET counter = 7")
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return reply

    assert migrate.main(["--reset"], ask) == (1 if kept else 0)
    assert new_database.database in asked[0]
    with pool.transaction() as db:
        assert db.value("SELECT counter FROM signals") == (7 if kept else 0)
    pool.close()


def test_changes_are_applied_once_and_in_order(pool: Database):
    migrate.migrate(pool)
    changes = [
        ("first", ["CREATE TABLE IF NOT EXISTS a (n INT)"]),
        ("second", ["ALTER TABLE a ADD IF NOT EXISTS m INT"]),
    ]
    assert migrate.migrate(pool, changes) == ["first", "second"]
    assert migrate.migrate(pool, changes) == []


OLDER = [
    """CREATE TABLE users (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, wiki_user_id BIGINT UNSIGNED NOT NULL UNIQUE,
         wiki_username VARCHAR(255) NOT NULL, access_token VARBINARY(2048) NOT NULL)""",
    """CREATE TABLE projects (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL,
         wikidata_qid VARCHAR(20) NOT NULL, commons_category VARCHAR(255) NOT NULL)""",
    """CREATE TABLE images (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, project_id BIGINT UNSIGNED NOT NULL)""",
    """CREATE TABLE faces (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, image_id BIGINT UNSIGNED NOT NULL)""",
    "INSERT INTO users (wiki_user_id, wiki_username, access_token) VALUES (1, 'Ada', 'sealed')",
]


def dump(pool: Database) -> dict[str, list[dict[str, object]]]:
    """Return every row of every table, with all columns."""
    with pool.transaction() as db:
        return {name: db.rows(f"SELECT * FROM `{name}`") for name in sorted(tables(pool))}


@pytest.mark.parametrize("arguments", [[], ["--reset", "--yes"], ["--rotate-keys"]])
@pytest.mark.parametrize(
    ("made", "named"),
    [
        (OLDER, "table faces has no column box_height, table images is unknown"),
        (["CREATE TABLE pages (id INT)"], "table pages is unknown"),
        (["CREATE TABLE signals (id INT, counter INT, noise INT)"], "table signals has an unknown column noise"),
        (["CREATE TABLE schema_changes (version INT)"], "table schema_changes is unknown"),
        (
            [migrate._RECORD, "INSERT INTO schema_changes (name) VALUES ('schema')", *OLDER],
            "faces has no column box_height",
        ),
    ],
)
def test_database_of_another_application_is_refused_and_not_changed(
    new_database: Settings,
    pool: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: list[str],
    named: str,
    arguments: list[str],
):
    for name, value in servers.variables(new_database).items():
        monkeypatch.setenv(name, value)
    with pool.transaction() as db:
        for statement in made:
            db.execute(statement)
    before = dump(pool)
    assert migrate.main(arguments) == 1
    message = capsys.readouterr().err
    assert named in message
    assert f"{new_database.database!r} holds tables of an older WikiVisage" in message
    assert "Nothing was changed. Set WIKIVISAGE_DB_NAME" in message
    assert dump(pool) == before


def test_no_command_changes_the_database_of_another_application(pool: Database):
    with pool.transaction() as db:
        db.execute("CREATE TABLE images (id INT)")
    for change in (migrate.migrate, migrate.reset):
        with pytest.raises(migrate.ForeignDatabase):
            change(pool)
    assert tables(pool) == {"images"}


def test_database_with_additions_of_a_newer_version_is_accepted(pool: Database):
    migrate.migrate(pool)
    with pool.transaction() as db:
        db.execute("ALTER TABLE users ADD COLUMN pronoun VARCHAR(10) NULL")
        db.execute("CREATE TABLE badges (id INT)")
    assert migrate.migrate(pool) == []


def test_schema_is_split_into_complete_statements():
    text = migrate.SCHEMA.read_text(encoding="utf-8")
    assert all(statement.startswith(("CREATE TABLE", "INSERT")) for statement in migrate.statements(text))


def _sign_in(db: Connection, name: str, keys: list[str]) -> int:
    return users.sign_in(
        db,
        TokenBox(keys),
        subject=name,
        name=name,
        blocked=False,
        access=f"a {name}",
        refresh=f"r {name}",
        expires_in=60,
    ).id


def test_rotation_encrypts_every_token_with_the_newest_key(database: Database):
    oldest, old, new, lost = (Fernet.generate_key().decode() for _ in range(4))
    keys_of = {"plain": [], "oldest": [oldest], "old": [old, oldest], "new": [new], "lost": [lost]}
    with database.transaction() as db:
        ids = {name: _sign_in(db, name, keys) for name, keys in keys_of.items()}
    assert migrate.rotate_keys(database, [new, old, oldest]) == (3, 1)
    assert migrate.rotate_keys(database, [new, old, oldest]) == (0, 1)
    with database.transaction() as db:
        for name in ("plain", "oldest", "old", "new"):
            stored = users.tokens(db, TokenBox([new]), ids[name])
            assert stored is not None
            assert (stored.access, stored.refresh) == (f"a {name}", f"r {name}")


def test_rotation_during_token_refreshes_loses_no_token(database: Database):
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    with database.transaction() as db:
        ids = [_sign_in(db, f"user {number}", [old]) for number in range(30)]
    stop, refreshed = threading.Event(), dict.fromkeys(ids, 0)

    def refresh() -> None:
        while not stop.is_set():
            for user_id in ids[::3]:
                refreshed[user_id] += 1
                with database.transaction() as db:
                    version = db.value("SELECT token_version FROM users WHERE id = %s", (user_id,))
                    access, fresh = f"a {refreshed[user_id]}", f"r {refreshed[user_id]}"
                    box = TokenBox([new, old])
                    users.end_refresh(db, box, user_id, version, access=access, refresh=fresh, expires_in=60)

    thread = threading.Thread(target=refresh)
    thread.start()
    try:
        migrate.rotate_keys(database, [new, old])
    finally:
        stop.set()
        thread.join()
    with database.transaction() as db:
        for user_id, times in refreshed.items():
            stored = users.tokens(db, TokenBox([new]), user_id)
            assert stored is not None
            if times:
                assert (stored.access, stored.refresh) == (f"a {times}", f"r {times}")


def test_rotation_without_a_key_is_refused_with_a_message(settings: Settings):
    command = [sys.executable, "migrate.py", "--rotate-keys"]
    env = servers.environment(settings)
    done = subprocess.run(command, cwd=servers.ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "WIKIVISAGE_TOKEN_KEY is not set" in done.stderr) == (1, True)
