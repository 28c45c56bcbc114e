"""The model stage: compute a project's predictions, questions and report, and store them in one transaction."""

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

# The most questions of each kind for one member: chosen by the model, and from answers in other projects. As many more are
# ranked as one member skipped, up to MOST_SKIPPED, so that each has QUESTIONS left.
QUESTIONS, MOST_SKIPPED = 40, 400
# The rest after a run is REST times its duration, at most LONGEST_REST seconds, because volunteers who answer wait for
# the next run.
REST, LONGEST_REST = 4.0, 3.0
WORDS: dict[int, predictions.Suggestion] = {
    Suggestion.NONE: "unsure",  # the model is off
    Suggestion.MATCH: "match",
    Suggestion.NO_MATCH: "no_match",
    Suggestion.UNSURE: "unsure",
}


@dataclass(frozen=True)
class Before:
    """Predictions that are stored for a project, by face id, and the number of the run that stored them."""

    run: int
    rows: dict[int, Prediction]


class Model:
    """The stage `run`, which remembers encodings and stored predictions between runs. Used by one thread only."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._before: dict[int, Before] = {}

    def run(self, task: Task, tools: Tools) -> Outcome:
        """Run the model for a project. Raises LeaseLost, Stopped."""
        started = tools.clock()
        project = tools.run(lambda db: projects.get(db, task.subject_id))
        if project is None:
            return Finished()
        if project.status not in ("active", "completed") or person_check.blocked(project, tools):
            return Waiting()
        if project.status == "completed" and tools.run(lambda db: model_input.any_dropped(db, project.id)):
            # Without encodings the model would withdraw its matches; an active project computes them again.
            log.info("the model was not run: encodings were dropped", extra=_extra(project))
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
        most = QUESTIONS + min(gathered.skipped, MOST_SKIPPED)
        chosen = _questions(gathered, found, np.random.default_rng(tools.rng.getrandbits(64)), most)
        asked = _merge(tools.run(lambda db: cross_project_answers.questions(db, project.id, most)), chosen)
        report = model_report.make(project, gathered, found, before.rows)
        run = project.model_run + 1
        change = predictions.Change.between(before.rows, rows)

        def work(db: Connection) -> None:
            predictions.change(db, project.id, run, change)
            tasks.hold(db, task)  # as late as possible, because every answer waits for this row
            predictions.replace_questions(db, project.id, run, asked)
            projects.modelled(db, project.id, run, json.dumps(report))

        tools.run(work)
        self._remember(project.id, Before(run, change.applied(before.rows)))
        seconds = tools.clock() - started
        log.info("%d faces in %.2f s: %s", len(gathered.ids), seconds, report["matches"], extra=_extra(project))
        return Done(rest=rest_after(seconds))

    def _stored(self, project: Project, tools: Tools) -> Before:
        """Return the stored predictions, from memory unless another worker has run the model since."""
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
    """Return the rest after a run of `seconds`, so that a project takes at most a fifth of the lane's time."""
    return min(REST * seconds, LONGEST_REST)


def _extra(project: Project) -> dict[str, object]:
    return {"stage": "model", "project": project.id}


def _rows(gathered: Gathered, found: matching.Predictions) -> list[Prediction]:
    """Return a prediction for every face that is open: neither answered nor implied by an answer."""
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
    """Return the value, None for NaN."""
    return value if value == value else None


def _merge(named: list[Question], chosen: list[Question]) -> list[Question]:
    """Put questions about faces identified in other projects before those that the model chose."""
    known = {question.face_id for question in named}
    return named + [question for question in chosen if question.face_id not in known]


def _questions(gathered: Gathered, found: matching.Predictions, rng: np.random.Generator, most: int) -> list[Question]:
    chosen = questions.choose(gathered.known, found, rng, most)
    return [
        Question(
            int(gathered.known.files[question.face]),
            int(gathered.ids[question.face]),
            question.why.value,
            tuple(int(gathered.ids[row]) for row in question.similar),
        )
        for question in chosen
    ]
