"""Report of a model run: the JSON that projects.modelled stores with the project and that the pages read."""

import json
from typing import Any

import numpy as np

from pipeline.labelling.face_arrays import Gathered
from store.labelling.predictions import Prediction
from store.projects.projects import Project
from vision.recognition import calibration, estimate
from vision.recognition.labelled_faces import REFERENCE_ONLY, Flags, Known, Label, Source, Suggestion
from vision.recognition.matching import Predictions, claimable, least_claimed

BUDGETS = (20, 50, 100, 200, 500, 1000)  # error budgets of the curve
BINS = 120  # of the histogram
FARTHEST = 1.2  # larger distances fall into the last bin


def make(project: Project, gathered: Gathered, found: Predictions, before: dict[int, Prediction]) -> dict[str, Any]:
    """Return the report of one run; `before`: the predictions stored by the run before, by face id.

    `on`: whether the model predicts, for which it needs `needed` faces confirmed by humans; it has `confirmed`.
    `faces`: number of faces.
    `cut`: the least probability that is claimed as a match, None if nothing is.
    `expected_wrong`: expected number of wrong claims.
    `hard`: whether the people of the project are hard to tell apart; `encoder`: version of the encoder of its faces.
    `matches`: number of files with a match, by its source.
    `files_of_others`: number of files in which faces were found, but only of other people.
    `unfound`: estimated number of missed matches, with its interval.
    `stop`: whether the volunteer may stop, and the number of unsure faces.
    `changes`: differences from the run before.
    `answers`: number of answers, and the id of the newest.
    `histogram`: numbers of faces by distance, for each label and suggestion.
    `curve`: what other error budgets would claim.
    """
    known = gathered.known
    matches = _matches(gathered, found)
    missing = estimate.from_predictions(known, found, gathered.checked)
    unsure = int((found.suggestion[known.open] == Suggestion.UNSURE).sum()) if found.on else 0
    stop = estimate.stop(missing, matches["human"] + matches["model"], unsure)
    return {
        "on": found.on,
        "confirmed": found.confirmed,
        "needed": project.min_confirmed,
        "faces": len(known),
        "cut": round(float(found.cut), 4) if found.cut <= 1 else None,
        "expected_wrong": round(float(found.expected_wrong), 3),
        "hard": bool(found.hard),
        "encoder": known.encoder,
        "matches": matches,
        "files_of_others": files_of_others(known, found),
        "unfound": {"expected": round(missing.expected, 2), "low": missing.low, "high": missing.high},
        "stop": {"may": bool(found.on and stop.may), "unsure": unsure},
        "changes": _changes(project, gathered, found, before),
        "answers": {"count": gathered.answers, "last": gathered.last_answer},
        "histogram": _histogram(gathered, found),
        "curve": _curve(gathered, found, project),
    }


def _matches(gathered: Gathered, found: Predictions) -> dict[str, int]:
    """Count the files with a match by its source."""
    known = gathered.known
    target = known.labels == Label.TARGET
    return {
        "human": _files(gathered, known.confirmed),
        "model": _files(gathered, found.matches),
        "bulk": _files(gathered, target & (known.sources == Source.BULK)),
        "bootstrap": _files(gathered, target & np.isin(known.sources, (Source.BOOTSTRAP, Source.PORTRAIT))),
    }


def _files(gathered: Gathered, flags: Flags) -> int:
    """Count the distinct files of the marked faces."""
    return len(np.unique(gathered.known.files[flags]))


def files_of_others(known: Known, found: Predictions) -> int:
    """Count the files in which faces were found, each of which is somebody else's by its label or suggestion.

    The person's face may have been missed there. Not counted are files with an unsure face, which is among the faces that
    `unfound` speaks of, and files where every face is labelled "not a face", which are listed as files without a face.
    """
    not_face = known.labels == Label.NOT_FACE
    unlabelled = known.labels == Label.NONE
    other = (known.labels == Label.OTHER) | (unlabelled & (found.suggestion == Suggestion.NO_MATCH))
    others = np.unique(known.files[other & (known.files != REFERENCE_ONLY)])
    return len(np.setdiff1d(others, known.files[~other & ~not_face]))


def _changes(project: Project, gathered: Gathered, found: Predictions, before: dict[int, Prediction]) -> dict[str, int]:
    """Return new and withdrawn matches and the answers since the run before; without any, the last report's changes."""
    old = json.loads(project.model_json) if project.model_json else {}
    was = {face_id for face_id, row in before.items() if row.suggestion == "match"}
    now = set(gathered.ids[found.matches].tolist())
    settled = set(gathered.ids[~gathered.known.open].tolist())
    new, withdrawn = len(now - was), len(was - now - settled)
    if not (new or withdrawn) and old:
        return dict(old.get("changes", {}))
    answers = gathered.answers - int(old.get("answers", {}).get("count", 0))
    return {"new": new, "withdrawn": withdrawn, "answers": max(0, answers)}


def _histogram(gathered: Gathered, found: Predictions) -> dict[str, Any]:
    """Count faces by their distance in BINS equal bins from 0 to FARTHEST, for each label or suggestion."""
    known = gathered.known
    edges = np.linspace(0, FARTHEST, BINS + 1)
    groups: dict[str, Flags] = {
        "target": known.confirmed,
        "other": known.human & ~known.confirmed,
        "match": found.matches,
        "unsure": known.open & (found.suggestion == Suggestion.UNSURE),
        "no_match": known.open & (found.suggestion == Suggestion.NO_MATCH),
    }
    counts = {
        name: np.histogram(np.clip(found.distance[flags & np.isfinite(found.distance)], 0, FARTHEST), edges)[0].tolist()
        for name, flags in groups.items()
    }
    return {"to": FARTHEST, "bins": BINS, **counts}


def _curve(gathered: Gathered, found: Predictions, project: Project) -> list[dict[str, Any]]:
    """Return for each error budget how many faces would be claimed, and how many of these are expected to be wrong."""
    if not found.on:
        return []
    may = claimable(gathered.known, found.distance, found.probability.astype(np.float64), project.distance_threshold)
    chances = found.probability[may].astype(np.float64)
    curve = []
    for budget in BUDGETS:
        claimed = chances[chances >= calibration.cut(chances, budget, least_claimed(budget))]
        wrong = estimate.expected_wrong(claimed)
        curve.append({"budget": budget, "matches": len(claimed), "expected_wrong": round(wrong, 3)})
    return curve
