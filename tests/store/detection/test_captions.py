"""Captions of files: stored once for all projects, limited in size, and deleted when the wiki has none any more."""

import pytest

from database import Connection
from store.detection import captions, files
from tests.store import support


@pytest.fixture
def project(db: Connection) -> int:
    return support.project(db, pages=[1, 2])


def kept(db: Connection, page: int) -> dict[str, str]:
    return captions.read(files.get(db, [page])[page].captions)


def test_new_captions_replace_the_stored_ones(db: Connection, project: int):
    captions.keep(db, {1: {"de": "Ein Porträt", "nb": "Et portrett"}, 2: {}, 77: {"en": "Nobody looks"}})
    assert (kept(db, 1), kept(db, 2)) == ({"de": "Ein Porträt", "nb": "Et portrett"}, {})
    assert files.get(db, [77]) == {}
    captions.keep(db, {2: {"en": '<b>A</b> 👩🏽‍🚀 "portrait" \\ %s {0}'}})
    assert kept(db, 2) == {"en": '<b>A</b> 👩🏽‍🚀 "portrait" \\ %s {0}'}
    captions.keep(db, {1: {}, 2: {"en": "A portrait"}})
    assert (kept(db, 1), kept(db, 2)) == ({}, {"en": "A portrait"})
    assert files.get(db, [1])[1].captions is None


def test_captions_are_kept_when_another_project_adds_the_file(db: Connection, project: int):
    captions.keep(db, {1: {"en": "A portrait"}})
    support.project(db, "Bob", "Somebody else", pages=[1])
    assert kept(db, 1) == {"en": "A portrait"}


def test_captions_in_the_languages_of_the_site_and_their_variants_are_stored(db: Connection, project: int):
    others = [f"{first}{second}" for first in "abcd" for second in "xyz"]
    pages = ["en", "es", "fr", "nb", "en-gb", "nn", "no"]
    captions.keep(db, {1: dict.fromkeys(reversed([*pages, *others]), "𝕏" * 255)})
    assert list(kept(db, 1)) == [*pages, "ax", "ay", "az"]
    assert set(kept(db, 1).values()) == {"𝕏" * 255}
    assert len(files.get(db, [1])[1].captions or "") < captions.MOST * 300
