"""Other people in a photograph: items stated on Commons and items in answers, with their names."""

import pytest

from database import Connection
from store.detection import depicted_items, files
from store.detection.depicted_items import Named
from tests.store import support
from tests.store.support import LEFT

BLAIR, PIANO, BERTA = "Q9545", "Q5994", "Q1001"


@pytest.fixture
def project(db: Connection) -> int:
    return support.project(db, pages=[1, 2])


def others(db: Connection, page: int, *answered: str) -> tuple[Named, ...]:
    return depicted_items.others(db, files.get(db, [page]), {page: answered}, "Q42")[page]


def test_stated_items_are_listed_without_the_person_asked_about(db: Connection, project: int):
    depicted_items.keep_stated(db, {1: [BLAIR, "Q42", PIANO, BLAIR], 2: [], 77: [BLAIR]})
    assert others(db, 1) == (Named(PIANO, True, {}), Named(BLAIR, True, {}))
    assert others(db, 2) == ()
    depicted_items.keep_stated(db, {1: [BLAIR]})
    assert [named.item for named in others(db, 1)] == [BLAIR]


def test_items_of_answers_come_first_and_are_listed_once(db: Connection, project: int):
    depicted_items.keep_stated(db, {1: [PIANO, BERTA]})
    assert others(db, 1, BERTA) == (Named(BERTA, False, {}), Named(PIANO, True, {}))


def test_long_list_of_items_is_cut_at_an_item(db: Connection, project: int):
    depicted_items.keep_stated(db, {1: [f"Q{number}" for number in range(1000, 2000)]})
    stored = files.get(db, [1])[1].depicts
    assert stored is not None
    assert len(stored) <= 1000
    assert stored.endswith("Q1165")
    assert len(others(db, 1)) == depicted_items.MOST


def test_item_labels_are_stored_once_in_all_languages(db: Connection, project: int):
    depicted_items.keep_stated(db, {1: [BLAIR, PIANO], 2: [BLAIR]})
    (face,) = support.search(db, 2, LEFT)
    support.record_answer(db, project, support.user(db), 2, face, "other", other_item=BERTA)
    assert depicted_items.nameless(db, project, [1]) == [PIANO, BLAIR]
    assert depicted_items.nameless(db, project, [1, 2]) == [BERTA, PIANO, BLAIR]
    depicted_items.keep_labels(db, {BLAIR: {"en": "Tony Blair", "es": "Tony Blair"}, PIANO: {}}, complete=True)
    depicted_items.keep_labels(db, {BERTA: {"nb": "Berta"}}, complete=False)  # found while typing, in one language
    assert depicted_items.nameless(db, project, [1, 2]) == [BERTA]
    assert others(db, 2, BERTA) == (
        Named(BERTA, False, {"nb": "Berta"}),
        Named(BLAIR, True, {"en": "Tony Blair", "es": "Tony Blair"}),
    )
    db.execute("UPDATE item_labels SET read_at = NOW() - INTERVAL 91 DAY WHERE item = %s", (BLAIR,))
    assert depicted_items.nameless(db, project, [1]) == [BLAIR]
