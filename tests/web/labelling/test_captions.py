"""The caption of a file in the reader's language or the nearest one, and the description where it adds information."""

import re
from html import unescape

import pytest
from flask import Flask

from config import Settings
from database import Database
from store.accounts.users import User
from store.detection import captions, files
from testing.file_copies import change_files
from testing.labelling_project import Labelling, fill, nowhere
from tests.web.browser import JSON, Browser
from tests.web.nasty import NAMES
from web.labelling.captions import file_texts

CAPTIONS = {
    "en": "A portrait",
    "nb": "Et portrett",
    "es": "Un retrato",
    "fr": "Un portrait",
    "de": "Ein Porträt",
}
PAGES = ("en", "nb", "es", "fr")


@pytest.fixture
def labelling(web_settings: Settings, database: Database, app: Flask) -> Labelling:
    """Two files: in the first, a face is asked about; in the second, no face was found."""
    made = fill(web_settings, database, nowhere(2), 2)
    with database.transaction() as db:
        db.execute("DELETE FROM faces WHERE page_id = %s", (pages(made)[1],))
        change_files(db, "UPDATE files SET face_count = 0 WHERE page_id = %s", (pages(made)[1],))
    return made


@pytest.fixture
def alice(app: Flask, labelling: Labelling) -> Browser:
    return Browser(app, User(labelling.user_id, "alice", "Alice", None, False, 0, True))


def pages(labelling: Labelling) -> list[int]:
    return sorted(labelling.faces)


def write(labelling: Labelling, found: dict[str, str], description: str | None) -> None:
    with labelling.database.transaction() as db:
        captions.keep(db, dict.fromkeys(pages(labelling), found))
        db.execute("UPDATE files SET description = %s", (description,))


def shown(alice: Browser, labelling: Labelling, language: str = "en") -> list[tuple[str, str, str]]:
    """Return caption, its `lang` and description on each page: question, grid, page of one file, review."""
    alice.client.set_cookie("language", language)
    face = next(faces[0] for faces in labelling.faces.values() if faces)
    addresses = ["classify", "files", f"files/{pages(labelling)[1]}/draw", f"review/faces/{face}"]
    found = [parts(alice.get(f"/projects/{labelling.project_id}/{path}").text) for path in addresses]
    answer = alice.client.get(f"/projects/{labelling.project_id}/questions.json", headers=JSON)
    assert answer.json is not None
    (question,) = answer.json["questions"]
    return [*found, (question["caption"], question["caption_lang"], question["description"])]


def parts(html: str) -> tuple[str, str, str]:
    found = re.findall(
        r'dir="auto"[^<]*><span class="caption"(?: lang="([^"]*)")?>([^<]*)</span>'
        r' <span class="described"( dir="auto")?>([^<]*)</span>',
        html,
    )
    assert len(found) <= 1
    language, caption, apart, description = map(unescape, found[0] if found else ("", "", "", ""))
    assert bool(apart) == bool(caption)
    return caption, language, description


@pytest.mark.parametrize("language", PAGES)
def test_caption_is_shown_in_the_readers_language(alice: Browser, labelling: Labelling, language: str):
    write(labelling, CAPTIONS, None)
    assert set(shown(alice, labelling, language)) == {(CAPTIONS[language], "", "")}


@pytest.mark.parametrize("language", PAGES)
def test_caption_in_another_language_is_marked_with_its_language(alice: Browser, labelling: Labelling, language: str):
    write(labelling, {"de": CAPTIONS["de"]}, "Taken by me")
    assert set(shown(alice, labelling, language)) == {("Ein Porträt", "de", "Taken by me")}


@pytest.mark.parametrize("language", PAGES)
def test_description_is_shown_without_a_caption(alice: Browser, labelling: Labelling, language: str):
    for description in ("Taken by me", "…"):
        write(labelling, {}, description)
        assert set(shown(alice, labelling, language)) == {("", "", description)}


def test_nothing_is_shown_without_caption_and_description(alice: Browser, labelling: Labelling):
    write(labelling, {}, None)
    assert set(shown(alice, labelling)) == {("", "", "")}


NEAREST = [
    ("nb", ["en", "nb"], "nb"),
    ("nb", ["de", "en", "nn"], "nn"),
    ("es", ["en", "es-419"], "es-419"),
    ("fr", ["de", "en", "en-gb"], "en"),
    ("fr", ["de", "en-gb"], "en-gb"),
    ("en", ["de", "en-ca", "fr"], "en-ca"),
    ("fr", ["sv", "de"], "de"),
]


@pytest.mark.parametrize(("language", "there", "taken"), NEAREST)
def test_nearest_language_is_chosen(alice: Browser, labelling: Labelling, language: str, there: list[str], taken: str):
    write(labelling, {name: f"in {name}" for name in there}, None)
    assert set(shown(alice, labelling, language)) == {(f"in {taken}", "" if taken == language else taken, "")}


SAID = [
    ("Tony Blair in 2003", "Tony Blair in 2003", False),
    ("Tony Blair in 2003", " tony BLAIR,  in 2003. ", False),
    ("A photograph of Tony Blair", "Tony Blair.", False),
    ("Tony Blair", "Tony Blair in 2003", True),
    ("Tony Blair in 2003", "Tony", False),
    ("Tony Blair in 2003", "To", True),
    ("Tony Blair in 2003", "Portrait", True),
    ("トニー・ブレア", "トニー", False),
    ("A portrait", "...", False),
]


@pytest.mark.parametrize(("caption", "description", "both"), SAID)
def test_description_that_repeats_the_caption_is_omitted(
    app: Flask, labelling: Labelling, caption: str, description: str, both: bool
):
    write(labelling, {"en": caption}, description)
    with labelling.database.transaction() as db:
        file = files.get(db, pages(labelling)[:1])[pages(labelling)[0]]
    with app.test_request_context():
        assert file_texts(file) == {"caption": caption, "caption_lang": "", "description": description if both else ""}


@pytest.mark.parametrize("name", NAMES)
def test_markup_in_a_caption_is_escaped(alice: Browser, labelling: Labelling, name: str):
    write(labelling, {"en": name[:255]}, None)
    assert {caption for caption, _, _ in shown(alice, labelling)} == {name[:255]}
