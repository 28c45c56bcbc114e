"""A run of the model over one project: predictions, questions and the report, stored in one transaction that holds the task."""

import json
import logging
from dataclasses import dataclass

import numpy as np

from database import Connection
from pipeline.jobs.outcome import Done, Finished, Outcome, Waiting
from pipeline.jobs.tools import Tools
from pipeline.labelling import model_report
from pipeline.labelling.face_arrays import Gathered, Memory
from pipeline.projects import person_check
from store.jobs import tasks
from store.jobs.tasks import Task
from store.labelling import cross_project_answers, model_input, predictions
from store.labelling.predictions import Prediction, Question
from store.projects import projects
from store.projects.projects import Project
from vision.recognition import matching, questions
from vision.recognition.labelled_faces import Suggestion

log = logging.getLogger(__name__)

QUESTIONS = 40
REST, LONGEST_REST = 4.0, 3.0  # times what a run took; seconds, since who answers waits for the next
WORDS: dict[int, predictions.Suggestion] = {
    Suggestion.NONE: "unsure",  # the model is off
    Suggestion.MATCH: "match",
    Suggestion.NO_MATCH: "no_match",
    Suggestion.UNSURE: "unsure",
}


@dataclass(frozen=True)
class Before:
    """What the last run of this worker stored for a project."""

    run: int
    rows: dict[int, Prediction]


class Model:
    """`run` is the stage; between runs it remembers encodings and what was stored. One thread uses it."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._before: dict[int, Before] = {}

    def run(self, task: Task, tools: Tools) -> Outcome:
        """Raises LeaseLost, Stopped."""
        started = tools.clock()
        project = tools.run(lambda db: projects.get(db, task.subject_id))
        if project is None:
            return Finished()
        if project.status not in ("active", "completed") or person_check.barred(project, tools):
            return Waiting()
        if project.status == "completed" and tools.run(lambda db: model_input.any_dropped(db, project.id)):
            # Without its encodings the model would take back what it found; once it is active they are computed again.
            log.info("left as it was: encodings were dropped", extra=_extra(project))
            return Done()
        gathered = tools.run(lambda db: self._memory.gather(db, project.id))
        before = self._stored(project, tools)
        found = matching.infer(
            gathered.known,
            threshold=project.distance_threshold,
            error_budget=project.error_budget,
            min_confirmed=project.min_confirmed,
        )
        rows = {row.face_id: row for row in _rows(gathered, found)}
        chosen = _questions(gathered, found, np.random.default_rng(tools.rng.getrandbits(64)))
        asked = _first(tools.run(lambda db: cross_project_answers.questions(db, project.id, QUESTIONS)), chosen)
        said = model_report.make(project, gathered, found, before.rows)
        run = project.model_run + 1
        change = predictions.Change.between(before.rows, rows)

        def work(db: Connection) -> None:
            predictions.change(db, project.id, run, change)
            tasks.hold(db, task)  # not before: every answer waits for this row
            predictions.replace_questions(db, project.id, run, asked)
            projects.modelled(db, project.id, run, json.dumps(said))

        tools.run(work)
        self._remember(project.id, Before(run, change.applied(before.rows)))
        seconds = tools.clock() - started
        log.info("%d faces in %.2f s: %s", len(gathered.ids), seconds, said["matches"], extra=_extra(project))
        return Done(rest=rest_after(seconds))

    def _stored(self, project: Project, tools: Tools) -> Before:
        known = self._before.get(project.id)
        if known is not None and known.run == project.model_run:
            return known
        return Before(project.model_run, tools.run(lambda db: predictions.of_project(db, project.id)))

    def _remember(self, project_id: int, before: Before) -> None:
        self._before.pop(project_id, None)
        self._before[project_id] = before
        for old in list(self._before)[: -self._memory.most]:
            del self._before[old]


def rest_after(seconds: float) -> float:
    """Seconds between a run that took so long and the next: at most a fifth of the time goes into one project's runs."""
    return min(REST * seconds, LONGEST_REST)


def _extra(project: Project) -> dict[str, object]:
    return {"stage": "model", "project": project.id}


def _rows(gathered: Gathered, found: matching.Predictions) -> list[Prediction]:
    """One prediction for every face about which nobody has spoken."""
    rows = np.flatnonzero(gathered.known.open)
    return [
        Prediction(face, page, _number(distance), _number(chance), WORDS[suggestion])
        for face, page, distance, chance, suggestion in zip(
            gathered.ids[rows].tolist(),
            gathered.known.files[rows].tolist(),
            found.distance[rows].tolist(),
            found.probability[rows].tolist(),
            found.suggestion[rows].tolist(),
            strict=True,
        )
    ]


def _number(value: float) -> float | None:
    return value if value == value else None  # NaN


def _first(named: list[Question], chosen: list[Question]) -> list[Question]:
    """What somebody said elsewhere goes before what the model chose."""
    known = {question.face_id for question in named}
    return named + [question for question in chosen if question.face_id not in known]


def _questions(gathered: Gathered, found: matching.Predictions, rng: np.random.Generator) -> list[Question]:
    chosen = questions.choose(gathered.known, found, rng, QUESTIONS)
    return [
        Question(
            int(gathered.known.files[question.face]),
            int(gathered.ids[question.face]),
            question.why.value,
            tuple(int(gathered.ids[row]) for row in question.similar),
        )
        for question in chosen
    ]
