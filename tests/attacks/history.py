"""A random history of the running product, and the oracle that judges it by the pages that were fetched.

What was shown is read from the page that somebody looked at before they pressed a button. What happened is read from the
revisions of the wiki. How the program binds the one to the other is its own affair.
"""

import random
import re
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.attacks.pages import Element, Form, Page
from tests.attacks.site import ADMIN, Project, Site, until
from tests.attacks.volunteer import Refused, step

OWNERS = ("Olga", "Otto")
LABELLERS = ("Lea", "Lars")
GRACE_S = 2.0  # a request that was out when something changed may still arrive
FILES = 12  # of a project
MOST_GONE = 4
WEIGHTS = (6, 2, 3, 1)  # how often something happens in each project: most in one, so that people meet
QUIET_SQL = """SELECT
  (SELECT COUNT(*) FROM tasks t LEFT JOIN projects p ON p.id = t.subject_id AND t.kind NOT IN ('publish', 'purge')
     WHERE t.due_at < NOW() + INTERVAL 1 MINUTE AND (t.kind IN ('publish', 'purge') OR (p.status = 'active' AND p.barred IS NULL)))
  + (SELECT COUNT(*) FROM tasks WHERE lease_token IS NOT NULL) + (SELECT COUNT(*) FROM files WHERE lease_token IS NOT NULL)
  + (SELECT COUNT(*) FROM edits e JOIN batches b ON b.id = e.batch_id WHERE e.state = 'sending'
       OR (e.state = 'queued' AND b.state = 'running'))
  + (SELECT COUNT(*) FROM project_files pf JOIN projects p ON p.id = pf.project_id
       WHERE p.status = 'active' AND pf.search_due_at < NOW() + INTERVAL 1 SECOND)"""
# Faces whose encoding or picture is kept without the bytes they were found in, or without anybody who may look at them.
KEPT = """FROM faces f JOIN files x ON x.page_id = f.page_id LEFT JOIN face_chips c ON c.face_id = f.id
  WHERE (f.encoding IS NOT NULL OR c.face_id IS NOT NULL)"""
KEPT_SQL = {
    "a face of a deleted file is kept": f"SELECT COUNT(*) {KEPT} AND x.state = 'gone'",
    "a face of an overwritten file is kept": f"""SELECT COUNT(*) {KEPT} AND x.state = 'searched' AND f.sha1 <> x.sha1""",
    "a face of blocked people alone is kept": f"""SELECT COUNT(*) {KEPT} AND NOT EXISTS (SELECT 1 FROM project_files pf
      JOIN projects p ON p.id = pf.project_id WHERE pf.page_id = f.page_id AND p.barred IS NULL AND p.status <> 'deleted')""",
}
ALONE_SQL = (
    """SELECT COUNT(*) FROM faces f WHERE NOT EXISTS (SELECT 1 FROM project_files pf WHERE pf.page_id = f.page_id)"""
)
PREDICTED_SQL = (
    """SELECT COUNT(*) FROM predictions r JOIN projects p ON p.id = r.project_id WHERE p.barred IS NOT NULL"""
)


@dataclass(frozen=True)
class Row:
    """A row of a plan as a page showed it, and the file's bytes at that time."""

    title: str
    preferred: bool
    by: str
    sha1: str


@dataclass(frozen=True)
class Plan:
    """What somebody looked at: the form to press, and the rows by title. `item`: the project's."""

    form: Form | None
    rows: dict[str, Row]
    item: str


@dataclass
class Written:
    """A change of a file's statements by one revision."""

    moment: float
    user: str
    title: str
    comment: str
    added: list[tuple[str, str]]  # item, rank
    removed: list[str]  # item
    sha1: str


