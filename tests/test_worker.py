"""Workers as processes: a project from its creation to its questions."""

import json
from pathlib import Path

from config import Settings
from database import Database
from sandbox.server import Sandbox
from tests import servers
from tests.pipeline.support import hog, new_project, person, rows, searched, until, value


def test_a_project_is_crawled_searched_and_modelled(
    local_settings: Settings, database: Database, sandbox: Sandbox, tmp_path: Path
):
    project = new_project(database, person(sandbox))
    worker = servers.worker(hog(local_settings), "one", tmp_path)
    try:
        until(lambda: searched(database, project), 100)
        until(lambda: value(database, "SELECT model_json FROM projects WHERE id = %s", project), 10)
    finally:
        assert worker.stop() == 0, worker.output()
    assert value(database, "SELECT COUNT(*) FROM files WHERE state = 'searched'") > 50
    gone = rows(database, "SELECT error, COUNT(*) AS n FROM files WHERE state <> 'searched' GROUP BY error")
    assert {row["error"]: row["n"] for row in gone} == {"redirect": 1, "no_file": 1}
    said = json.loads(value(database, "SELECT model_json FROM projects WHERE id = %s", project))
    assert said["on"] is False
    assert said["matches"]["bootstrap"] > 0
    assert value(database, "SELECT COUNT(*) FROM questions WHERE project_id = %s", project) > 10
    assert rows(database, "SELECT * FROM workers") == []
