"""Is everything running: web, database and workers apart, as a page and as JSON; and whether this process answers at all."""

from dataclasses import dataclass
from typing import Literal

from flask import Blueprint, Response, jsonify, render_template, request

from config import VERSION
from database import Connection, Database, DatabaseError
from store.jobs import workers
from store.jobs.workers import Worker
from web.site.access import recognise, without_user
from web.site.limits import limiter
from web.site.services import services

bp = Blueprint("health", __name__)
SILENT_AFTER = 300  # seconds without a heartbeat after which the pages say that no worker is there

State = Literal["ok", "failed", "absent"]


@dataclass(frozen=True)
class Health:
    """What runs; `workers` is empty where the database could not be asked."""

    database: State
    workers: State
    seen: list[Worker]

    @property
    def ok(self) -> bool:
        """Whether this process can serve pages; workers may be absent for a while."""
        return self.database == "ok"


def look(database: Database) -> Health:
    """Ask the database for a sign of life, and for those of the workers."""
    try:
        with database.transaction() as db:
            seen = _seen(db)
    except DatabaseError:
        return Health("failed", "absent", [])
    alive = any(worker.age <= SILENT_AFTER for worker in seen)
    return Health("ok", "ok" if alive else "absent", seen)


def _seen(db: Connection) -> list[Worker]:
    return workers.all_seen(db)


@bp.get("/alive")
@limiter.exempt
@without_user
def alive() -> Response:
    """For whoever restarts this process: it answers. Needs no database and no session, is not counted by the rate limits."""
    return Response("ok", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@bp.get("/health")
@without_user
def page() -> tuple[str | Response, int]:
    """For people; scripts that do not ask for HTML get JSON."""
    health = look(services().database)
    if not request.accept_mimetypes.accept_html or "text/html" not in request.headers.get("Accept", ""):
        return json_of(health)
    if health.ok:
        recognise()
    status = 200 if health.ok else 503
    return render_template("jobs/health/page.html", health=health, version=VERSION, silent_after=SILENT_AFTER), status


@bp.get("/health.json")
@without_user
def as_json() -> tuple[Response, int]:
    """For monitoring: 200 where the database answers, else 503."""
    return json_of(look(services().database))


def json_of(health: Health) -> tuple[Response, int]:
    """The answer for scripts."""
    content = {
        "web": "ok",
        "database": health.database,
        "workers": health.workers,
        "version": VERSION,
        "seen": [{"id": worker.id, "seconds": worker.age} for worker in health.seen],
    }
    return jsonify(content), 200 if health.ok else 503