@dataclass(repr=False)
class History:
    """The people, their projects, what each looked at last, and every violation found, by its name."""

    site: Site
    rng: random.Random
    projects: list[Project] = field(default_factory=list)
    seen: dict[tuple[str, int], Plan] = field(default_factory=dict)
    pressed: dict[int, Plan] = field(default_factory=dict)  # batch -> what its sender saw
    undone: dict[int, set[str]] = field(default_factory=dict)  # batch -> titles that its sender saw
    left: dict[tuple[str, int], float] = field(default_factory=dict)  # no owner any more, since
    blocked: dict[str, float] = field(default_factory=dict)  # item -> since
    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    steps: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    taken: Counter[str] = field(default_factory=Counter)
    gone: dict[str, int] = field(default_factory=dict)  # deleted files: title -> page id
    titles: list[str] = field(default_factory=list)
    revisions: int = 0
    lists: int = 0
    judged: int = 0  # statements held against what was shown

    def begin(self) -> None:
        """Four projects of two owners about three people, over files that they share in part."""
        titles = [self.site.upload(0) for _ in range(2 * FILES)]
        items = [self.site.next_item() for _ in range(3)]
        for name in (*OWNERS, *LABELLERS, ADMIN):
            self.site.volunteer(name)
        self.titles = titles
        whose = ((OWNERS[0], 0, 0), (OWNERS[1], 0, 6), (OWNERS[0], 1, 4), (OWNERS[1], 2, 12))
        self.projects = [self.create(name, items[one], titles[start : start + FILES]) for name, one, start in whose]
        for project in self.projects:
            self.begin_with(project)
        self.revisions = self.last_revision()

    def create(self, owner: str, item: str, titles: list[str]) -> Project:
        """Another project over files of the history."""
        self.lists += 1
        project = Project(self.site, owner, item)
        page = project.create(titles, f"list {self.lists}")
        assert project.id, page.text()
        return project

    def begin_with(self, project: Project) -> None:
        """Wait until it can be worked in, let both labellers in, and have the model answer soon."""
        project.wait_until_searched()
        for name in LABELLERS:
            project.invite(name)
        form = self.site.volunteer(project.owner).look(f"{project.url}/settings").form("/settings")
        assert form is not None
        self.site.volunteer(project.owner).press(form, ("confirmed", "2"))

    # One step.

    def take_step(self) -> None:
        """Somebody does something."""
        names = list(STEPS)
        name = self.rng.choices(names, [STEPS[one][0] for one in names])[0]
        project = self.rng.choices(self.projects, WEIGHTS)[0]
        self.taken[name] += 1
        self.steps.append(f"{name} in {project.id}")
        try:
            STEPS[name][1](self, project)
        except Refused as refused:
            self.steps.append(f"  refused: {refused}"[:160])
            self._judge_status(refused.status, str(refused))
        self.look_at_wiki()

    def note(self, text: str) -> None:
        self.steps.append(f"  {text}")

    def violate(self, name: str, example: str) -> None:
        """Note a violation; the first of each kind is kept in words."""
        self.violations[name] += 1
        self.examples.setdefault(name, f"{example}; after: {'; '.join(list(self.steps)[-6:])}")

    def anybody(self) -> str:
        return self.rng.choice([*OWNERS, *LABELLERS])

    def an_owner(self, project: Project) -> str:
        """Its creator most of the time; the other one may own it too."""
        return project.owner if self.rng.random() < 0.7 else self.rng.choice(OWNERS)

    def page(self, name: str, path: str) -> Page:
        return self._judged(self.site.volunteer(name).look(path))

    def press(self, name: str, form: Form, *more: tuple[str, str]) -> Page:
        return self._judged(self.site.volunteer(name).press_once(form, *more))

    def submit(self, who: str, path: str, /, **fields: str) -> Page:
        return self._judged(self.site.volunteer(who).submit_once(path, **fields))

    def _judged(self, page: Page) -> Page:
        self.note(f"{page.status} {page.address.partition('://')[2].partition('/')[2]}")
        self._judge_status(page.status, page.address)
        return page

    def _judge_status(self, status: int, where: str) -> None:
        if status >= 500:
            self.violate("a deadlock was told as an unavailable database" if status == 503 else "the site broke", where)

    def answer(self, project: Project) -> None:
        name, file = self.anybody(), self.rng.choice(project.files)
        said = self.rng.choices(["target", "other", "unsure", "skip", "not_face"], [8, 3, 1, 1, 1])[0]
        self.note(f"{name} says {said} of {file.title}")
        body = {"steps": [step(file.page, file.face, said)]}
        self.note(self.site.volunteer(name).post(f"{project.url}/answers", body)["results"][0]["status"])

    def undo_answer(self, project: Project) -> None:
        self.site.volunteer(self.anybody()).post(f"{project.url}/undo", {})

    def approve(self, project: Project) -> None:
        faces = [file.face for file in self.rng.sample(project.files, min(3, len(project.files)))]
        body = {"faces": faces, "step": str(uuid.UUID(int=self.rng.getrandbits(128), version=4))}
        self.site.volunteer(self.anybody()).post(f"{project.url}/review/approve", body)

    def approve_all(self, project: Project) -> None:
        name = self.anybody()
        form = self.page(name, f"{project.url}/review").form("/review/approve")
        if form is not None and ("all", "1") in form.fields:
            self.press(name, form)

    def withdraw(self, project: Project) -> None:
        faces = [file.face for file in self.rng.sample(project.files, min(3, len(project.files)))]
        self.site.volunteer(self.anybody()).post(f"{project.url}/review/withdraw", {"faces": faces})

    def prominent(self, project: Project) -> None:
        body = {"faces": [self.rng.choice(project.files).face], "on": self.rng.choice([0, 1])}
        self.site.volunteer(self.anybody()).post(f"{project.url}/review/prominent", body)

    def change_member(self, project: Project) -> None:
        name = self.rng.choice([name for name in (*OWNERS, *LABELLERS) if name != project.owner])
        what = self.rng.choice(["labeller", "owner", "owner", "remove", "leave"])
        self.note(f"{what} {name}")
        if what == "remove":
            project.remove(name)
        elif what == "leave":
            self.submit(name, f"{project.url}/leave")
        else:
            self.submit(project.owner, f"{project.url}/members", name=name, role=what)
        if what == "owner":
            self.left.pop((name, project.id), None)
        else:
            self.left.setdefault((name, project.id), time.time())

    def look_at_plan(self, project: Project) -> None:
        name = self.an_owner(project)
        page = self.page(name, f"{project.url}/send")
        if page.status == 200:
            rows = {row.title: row for row in (self.row(one) for one in page.root.all("li", class_="edit"))}
            self.seen[name, project.id] = Plan(page.form("/send"), rows, project.item)
            self.note(f"{name} sees {sorted(rows)}")

    def row(self, element: Element) -> Row:
        title = next(element.all("p", class_="cut")).text()
        by = re.search(r"\bby (\w+)", element.text())
        return Row(title, "★" in element.text(), by[1] if by else "", self.sha1(title))

    def send(self, _project: Project) -> None:
        """Somebody presses Send on a page that they looked at a while ago."""
        if not self.seen:
            return
        name, number = self.rng.choice(sorted(self.seen))
        plan = self.seen.pop((name, number))
        if plan.form is None:
            return
        known = self.site.value("SELECT COALESCE(MAX(id), 0) FROM batches")
        page = self.press(name, plan.form)
        batch = re.search(r"/batches/(\d+)$", page.address)
        if batch and int(batch[1]) > known:
            self.pressed[int(batch[1])] = plan

    def act_on_batch(self, project: Project) -> None:
        name, batch = self.an_owner(project), self._batch(project)
        if batch is None:
            return
        page = self.page(name, f"{project.url}/batches/{batch}")
        what = self.rng.choice(["pause", "resume", "stop", "retry"])
        form = page.form(f"/{batch}/{what}")
        if form is not None:
            self.press(name, form)

    def undo_batch(self, project: Project) -> None:
        """Choose some of the statements that the batch's page lists, and press Undo."""
        name, batch = self.an_owner(project), self._batch(project)
        if batch is None:
            return
        page = self.page(name, f"{project.url}/batches/{batch}")
        form = page.form(f"/{batch}/undo")
        titles = {
            box.attributes.get("value", ""): box.attributes.get("aria-label", "")
            for box in page.root.all("input", name="edits")
            if "disabled" not in box.attributes
        }
        if form is None or not titles:
            return
        chosen = self.rng.sample(sorted(titles), min(2, len(titles)))
        known = self.site.value("SELECT COALESCE(MAX(id), 0) FROM batches")
        after = self.press(name, form, *(("edits", one) for one in chosen))
        made = re.search(r"/batches/(\d+)$", after.address)
        if made and int(made[1]) > known:
            self.undone[int(made[1])] = {titles[one] for one in chosen}

    def _batch(self, project: Project) -> int | None:
        found = self.site.rows("SELECT id FROM batches WHERE project_id = %s ORDER BY id DESC LIMIT 4", project.id)
        return self.rng.choice(found)["id"] if found else None

    def plan_again(self, project: Project) -> None:
        name = self.an_owner(project)
        page = self.page(name, f"{project.url}/send?show={self.rng.choice(['undone', 'reverted'])}")
        form = page.form("/send/again")
        if form is not None and form.boxes:
            self.press(name, form, *self.rng.sample(form.boxes, 1))

    def another_project(self, _project: Project) -> None:
        """One of the owners ends the oldest project and begins another, about somebody new or as in one that there is."""
        old = self.projects.pop()
        self.submit(old.owner, f"{old.url}/delete", confirm=old.item)
        owner, there = self.rng.choice(OWNERS), [one.item for one in self.projects if one.item not in self.blocked]
        item = self.rng.choice(there) if there and self.rng.random() < 0.3 else self.site.next_item()
        titles = self.rng.sample([title for title in self.titles if title not in self.gone], FILES)
        made = self.create(owner, item, titles)
        self.begin_with(made)
        self.projects.insert(0, made)

    def block(self, project: Project) -> None:
        """An administrator blocks a person; or takes the one who is blocked off the list, and the owners go on."""
        for item in list(self.blocked):
            self.submit(ADMIN, f"/admin/blocked/{item}/remove")
            self.blocked.pop(item)
            for one in self.projects:
                if one.item == item:
                    self.submit(one.owner, f"{one.url}/status", status="active")
            return
        self.submit(ADMIN, "/admin/blocked", item=project.item, reason="asked for it")
        self.blocked[project.item] = time.time()

    def overwrite(self, _project: Project) -> None:
        title = self.rng.choice(self.titles)
        if title not in self.gone:
            self.note(f"overwritten: {title}")
            picture = self.site.pictures.blank() if self.rng.random() < 0.3 else self.site.pictures.make(0)
            self.site.elsewhere("overwrite", title=title, path=str(picture))

    def delete(self, _project: Project) -> None:
        """A file is deleted; where some are, one of them comes back."""
        if len(self.gone) < MOST_GONE:
            title = self.rng.choice([one for one in self.titles if one not in self.gone])
            self.gone[title] = self.site.elsewhere("delete", title=title)["id"]
        else:
            title = self.rng.choice(sorted(self.gone))
            self.site.elsewhere("undelete", id=self.gone.pop(title))
        self.note(f"{'deleted' if title in self.gone else 'undeleted'}: {title}")

    def week_passes(self, project: Project) -> None:
        """What was read before is read again, and everything is searched as it is now."""
        self.site.execute("UPDATE project_files SET stated_at = NULL WHERE project_id = %s", project.id)
        self.submit(project.owner, f"{project.url}/retry")
        if project.item not in self.blocked:
            until(lambda: not self.site.value(QUIET_SQL), "quiet after a week")
            kept = project.files
            project.wait_until_searched()
            project.files = project.files or kept

    def wiki_is_slow(self, _project: Project) -> None:
        """Until the next full comparison; what was sent is on the way for a while."""
        self.site.wiki_settings(latency=0.15)

    def wiki_refuses(self, _project: Project) -> None:
        """The next two edits fail, and may be tried again."""
        self.site.fault("abusefilter_disallowed", count=2)

    def hour_passes(self, _project: Project) -> None:
        """What was written is looked at again."""
        self.site.execute("UPDATE edits SET look_at = NOW() WHERE look_at IS NOT NULL")

    def revert(self, project: Project) -> None:
        """Somebody on Commons takes a statement of ours back."""
        sql = "SELECT title FROM edits WHERE project_id = %s AND state = 'done' AND action = 'add' ORDER BY id DESC LIMIT 5"
        titles = [row["title"] for row in self.site.rows(sql, project.id) if row["title"] not in self.gone]
        if titles:
            title = self.rng.choice(titles)
            if project.item in self.site.depicts(title):
                self.site.elsewhere("remove_statement", title=title, value=project.item)

    # What came of it.

    def last_revision(self) -> int:
        with self.site.sandbox.world.lock:
            return self.site.sandbox.world.state.next_revision - 1

    def sha1(self, title: str) -> str:
        """Of the bytes that the wiki has under a title now; empty for a file that was deleted."""
        world = self.site.sandbox.world
        with world.lock:
            page = world.page(f"File:{title}")
            return world.pictures.facts(page.versions[-1]).sha1 if page and page.versions else ""

    def written(self) -> list[Written]:
        """What the program wrote since it was asked last, by the revisions of the wiki."""
        world, found = self.site.sandbox.world, []
        with world.lock:
            last = world.state.next_revision - 1
            ours = {edit.revision: edit.moment for edit in world.state.edits if edit.module != "other"}
            for page in world.state.pages.values():
                for before, after in zip(page.revisions, page.revisions[1:], strict=False):
                    if self.revisions < after.id <= last and after.id in ours:
                        sha1 = world.pictures.facts(page.versions[-1]).sha1 if page.versions else ""
                        found.append(_written(ours[after.id], page.title.partition(":")[2], before, after, sha1))
        self.revisions = last
        return found

    def look_at_wiki(self) -> None:
        """Hold every new revision against what its signer saw."""
        found = self.written()
        if not found:
            return
        batches = {row["hex"]: row for row in self.site.rows("SELECT id, hex, project_id, item, kind FROM batches")}
        for one in found:
            batch = next((row for hex_, row in batches.items() if hex_ in one.comment), None)
            if batch is None:
                self.violate("an edit belongs to no batch", one.comment)
                continue
            self.judge(one, batch)

    def judge(self, one: Written, batch: dict[str, Any]) -> None:
        what = f"{one.title} of batch {batch['id']} by {one.user}"
        since = self.left.get((one.user, batch["project_id"]))
        if since is not None and one.moment > since + GRACE_S:
            self.violate("an edit went out for a former owner", what)
        for item, rank in one.added:
            if one.moment > self.blocked.get(item, one.moment) + GRACE_S:
                self.violate("a statement about a blocked person was written", what)
            self.judge_added(one, batch, item, rank, what)
        if one.removed and batch["kind"] == "undo" and one.title not in self.undone.get(batch["id"], set()):
            self.violate("a statement was undone that was not shown", what)

    def judge_added(self, one: Written, batch: dict[str, Any], item: str, rank: str, what: str) -> None:
        self.judged += 1
        plan = self.pressed.get(batch["id"])
        row = plan.rows.get(one.title) if plan else None
        if plan is None or row is None:
            self.violate("a statement was written that was not shown", what)
            return
        if item != plan.item:
            self.violate("another item was written than was shown", what)
        if (rank == "preferred") != row.preferred:
            self.violate("another rank was written than was shown", what)
        if one.sha1 != row.sha1:
            self.violate("a statement was written about bytes that were not shown", what)
        approved_by = self.site.value(
            "SELECT u.name FROM edits e JOIN users u ON u.id = e.approved_by WHERE e.batch_id = %s AND e.title = %s",
            batch["id"],
            one.title,
        )
        if row.by != approved_by:
            self.violate(
                "somebody else had approved what was written than was shown", f"{what}: {row.by}, {approved_by}"
            )

    # The full comparison.

    def compare(self) -> None:
        """Wait until nothing is under way, then hold everything against everything."""
        self.steps.append("full comparison")
        self.site.wiki_settings(latency=0.0)
        until(lambda: not self.site.value(QUIET_SQL), "quiet")
        self.look_at_wiki()
        for name, sql in KEPT_SQL.items():
            if count := self.site.value(sql):
                self.violate(name, f"{count} faces")
        if count := self.site.value(ALONE_SQL):
            self.violate("a face that no project looks at is kept", f"{count} faces")
        if count := self.site.value(PREDICTED_SQL):
            self.violate("predictions about a blocked person are kept", f"{count} faces")
        for project in self.projects:
            if project.item in self.blocked:
                self.violate_if_shown(project)
            else:
                self.compare_counts(project)

    def violate_if_shown(self, project: Project) -> None:
        for file in project.files[:2]:
            if self.site.volunteer(project.owner).bytes_of(f"/chip/{project.id}/{file.face}.jpg")[0] == 200:
                self.violate("a face of a blocked person is shown", f"face {file.face}")

    def compare_counts(self, project: Project) -> None:
        """The same number stands on every page."""
        owner = self.site.volunteer(project.owner)
        home = figures(self.page(project.owner, project.url))
        plan = self.page(project.owner, f"{project.url}/send")
        numbers = owner.get(f"{project.url}/progress.json")
        offered = filters(plan, "/send")
        rows = len(list(plan.root.all("li", class_="edit")))
        button = re.search(r"Send (\d+) statement", plan.text())
        self.agree(project, "files", home["files"], numbers["files"])
        self.agree(
            project, "to be sent", home["to be sent"], rows, int(button[1]) if button else 0, offered.get("send", 0)
        )
        for verdict in offered:
            page = self.page(project.owner, f"{project.url}/send?show={verdict}")
            self.agree(project, f"plan: {verdict}", offered[verdict], len(list(page.root.all("li", class_="edit"))))
        review = filters(self.page(project.owner, f"{project.url}/review"), "/review")
        for name, count in review.items():
            page = self.page(project.owner, f"{project.url}/review?show={name}")
            self.agree(project, f"review: {name}", count, len(list(page.root.all("li", class_="face"))))
        self.agree(project, "approved", home["approved"], sum(offered.values()) - offered.get("overwritten", 0))
        done = "SELECT COUNT(*) FROM edits WHERE project_id = %s AND action = 'add' AND state = 'done'"
        self.agree(project, "sent", home["sent"], self.site.value(done, project.id))

    def agree(self, project: Project, name: str, *counts: int) -> None:
        if len(set(counts)) > 1:
            self.violate(f"counts disagree: {name}", f"project {project.id}: {counts}")

    def report(self) -> str:
        """All that was found, and how it came to the first of each kind."""
        lines = [f"{count} x {name}: {self.examples[name]}" for name, count in self.violations.most_common()]
        return "\n".join([*lines, f"steps: {dict(self.taken)}", "the last steps:", *self.steps])


