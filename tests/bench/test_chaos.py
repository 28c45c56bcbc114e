"""Random faults of all components for a minute (bench/chaos.py), and the checks that judge the final state."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import chaos
from bench.chaos import Judged, Volunteer
from bench.faults.chaos import Crew
from database import Connection
from testing.publishing import ITEM, statements, workshop

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(900)]

GOOD = Judged(9, 9, 3, 0, 0, 0, 0, 0, 0, 0, 5, 20, 80.0, 75.0, 0, 1.0)


def test_one_minute_of_chaos_loses_and_duplicates_nothing(tmp_path: Path):
    results = tmp_path / "chaos.json"
    code = chaos.main(["--minutes", "1", "--files", "150", "--seed", "7", "--json", str(results)])
    found = json.loads(results.read_text(encoding="utf-8"))
    assert code == 0, found
    for name in ("lost_labels", "searched_twice", "statements_twice", "statements_missing", "leases_left", "orphans"):
        assert found[name] == 0, found
    for kind in ("worker killed", "child killed", "wiki fault", "database restarted"):
        assert found["struck"][kind] > 0, found  # Otherwise the test would prove nothing.


@pytest.mark.parametrize(
    "change",
    [
        {"files": 0},
        {"answers": 0},
        {"approved": 0},
        {"not_searched": 1},
        {"searched_twice": 1},
        {"lost_labels": 1},
        {"statements_twice": 1},
        {"statements_missing": 1},
        {"leases_left": 1},
        {"orphans": 1},
        {"connections": 21},
        {"memory_mb": 190.0},
        {"bad_exits": 1},
    ],
)
def test_single_violation_makes_the_result_bad(change: dict[str, Any]):
    assert GOOD.good
    assert not replace(GOOD, **change).good


@pytest.fixture(scope="module")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Volunteer, Crew]]:
    """A dozen files that one worker searched, answered and sent without faults."""
    folder = tmp_path_factory.mktemp("calm")
    with workshop(folder, 12) as shop:
        crew, volunteer = chaos.begin(shop, folder, 12, 0.05, ["steady"])
        answering = threading.Thread(target=volunteer.work, daemon=True)
        answering.start()
        chaos.come_to_rest(volunteer, answering, crew)
        yield volunteer, crew
        crew.stop()


def spoilt(sql: str) -> Callable[[Volunteer], object]:
    def work(db: Connection) -> int:
        return db.execute(sql)

    return lambda volunteer: volunteer.shop.database.retry(work)


def stated_again(volunteer: Volunteer) -> object:
    page_id = next(page for page, (_, word) in volunteer.said.items() if word == "target")
    return volunteer.shop.wiki.other("add_statement", id=page_id, value=ITEM)


def approved_and_not_sent(volunteer: Volunteer) -> object:
    stated = statements(volunteer.shop.wiki.state(), list(volunteer.said))
    page_id = next(page for page, count in stated.items() if not count)
    volunteer.said[page_id] = (volunteer.said[page_id][0], "target")
    return page_id


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("nothing", lambda volunteer: None),
        ("lost_labels", spoilt("DELETE FROM labels LIMIT 1")),
        ("lost_labels", spoilt("UPDATE labels SET label = 'unsure' LIMIT 1")),
        ("searched_twice", spoilt("UPDATE files SET searched_at = NOW() + INTERVAL 9 SECOND LIMIT 1")),
        ("searched_twice", spoilt("DELETE FROM faces ORDER BY page_id DESC LIMIT 1")),
        ("not_searched", spoilt("UPDATE files SET state = 'waiting' LIMIT 1")),
        ("leases_left", spoilt("UPDATE files SET lease_token = 'x' LIMIT 1")),
        ("statements_twice", stated_again),
        ("statements_missing", approved_and_not_sent),
    ],
)
def test_each_kind_of_violation_is_detected(
    rested: tuple[Volunteer, Crew], what: str, spoil: Callable[[Volunteer], object]
):
    volunteer, crew = rested
    before = chaos.judge(volunteer, crew, 100.0, 0.0)
    spoil(volunteer)
    after = chaos.judge(volunteer, crew, 100.0, 0.0)
    if what == "nothing":
        assert after.good, after
        return
    assert getattr(after, what) > getattr(before, what)
    assert not after.good
