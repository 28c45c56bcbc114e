"""End-to-end check of the main workflow, performed once over HTTP as a volunteer's browser does it.

    python -m sandbox.check --app http://localhost:8000 --sandbox http://127.0.0.1:8181 [--photos DIR] [--person NAME]

It signs in, creates a project, waits for the workers, answers questions by the names of the photographs' folders, lets
the model classify the other faces, approves its matches, sends them, and reads the statements back from the wiki.
Questions about files with several faces are skipped, because a folder's name does not tell which face is the person's.

The exit code is 0 only if every approved file states the person exactly once, no other file gained such a statement, no
statement is wrong, at least 0.9 of the person's files in which a face was found carry the statement, and no original
was fetched of a file that is wider than 960 px and has a rendering.
"""

import argparse
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

USER = "Alice"
LEAST_ANSWERS = 20
MOST_ANSWERS = 60
LEAST_SHARE = 0.9
LONGEST_SECONDS = 900.0
LOOK_AGAIN_SECONDS = 0.3


class Unexpected(Exception):
    """The application did not behave as a volunteer would expect; the text describes what happened."""


@dataclass
class Volunteer:
    """An HTTP client that acts like a browser: it keeps cookies and the CSRF token of the last page.

    `app` and `sandbox` are the addresses of the application and the sandbox. Unexpected responses raise Unexpected.
    """

    app: str
    sandbox: str
    browser: requests.Session = field(default_factory=requests.Session)
    csrf: str = ""

    def __post_init__(self) -> None:
        self.browser.headers["Referer"] = f"{self.app}/"  # The CSRF protection requires it with https.

    def page(self, path: str) -> str:
        """Get a page, keep its CSRF token, and return its HTML."""
        return self._read(self.browser.get(self._url(path), timeout=60))

    def submit(self, path: str, fields: dict[str, str]) -> str:
        """Post a form and follow redirects; return the final address."""
        answer = self.browser.post(self._url(path), data={"csrf_token": self.csrf, **fields}, timeout=120)
        self._read(answer)
        return str(answer.url)

    def call(self, path: str, body: Any = None) -> Any:
        """Make a JSON request, POST if there is a body and GET otherwise; return the response's JSON."""
        headers = {"Accept": "application/json", "X-CSRFToken": self.csrf}
        if body is None:
            answer = self.browser.get(self._url(path), headers=headers, timeout=60)
        else:
            answer = self.browser.post(self._url(path), json=body, headers=headers, timeout=120)
        if answer.status_code != 200:
            raise Unexpected(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    def sign_in(self) -> None:
        """Sign in through the wiki's pages: choose a user, then authorize the application."""
        answer = self.browser.get(self._url("/auth/start"), timeout=60)
        login = re.search(r'name="returnto" value="([^"]*)"', answer.text)
        if login is None:
            raise Unexpected(f"no login page at {answer.url}")
        form = {"wpName": USER, "returnto": _text(login[1])}
        answer = self.browser.post(f"{self.sandbox}/wiki/Special:UserLogin", data=form, timeout=60)
        fields = {name: _text(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', answer.text)}
        fields.pop("cancel", None)
        self._read(
            self.browser.post(f"{self.sandbox}/wiki/Special:OAuth/approve", data={**fields, "accept": ""}, timeout=60)
        )
        if USER not in self.page("/projects"):
            raise Unexpected("signing in did not lead to a signed-in page")

    def truth(self) -> dict[str, Any]:
        """Return the sandbox's whole state."""
        found: dict[str, Any] = requests.get(f"{self.sandbox}/sandbox/state", timeout=60).json()
        return found

    def _url(self, path: str) -> str:
        return path if path.startswith("http") else f"{self.app}{path}"

    def _read(self, answer: requests.Response) -> str:
        if answer.status_code != 200:
            words = re.sub(r"<[^>]+>|\s+", " ", answer.text)
            raise Unexpected(f"{answer.url} answered {answer.status_code}: {words[:400]}")
        token = re.search(r'name="csrf-token" content="([^"]+)"', answer.text)
        self.csrf = token[1] if token else self.csrf
        return answer.text


def _text(value: str) -> str:
    return value.replace("&amp;", "&").replace("&#34;", '"').replace("&#39;", "'")


@dataclass
class Job:
    """One run of the workflow, from creating the project to sending statements.

    `person`: folder of the person. `seconds`: duration of each stage.
    """

    volunteer: Volunteer
    person: str
    seconds: dict[str, float] = field(default_factory=dict)
    project: str = ""
    answered: int = 0
    skipped: int = 0

    def run(self) -> "Outcome":
        """Perform all stages and compare the wiki before and after. Raises Unexpected."""
        with self._stage("sign in"):
            self.volunteer.sign_in()
        before = self.volunteer.truth()
        item = before["people"].get(self.person)
        if item is None:
            raise Unexpected(f"there is no person {self.person}; there are {', '.join(before['people'])}")
        self.people = {page["id"]: page["people"] for page in before["files"]}
        category = _category(before, self.person)
        with self._stage("create"):
            self.project = self._create(item, category)
        with self._stage("search for faces"):
            self._wait("the files to be searched", self._searched)
        with self._stage("answer and infer"):
            self._answer()
            self._wait("the model to take in the answers", self._model_current)
        faces = self._faces()
        with self._stage("approve"):
            approved = self.volunteer.call(f"{self.project}/review/approve", {"all": 1, "show": "matches"})["approved"]
        to_send = {face["page"] for face in self._faces() if face["approved"]}
        with self._stage("send"):
            self._send()
        after = self.volunteer.truth()
        return judge(self, item, before, after, faces, to_send, approved).joined(fetching(before, after))

    def _create(self, item: str, category: str) -> str:
        self.volunteer.page("/projects/new")
        fields = {"item": item, "kind": "category", "category": category, "depth": "3", "action": "create"}
        address = self.volunteer.submit("/projects/new", fields)
        found = re.search(r"/projects/\d+$", address)
        if found is None:
            raise Unexpected(f"creating the project with {category} led to {address}")
        return found[0]

    def _searched(self) -> bool:
        progress = self.volunteer.call(f"{self.project}/progress.json")
        return bool(progress["crawled"] and progress["files"] and not progress["waiting"])

    def _model_current(self) -> bool:
        return bool(self.volunteer.call(f"{self.project}/progress.json")["model_current"])

    def _answer(self) -> None:
        """Answer questions until there are none left or the application reports that no more are needed."""
        seen: list[int] = []
        while self.answered < MOST_ANSWERS:
            have = ",".join(map(str, seen[-300:]))
            coming = self.volunteer.call(f"{self.project}/questions.json?have={have}")
            if not coming["questions"]:
                if not coming["passes"]:
                    return
                time.sleep(LOOK_AGAIN_SECONDS)
                continue
            question = coming["questions"][0]
            if question["reason"] == "skipped":
                return
            self._submit_answer(question)
            if question["face"]:
                seen.append(question["face"])
            if self.answered >= LEAST_ANSWERS and self.volunteer.call(f"{self.project}/progress.json")["may_stop"]:
                return
            if self.answered % 3 == 0:  # The model chooses the next questions from these answers.
                self._wait("the model to take in the answers", self._model_current)

    def _submit_answer(self, question: dict[str, Any]) -> None:
        if len(question["faces"]) != 1:
            answer, self.skipped = "skip", self.skipped + 1
        else:
            answer, self.answered = self._known(question["page"]), self.answered + 1
        step = str(uuid.uuid4())
        given = {"page": question["page"], "face": question["face"], "answer": answer, "reason": question["reason"]}
        body = {
            "steps": [{"step": step, "answers": [{"client_id": str(uuid.uuid4()), "sha1": question["sha1"], **given}]}]
        }
        result = self.volunteer.call(f"{self.project}/answers", body)["results"][0]
        if result["status"] != "saved":
            raise Unexpected(f"an answer was not saved: {result}")

    def _known(self, page: int) -> str:
        return "target" if self.person in self.people[page] else "other"

    def _faces(self) -> list[dict[str, Any]]:
        faces: list[dict[str, Any]] = []
        after: str | None = "0"
        while after is not None:
            found = self.volunteer.call(f"{self.project}/review.json?after={after}")
            faces += found["faces"]
            after = found["next"]
        return faces

    def _send(self) -> None:
        batch = self.volunteer.call(f"{self.project}/send", {})["batch"]
        if batch is not None:
            self._wait("the edits to be sent", lambda: self._sent(batch))

    def _sent(self, batch: int) -> bool:
        state = self.volunteer.call(f"{self.project}/batches/{batch}.json")
        if state["state"] == "paused":
            raise Unexpected(f"sending stopped: {state['why']}")
        return bool(state["state"] in {"done", "stopped"})

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise Unexpected(f"waited {LONGEST_SECONDS:.0f} s for {what}")
            time.sleep(LOOK_AGAIN_SECONDS)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


@dataclass(frozen=True)
class Outcome:
    """The figures to print, and a message for each requirement that is not met."""

    figures: dict[str, Any]
    faults: list[str]

    def joined(self, other: "Outcome") -> "Outcome":
        """Return the union of both outcomes."""
        return Outcome(self.figures | other.figures, self.faults + other.faults)


def _category(state: dict[str, Any], person: str) -> str:
    """Return the category with most of the person's photographs, preferably one that also has files of others."""
    own = Counter(name for page in state["files"] if person in page["people"] for name in page["categories"])
    mixed = {name: count for name, count in own.items() if "Photographs with" in name}
    best: str = max(mixed or own, key=lambda name: own[name])
    return best.removeprefix("Category:")


def judge(
    job: Job,
    item: str,
    before: dict[str, Any],
    after: dict[str, Any],
    faces: list[dict[str, Any]],
    to_send: set[int],
    approved: int,
) -> Outcome:
    """Compare the statements on the wiki with the approved files and with the ground truth.

    A folder does not name all people in its photographs: a statement about a file with several faces in another
    person's folder is therefore listed for inspection and not counted as wrong. `to_send`: the approved pages.
    """
    earlier = {page["id"]: page["depicts"].count(item) for page in before["files"]}
    now = {page["id"]: page["depicts"].count(item) for page in after["files"]}
    with_face = {face["page"] for face in faces}
    theirs = {page for page in with_face if job.person in job.people[page]}
    carried = {page for page in theirs if now[page]}
    new = {page for page, count in now.items() if count > earlier.get(page, 0)}
    others = {page for page in new if job.person not in job.people[page]}
    several = {page for page in others if job.people[page] and sum(face["page"] == page for face in faces) > 1}
    wrong = others - several
    faults = []
    if any(now[page] != 1 for page in to_send):
        faults.append("an approved file does not state the person exactly once")
    if new - to_send:
        faults.append("a file states the person that was not approved")
    titles = {page["id"]: page["title"] for page in after["files"]}
    if wrong:
        faults.append(f"wrong statements: {', '.join(sorted(titles[page] for page in wrong))}")
    if not theirs or len(carried) < LEAST_SHARE * len(theirs):
        faults.append(f"only {len(carried)} of {len(theirs)} files with a face carry the statement")
    matches = [face for face in faces if face["suggestion"] == "match" and face["label"] is None]
    figures: dict[str, Any] = {
        "person": f"{job.person} ({item})",
        "files": job.volunteer.call(f"{job.project}/progress.json")["files"],
        "faces": len(faces),
        "questions answered": job.answered,
        "questions skipped (several faces)": job.skipped,
        "matches found by the model": len(matches),
        "approved in bulk": approved,
        "wrong": len(wrong),
        "in another's folder, several faces": f"{len(several)} {' '.join(sorted(titles[page] for page in several))}".strip(),
        "statements on the wiki before": sum(count for page, count in earlier.items() if page in job.people and count),
        "statements on the wiki now": sum(now.values()),
        "files of the person with a face": len(theirs),
        "of these, stating the person": f"{len(carried)} ({len(carried) / max(1, len(theirs)):.3f})",
    }
    return Outcome(figures | {f"seconds: {name}": f"{taken:.1f}" for name, taken in job.seconds.items()}, faults)


def fetching(before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    """Return how many renderings and originals were fetched between two states of the wiki.

    Originals may be fetched of files that are at most 960 px wide only.
    """
    names = ("thumbnails", "originals", "avoidable_originals")
    thumbnails, originals, avoidable = (
        Counter(after["counts"][name]) - Counter(before["counts"][name]) for name in names
    )
    figures = {
        "renderings fetched": thumbnails.total(),
        "originals fetched": originals.total(),
        "of these, wider than 960 px": avoidable.total(),
    }
    titles = ", ".join(sorted(avoidable))
    return Outcome(figures, [f"originals fetched in place of 960 px renderings: {titles}"] if avoidable else [])


def _most_photographed(volunteer: Volunteer) -> str:
    counts = Counter[str](person for page in volunteer.truth()["files"] for person in page["people"])
    return counts.most_common(1)[0][0]


def main(given: list[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.check", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--app", required=True)
    parser.add_argument("--sandbox", required=True)
    parser.add_argument(
        "--photos", type=Path, help="has no effect; accepted so that the command shows which photographs were used"
    )
    parser.add_argument("--person", default="", help="folder of the person; default: the one with the most photographs")
    chosen = parser.parse_args(given)
    volunteer = Volunteer(chosen.app.rstrip("/"), chosen.sandbox.rstrip("/"))
    job = Job(volunteer, chosen.person or _most_photographed(volunteer))
    try:
        outcome = job.run()
    except (Unexpected, requests.RequestException) as error:
        print(f"The main job failed: {error}", file=sys.stderr)
        return 1
    print()
    for name, value in outcome.figures.items():
        print(f"{name:36} {value}")
    for fault in outcome.faults:
        print(f"FAILED: {fault}")
    print("Every approved file states the person exactly once, and nothing else does." if not outcome.faults else "")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
