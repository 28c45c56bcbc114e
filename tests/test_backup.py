"""Backup of the database while all processes run, and restore: no data is lost and no edit is sent twice."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import migrate
from config import Settings
from database import Database
from sandbox.server import Sandbox
from store import worker_claims
from store.publishing import batches
from testing import servers
from testing.file_copies import wrong_copies
from testing.publishing import Wiki
from testing.waiting import until
from tests.pipeline.publishing.support import Job, Killed, new_job, painted, raising
from tests.pipeline.support import hog, new_project, person, searched, value
from tests.test_upgrade import contents, fill

HAS_DUMP = shutil.which("mariadb-dump") or shutil.which("mysqldump")
pytestmark = pytest.mark.skipif(not HAS_DUMP, reason="needs mariadb-dump: script/setup --dev installs it or says how")
# Columns changed by store/restored.sql, by table.
CHANGED = {
    "workers": {"heartbeat_at"},
    "batches": {"state", "pause_reason", "waiting_until"},
    "edits": {"base_revision"},
}


def call(settings: Settings, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Call script/backup with these settings."""
    command = [sys.executable, "script/backup", *map(str, arguments)]
    env = servers.environment(settings) | more
    return subprocess.run(command, cwd=servers.ROOT, env=env, capture_output=True, text=True, check=False)


def backed_up(settings: Settings, file: Path) -> Path:
    done = call(settings, file)
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture
def restored(server: dict[str, str]) -> Iterator[Callable[[Settings, Path], Database]]:
    """Return a function that restores a backup into a new database and returns a pool for it."""
    with ExitStack() as stack:

        def restore(settings: Settings, file: Path) -> Database:
            elsewhere = replace(settings, db_name=f"{settings.database}_again")
            stack.callback(servers.administer, elsewhere, f"DROP DATABASE IF EXISTS `{elsewhere.database}`")
            done = call(elsewhere, "--restore", file)
            assert done.returncode == 0, done.stderr
            pool = Database(elsewhere, size=8)
            stack.callback(pool.close)
            return pool

        yield restore


Restore = Callable[[Settings, Path], Database]


def without(rows: list[dict[str, Any]], names: set[str]) -> list[dict[str, Any]]:
    return [{name: one for name, one in row.items() if name not in names} for row in rows]


def test_restore_brings_back_every_row(new_database: Settings, tmp_path: Path, restored: Restore):
    pool = Database(new_database, size=1)
    migrate.migrate(pool)
    with pool.transaction() as db:
        fill(db)
        before = contents(db)
    done = call(new_database, tmp_path / "all.sql.gz")
    assert "MB unpacked" in done.stdout
    assert (tmp_path / "all.sql.gz").stat().st_mode & 0o777 == 0o600
    again = restored(new_database, tmp_path / "all.sql.gz")
    with again.transaction() as db:
        after = contents(db)
    assert {table for table, rows in before.items() if not rows} == set()
    for table, rows in before.items():
        names = CHANGED.get(table, set())
        assert without(after[table], names) == without(rows, names), table
    assert migrate.migrate(again) == []
    pool.close()


def test_restored_database_does_not_reuse_ids_known_to_browsers(
    new_database: Settings, tmp_path: Path, restored: Restore
):
    pool = Database(new_database, size=1)
    migrate.migrate(pool)
    pool.close()
    again = restored(new_database, backed_up(new_database, tmp_path / "all.sql.gz"))
    with again.transaction() as db:
        rows = db.rows(
            """SELECT t.table_name, t.auto_increment FROM information_schema.tables t
               WHERE t.table_schema = DATABASE() AND EXISTS (SELECT 1 FROM information_schema.columns c
                 WHERE c.table_schema = DATABASE() AND c.table_name = t.table_name AND c.extra LIKE '%auto_increment%')"""
        )
    assert len(rows) >= 7
    assert [row["table_name"] for row in rows if row["auto_increment"] < 1_000_000] == []


@pytest.fixture
def full(settings: Settings, database: Database) -> Settings:
    """A database with tables."""
    return settings


def test_existing_file_is_not_overwritten(full: Settings, tmp_path: Path):
    file = tmp_path / "b.sql.gz"
    file.write_text("precious")
    done = call(full, file)
    assert (done.returncode, file.read_text()) == (1, "precious")
    assert f"{file} is there already" in done.stderr


def test_backup_of_a_database_without_tables_is_refused(new_database: Settings, tmp_path: Path):
    done = call(new_database, tmp_path / "b.sql.gz")
    assert done.returncode == 1
    assert "has no tables" in done.stderr
    assert list(tmp_path.iterdir()) == []


def fake(folder: Path, body: str) -> str:
    """Return a PATH on which mariadb-dump is this script."""
    folder.mkdir()
    program = folder / "mariadb-dump"
    program.write_text(f'#!/bin/bash\n[ "$1" = --version ] && {{ echo MariaDB; exit; }}\n{body}\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("echo CREATE; exit 0", "broke off before its end"),
        ("echo '-- Dump completed'; echo 'Got error: 2013' >&2; exit 3", "failed; the line above says why"),
    ],
)
def test_incomplete_dump_leaves_no_file(full: Settings, tmp_path: Path, body: str, sentence: str):
    out = tmp_path / "out"
    out.mkdir()
    done = call(full, out / "b.sql.gz", PATH=fake(tmp_path / "bin", body))
    assert done.returncode == 1
    assert f"{sentence}. No file was written." in done.stderr
    assert list(out.iterdir()) == []


