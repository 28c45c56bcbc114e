"""Names with markup, quotes, bidirectional marks, emoji, 255 bytes, SQL or template syntax are shown as text."""

import pytest
from playwright.sync_api import Dialog, Page

from app import create_app
from database import Database
from store.detection import captions
from store.labelling import answers
from store.labelling.answers import NewAnswer
from store.labelling.review import SHOWS
from store.projects import projects
from store.projects.projects import NewProject
from store.publishing import plans
from testing.file_copies import change_files
from testing.labelling_project import Labelling
from tests.browser.conftest import Opener, Site
from tests.web.conftest import sign_up
from tests.web.nasty import NAMES
from tests.web.publishing.support import make_case
from tests.web.routes import TABLE

LABEL = "<script>document.title='owned'</script>\"'`{{7*7}}"
# Names that a MediaWiki title or user name can have: no control characters. NAMES has longer ones for typed input.
WORDS = [name for name in NAMES if name.isprintable() or "\u202e" in name]
# These are no pages, or they redirect to another site.
NO_PAGES = {"static", "account.start", "account.callback", "account.data", "pages.manifest", "pages.robots"}
NO_PAGES |= {"pages.favicon", "pictures.chip"}
PAGES = [
    route.split()[1]
    for route, row in TABLE.items()
    if route.startswith("GET") and not row.script and route.split()[1] not in NO_PAGES
]


@pytest.fixture
def named(site: Site, database: Database) -> Labelling:
    """A project in which everything that has a name has an unusual one."""
    with database.transaction() as db:
        alice, bob = sign_up(db, f"A{LABEL}"), sign_up(db, f"B{LABEL}")
        new = NewProject("Q42", LABEL, LABEL, description=LABEL, source_text=LABEL, excluded=LABEL)
        project_id = projects.create(db, alice.id, new)
        projects.add_member(db, project_id, bob.id, "labeller")
    case = make_case(database, project_id, {"Alice": alice.id, "Bob": bob.id}, len(WORDS) + 2)
    with database.transaction() as db:
        for page_id, word in zip(case.faces, WORDS, strict=False):
            db.execute(
                "UPDATE files SET title = %s, description = %s WHERE page_id = %s", (f"{word[:240]}.jpg", word, page_id)
            )
            captions.keep(db, {page_id: {"de": f"Ja {LABEL}"}})
        change_files(db, "UPDATE files SET face_count = 0 WHERE page_id = %s", (case.page(-2),))
        change_files(
            db,
            "UPDATE files SET state = 'error', error = 'image', error_detail = %s WHERE page_id = %s",
            (LABEL, case.page(-1)),
        )
        db.execute("DELETE FROM faces WHERE page_id IN (%s, %s)", (case.page(-2), case.page(-1)))
    for place in (0, 1, 2, 3, *range(8, len(WORDS))):
        case.record_answer(place, "target", "Bob" if place % 2 else "Alice")
    with database.transaction() as db:
        other = NewAnswer("o1", "s1", case.page(4), case.face(4), "other", reason=None)
        answers.record(db, project_id, bob.id, [other])
        plans.send(db, project_id, alice.id)
        db.execute("UPDATE edits SET state = 'failed', error = 'unknown', error_detail = %s LIMIT 1", (LABEL,))
    case.predict((5, "match", 0.99), (6, "unsure", 0.5), (7, "no_match", 0.1))
    found = Labelling(site.settings, database, project_id, alice.id, case.faces)
    found.rank([case.face(5), case.face(6)])
    return found


def test_names_are_shown_as_text_on_every_page(open_page: Opener, site: Site, named: Labelling):
    page = open_page("/projects", named.cookie())
    dialogs: list[str] = []

    def record_dialog(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", record_dialog)
    open_page.allow(r"status of 403 .*/admin\)$")
    seen = {name: displayed_text(page, name, site.address + path) for name, path in addresses(named).items()}
    shown = [endpoint for endpoint, text in seen.items() if LABEL in text]
    assert {
        "project.page",
        "dashboard.index",
        "classify.page",
        "review.page",
        "publishing.page",
        "settings.page",
    } <= set(shown), shown
    everything = " ".join(seen.values())
    assert [word for word in WORDS if plain(word)[:100] not in everything] == []
    assert [endpoint for endpoint in ("classify.page", "files.draw") if f"Ja {LABEL}" not in seen[endpoint]] == []
    assert dialogs == []
    assert "49" not in seen["project.page"].replace(LABEL, ""), "a template worked out what a name says"


def displayed_text(page: Page, endpoint: str, address: str) -> str:
    """Return the text of the page as displayed, and the names in its attributes for screen readers."""
    answer = page.goto(address)
    assert answer is not None
    assert answer.status < 500, endpoint
    if not (answer.headers.get("content-type") or "").startswith("text/html"):
        return ""
    assert page.title() != "owned", endpoint
    assert page.evaluate("document.querySelectorAll('script:not([src]):not([type*=json]), [onerror]').length") == 0
    read = "[...document.querySelectorAll('[title], [alt], [aria-label], input:not([type=hidden]), textarea')].map("
    read += (
        "e => [e.title, e.alt, e.getAttribute('aria-label'), e.value].join(' ')).join(' ') + document.body.innerText"
    )
    return plain(str(page.evaluate(f"{read} + document.body.textContent")))


def plain(text: str) -> str:
    return " ".join(text.split())


def addresses(named: Labelling) -> dict[str, str]:
    """Return the addresses of the pages of PAGES for this project."""
    app = create_app(named.settings)
    page_id, listed = next((page_id, listed) for page_id, listed in named.faces.items() if listed)
    with named.database.transaction() as db:
        batch_id = db.value("SELECT MAX(id) FROM batches")
    values = {"project_id": named.project_id, "page_id": page_id, "face_id": listed[0], "batch_id": batch_id}
    with app.test_request_context():
        rules = {rule.endpoint: rule for rule in app.url_map.iter_rules() if rule.endpoint in PAGES}
        found = {
            endpoint: app.url_for(endpoint, **{name: values[name] for name in rule.arguments})
            for endpoint, rule in rules.items()
        }
    for show in SHOWS:
        found[show] = f"{found['review.page']}?show={show}"
    return found
