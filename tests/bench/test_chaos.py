"""Everything fails at random for a minute; then all stands as it should (bench/chaos.py)."""

import json
from pathlib import Path

import pytest

from bench import chaos

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(900)]


def test_a_minute_of_chaos_loses_and_repeats_nothing(tmp_path: Path):
    told = tmp_path / "chaos.json"
    code = chaos.main(["--minutes", "1", "--files", "150", "--seed", "7", "--json", str(told)])
    found = json.loads(told.read_text(encoding="utf-8"))
    assert code == 0, found
    for name in ("lost_labels", "searched_twice", "statements_twice", "statements_missing", "leases_left", "orphans"):
        assert found[name] == 0, found
    for kind in ("worker killed", "child killed", "wiki fault", "database restarted"):
        assert found["struck"][kind] > 0, found  # or the test shows nothing