def test_password_is_not_on_a_command_line(full: Settings, tmp_path: Path):
    path = fake(tmp_path / "bin", f'echo "$@" > {tmp_path}/arguments; echo "-- Dump completed"')
    assert call(full, tmp_path / "b.sql.gz", PATH=path).returncode == 0
    command_line = (tmp_path / "arguments").read_text()
    assert "--single-transaction" in command_line
    assert full.db_password
    assert full.db_password not in command_line


def test_option_file_is_used_instead_of_settings(full: Settings, tmp_path: Path):
    """As on a bastion: no settings in the environment, and a Python without packages."""
    options = tmp_path / "replica.my.cnf"
    options.write_text(
        f"[client]\nuser = {full.db_user}\npassword = {full.db_password}\nport = {full.db_port}\nskip-ssl\n"
    )
    bare = [sys.executable, "-I", "-S", "script/backup", "--defaults-file", options, "--host", full.db_host]
    command = [*map(str, bare), "--database", full.database, str(tmp_path / "b.sql.gz")]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=servers.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert gzip.decompress((tmp_path / "b.sql.gz").read_bytes()).count(b"CREATE TABLE") > 20


def nightly(settings: Settings, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command of the guide's scheduled job on the database of this test."""
    guide = (servers.ROOT / "how-to-run-it.md").read_text()
    found = re.search(r"^toolforge jobs run backup .* --command '(.*)'$", guide, re.MULTILINE)
    assert found
    where = {"tools.db.svc.wikimedia.cloud": settings.db_host, "s12345__wikivisage": settings.database}
    command = found[1]
    for name, here in where.items():
        assert name in command
        command = command.replace(name, here)
    env = servers.environment(HOME=str(home))
    return subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False)


def test_nightly_job_of_the_guide_makes_a_backup_that_can_be_restored(
    full: Settings, tmp_path: Path, restored: Restore
):
    options = f"[client]\nuser = {full.db_user}\npassword = {full.db_password}\nport = {full.db_port}\nskip-ssl\n"
    (tmp_path / "replica.my.cnf").write_text(options)
    done = nightly(full, tmp_path)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("wikivisage-day-*.sql.gz")
    whole = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert value(restored(full, file), "SELECT COUNT(*) FROM signals") == 1
    (tmp_path / "replica.my.cnf").write_text(options.replace(full.db_password, "wrong"))
    assert nightly(full, tmp_path).returncode != 0
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--defaults-file", "no.cnf", "--database", "x"], "--defaults-file: there is no file no.cnf"),
        (["--defaults-file", "README.md"], "--defaults-file wants --database"),
        (["--database", "x"], "--database belongs to --defaults-file"),
        (["--defaults-file", "README.md", "--database", "x;y"], "'x;y' is no name of a database"),
    ],
)
def test_invalid_arguments_of_the_backup_are_reported(
    full: Settings, tmp_path: Path, arguments: list[str], sentence: str
):
    done = call(full, *arguments, tmp_path / "b.sql.gz")
    assert done.returncode == 1
    assert sentence in done.stderr


def test_restore_into_a_database_that_is_not_empty_is_refused(full: Settings, tmp_path: Path):
    file = backed_up(full, tmp_path / "b.sql.gz")
    servers.administer(full, f"UPDATE `{full.database}`.signals SET counter = 7")
    done = call(full, "--restore", file)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert servers.administer(full, f"SELECT counter FROM `{full.database}`.signals") == [(7,)]