def figures(page: Page) -> dict[str, int]:
    """The numbers of a page by their words."""
    found = {}
    for one in page.root.all("dl", class_="figures"):
        for word, number in zip(one.all("dt"), one.all("dd"), strict=True):
            found[word.text()] = int(number.text())
    return found


def filters(page: Page, ending: str) -> dict[str, int]:
    """The counts beside a page's filters, by the filter's name in its address."""
    found = {}
    for one in page.root.all("a"):
        path, _, query = one.attributes.get("href", "").partition("?show=")
        count = next(one.all("span", class_="count"), None)
        if path.endswith(ending) and query and count is not None:
            found[query] = int(count.text())
    return found


def _written(moment: float, title: str, before: Any, after: Any, sha1: str) -> Written:
    old = {one["id"]: one for one in (before.entity.all() if before.entity else [])}
    new = {one["id"]: one for one in (after.entity.all() if after.entity else [])}
    added = [(_item(one), one["rank"]) for guid, one in new.items() if guid not in old]
    return Written(
        moment,
        after.user,
        title,
        after.comment,
        added,
        [_item(one) for guid, one in old.items() if guid not in new],
        sha1,
    )


def _item(statement: dict[str, Any]) -> str:
    return str(statement["mainsnak"]["datavalue"]["value"]["id"])


STEPS: dict[str, tuple[float, Callable[[History, Project], None]]] = {
    "answer": (30, History.answer),
    "undo an answer": (4, History.undo_answer),
    "approve": (8, History.approve),
    "approve all": (3, History.approve_all),
    "withdraw": (3, History.withdraw),
    "prominent": (8, History.prominent),
    "change a member": (6, History.change_member),
    "look at the plan": (12, History.look_at_plan),
    "send": (10, History.send),
    "act on a batch": (6, History.act_on_batch),
    "undo of a batch": (3, History.undo_batch),
    "plan again": (2, History.plan_again),
    "another project": (2.5, History.another_project),
    "block": (1.2, History.block),
    "overwrite": (2, History.overwrite),
    "delete": (0.4, History.delete),
    "a week passes": (0.6, History.week_passes),
    "an hour passes": (1, History.hour_passes),
    "revert": (1.5, History.revert),
    "the wiki is slow": (1.5, History.wiki_is_slow),
    "the wiki refuses": (1, History.wiki_refuses),
}
