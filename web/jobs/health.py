"""Health checks: the state of the web process, database and workers as a page and as JSON, and a liveness probe."""

from dataclasses import dataclass, replace
from typing import Literal

from flask import Blueprint, Response, jsonify, render_template, request

from config import VERSION
from database import Connection, Database, DatabaseError
from store.jobs import workers
from store.jobs.workers import Worker
from web.site.access import load_user, without_user
from web.site.limits import limiter
from web.site.services import services

bp = Blueprint("health", __name__)
SILENT_AFTER = 300  # seconds without a heartbeat after which the pages say that no worker is there

State = Literal["ok", "failed", "absent", "stuck"]


@dataclass(frozen=True)
class Health:
    """Health of the database and workers; `known_workers` is empty if the database could not be queried.

    Workers are stuck if one of them says that a lane of it makes no progress.
    """

    database: State
    workers: State
    known_workers: list[Worker]

    @property
    def ok(self) -> bool:
        """Whether this process can serve pages; workers may be absent for a while."""
        return self.database == "ok"

    @property
    def stuck_workers(self) -> list[Worker]:
        """The workers with lanes that make no progress."""
        return [worker for worker in self.known_workers if worker.age <= SILENT_AFTER and worker.stuck]


def check_health(database: Database) -> Health:
    """Query the database for the heartbeats of the workers."""
    try:
        with database.transaction() as db:
            known_workers = _load_workers(db)
    except DatabaseError:
        return Health("failed", "absent", [])
    any_alive = any(worker.age <= SILENT_AFTER for worker in known_workers)
    health = Health("ok", "ok" if any_alive else "absent", known_workers)
    return replace(health, workers="stuck") if health.stuck_workers else health


def _load_workers(db: Connection) -> list[Worker]:
    return workers.all_seen(db)


@bp.get("/alive")
@limiter.exempt
@without_user
def alive() -> Response:
    """Answer the liveness probe; uses no database and no session, and is exempt from the rate limits."""
    return Response("ok", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@bp.get("/health")
@without_user
def page() -> tuple[str | Response, int]:
    """Render the health page; clients that do not accept HTML get JSON."""
    health = check_health(services().database)
    if not request.accept_mimetypes.accept_html or "text/html" not in request.headers.get("Accept", ""):
        return _json_response(health)
    if health.ok:
        load_user()
    status = 200 if health.ok else 503
    return render_template("jobs/health/page.html", health=health, version=VERSION, silent_after=SILENT_AFTER), status


@bp.get("/health.json")
@without_user
def as_json() -> tuple[Response, int]:
    """Return the health as JSON for monitoring, with status 200 if the database answers, else 503."""
    return _json_response(check_health(services().database))


def _json_response(health: Health) -> tuple[Response, int]:
    """Return the health as JSON with its HTTP status."""
    content = {
        "web": "ok",
        "database": health.database,
        "workers": health.workers,
        "version": VERSION,
        "seen": [{"id": worker.id, "seconds": worker.age} for worker in health.known_workers],
        "stuck": [{"id": worker.id, "why": worker.stuck} for worker in health.stuck_workers],
    }
    return jsonify(content), 200 if health.ok else 503