@pytest.mark.parametrize("damage", ["cut", "ended early", "something else", "no gzip", "missing"])
def test_damaged_backup_is_refused_before_anything_is_loaded(
    full: Settings, new_database: Settings, tmp_path: Path, damage: str
):
    whole = backed_up(full, tmp_path / "whole.sql.gz").read_bytes()
    file = tmp_path / "b.sql.gz"
    text = gzip.decompress(whole)
    made = {
        "cut": whole[: len(whole) // 2],
        "ended early": gzip.compress(text[: len(text) * 2 // 3]),
        "something else": gzip.compress(b"CREATE TABLE `pages` (id INT);\n-- Dump completed on a day\n"),
        "no gzip": text,
    }
    if damage in made:
        file.write_bytes(made[damage])
    done = call(new_database, "--restore", file)
    assert done.returncode == 1
    assert done.stderr.startswith(f"script/backup: {file} ")
    assert "Nothing was changed" in done.stderr
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{new_database.database}'"
    assert servers.administer(new_database, tables) == []


# The following tests continue the main job.


@pytest.fixture(scope="module")
def wiki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    with painted(tmp_path_factory.mktemp("painted"), 12) as found:
        yield found


@pytest.fixture
def job(settings: Settings, database: Database, wiki: Wiki) -> Job:
    return new_job(settings, database, wiki, files=8)


def interrupted(job: Job) -> int:
    """Send a batch until a worker is killed during its fourth request; the request is processed by the wiki."""
    batch = job.send()
    job.after[3] = raising(Killed())
    with pytest.raises(Killed):
        job.run()
    assert job.states(batch) == {"done": 3, "sending": 1, "queued": 4}
    return batch


def resumed(job: Job, pool: Database, batch: int) -> Job:
    """The same volunteer on the restored database: nothing is sent until they resume the batch."""
    settings = replace(job.settings, db_name=f"{job.settings.database}_again")
    again = Job(settings, pool, job.wiki, job.user_id, job.project_id, job.page_ids)
    pool.retry(lambda db: worker_claims.register(db, "another", "localhost", 1))
    pool.retry(worker_claims.release_dead_workers)
    again.run("another")
    assert again.writes == []
    assert again.batch(batch)["state"] == "paused"
    pool.retry(lambda db: batches.resume(db, batch))
    again.finish()
    return again


def test_edit_not_sent_before_the_backup_is_sent_once(job: Job, tmp_path: Path, restored: Restore):
    batch = interrupted(job)
    pool = restored(job.settings, backed_up(job.settings, tmp_path / "b.sql.gz"))
    again = resumed(job, pool, batch)
    assert [len(job.guids(page)) for page in job.page_ids] == [1] * 8
    assert (len(job.writes), len(again.writes)) == (4, 4)
    assert again.states(batch) == {"done": 8}
    for page in job.page_ids:
        assert again.row(page)["statement_id"] == job.guids(page)[0]


def test_edit_sent_after_the_backup_is_not_sent_again(job: Job, tmp_path: Path, restored: Restore):
    """Also not if another user reverted it, or reverted it and added it again."""
    batch = interrupted(job)
    file = backed_up(job.settings, tmp_path / "b.sql.gz")
    job.after.clear()
    job.database.retry(lambda db: worker_claims.register(db, "test", "localhost", 1))
    job.finish()
    stand = {page: job.guids(page) for page in job.page_ids}
    assert [len(guids) for guids in stand.values()] == [1] * 8
    taken, again_by_bob = job.page_ids[-1], job.page_ids[-2]
    for page in (taken, again_by_bob):
        job.wiki.other("remove_statement", id=page, guid=stand[page][0], user="Bob")
    by_bob = job.by_bob(again_by_bob)
    revisions = job.wiki.state()["files"]
    again = resumed(job, restored(job.settings, file), batch)
    assert again.writes == []
    assert job.wiki.state()["files"] == revisions
    assert {page: job.guids(page) for page in job.page_ids} == stand | {taken: [], again_by_bob: [by_bob]}
    assert again.states(batch) == {"done": 6, "reverted": 1, "already": 1}
    for page in job.page_ids[:6]:  # They can be undone as before.
        assert again.row(page)["statement_id"] == stand[page][0]


def test_undo_sent_after_the_backup_is_not_sent_again(job: Job, tmp_path: Path, restored: Restore):
    job.send()
    job.finish()
    undo = job.undo(*job.page_ids)
    file = backed_up(job.settings, tmp_path / "b.sql.gz")
    job.finish()
    assert [job.guids(page) for page in job.page_ids] == [[]] * 8
    anew = job.by_bob(job.page_ids[0])
    again = resumed(job, restored(job.settings, file), undo)
    assert again.writes == []
    assert job.guids(job.page_ids[0]) == [anew]
    assert again.states(undo) == {"done": 8}


@contextmanager
def working(settings: Settings, name: str, folder: Path) -> Iterator[servers.Process]:
    process = servers.sleeping_worker(settings, name, folder, 0.05)
    try:
        yield process
    finally:
        process.stop()


def test_backup_during_detection_is_complete_and_detection_continues(
    local_settings: Settings, database: Database, sandbox: Sandbox, tmp_path: Path, restored: Restore
):
    settings = hog(local_settings, batch_size=4, detector_children=1, max_files=30)
    done = "SELECT COUNT(*) FROM files WHERE state = 'searched'"
    with working(settings, "one", tmp_path):
        project = new_project(database, person(sandbox))
        until(lambda: value(database, done) > 3)
        file = backed_up(settings, tmp_path / "b.sql.gz")
        until(lambda: searched(database, project))
    pool = restored(settings, file)
    assert value(pool, "SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL") > 0, "nothing was claimed: no test"
    assert 3 < value(pool, done) < value(database, done)
    elsewhere = replace(settings, db_name=f"{settings.database}_again")
    with working(elsewhere, "two", tmp_path):
        until(lambda: searched(pool, project))
        until(lambda: value(pool, "SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL") == 0)
    listed = "SELECT GROUP_CONCAT(page_id, state ORDER BY page_id) FROM files"
    assert value(pool, listed) == value(database, listed)
    with pool.transaction() as db:
        assert wrong_copies(db) == []
