"""Captions of files: kept once for all, within bounds, and given up when the wiki has none any more."""

import pytest

from database import Connection
from store.detection import captions, files
from tests.store import support


@pytest.fixture
def project(db: Connection) -> int:
    return support.project(db, pages=[1, 2])


def kept(db: Connection, page: int) -> dict[str, str]:
    return captions.read(files.get(db, [page])[page].captions)


def test_what_the_wiki_has_replaces_what_it_had(db: Connection, project: int):
    captions.keep(db, {1: {"de": "Ein Porträt", "nb": "Et portrett"}, 2: {}, 77: {"en": "Nobody looks"}})
    assert (kept(db, 1), kept(db, 2)) == ({"de": "Ein Porträt", "nb": "Et portrett"}, {})
    assert files.get(db, [77]) == {}
    captions.keep(db, {2: {"en": '<b>A</b> 👩🏽‍🚀 "portrait" \\ %s {0}'}})
    assert kept(db, 2) == {"en": '<b>A</b> 👩🏽‍🚀 "portrait" \\ %s {0}'}
    captions.keep(db, {1: {}, 2: {"en": "A portrait"}})
    assert (kept(db, 1), kept(db, 2)) == ({}, {"en": "A portrait"})
    assert files.get(db, [1])[1].captions is None


def test_a_file_of_two_projects_has_one_caption(db: Connection, project: int):
    captions.keep(db, {1: {"en": "A portrait"}})
    support.project(db, "Bob", "Somebody else", pages=[1])
    assert kept(db, 1) == {"en": "A portrait"}


def test_of_many_languages_those_of_the_pages_and_their_variants_stay(db: Connection, project: int):
    others = [f"{first}{second}" for first in "abcd" for second in "xyz"]
    pages = ["en", "es", "fr", "nb", "en-gb", "nn", "no"]
    captions.keep(db, {1: dict.fromkeys(reversed([*pages, *others]), "𝕏" * 255)})
    assert list(kept(db, 1)) == [*pages, "ax", "ay", "az"]
    assert set(kept(db, 1).values()) == {"𝕏" * 255}
    assert len(files.get(db, [1])[1].captions or "") < captions.MOST * 300
