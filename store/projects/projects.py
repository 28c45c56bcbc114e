"""Projects: a person looked for in a source of files, their members and settings."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from database import Connection, Row
from store.errors import Gone, NotFound
from store.jobs import tasks

Status = Literal["active", "paused", "completed", "deleted"]
Role = Literal["owner", "labeller"]
SourceKind = Literal["category", "titles", "pagepile", "search"]


@dataclass(frozen=True)
class Project:
    """A project as stored; see schema.sql for the meaning of each column."""

    id: int
    owner_id: int
    item: str
    label: str
    description: str
    portrait_title: str | None
    portrait_page_id: int | None
    born: str | None
    died: str | None
    source_kind: SourceKind
    source: str
    source_text: str | None
    depth: int
    excluded: str | None
    distance_threshold: float
    min_confirmed: int
    error_budget: int
    write_position: bool
    status: Status
    blocked: str | None
    settings_version: int
    crawled_at: datetime | None
    crawl_cut: bool
    searched_from: datetime | None
    model_run: int
    model_at: datetime | None
    model_json: str | None
    created_at: datetime


@dataclass(frozen=True)
class NewProject:
    """Input of a user who creates a project."""

    item: str
    label: str
    source: str
    description: str = ""
    source_kind: SourceKind = "category"
    source_text: str | None = None
    portrait_title: str | None = None
    born: str | None = None
    died: str | None = None
    depth: int = 5
    excluded: str | None = None


@dataclass(frozen=True)
class ProjectSettings:
    """Settings that an owner may change."""

    label: str
    distance_threshold: float
    min_confirmed: int
    error_budget: int
    write_position: bool


_COLUMNS = """p.id, p.owner_id, p.item, p.label, p.description, p.portrait_title, p.portrait_page_id, p.born, p.died,
  p.source_kind, p.source, p.source_text, p.depth, p.excluded, p.distance_threshold, p.min_confirmed, p.error_budget,
  p.write_position, p.status, p.barred AS blocked,
  p.settings_version, p.crawled_at, p.crawl_cut, p.searched_from, p.model_run, p.model_at,
  p.model_json, p.created_at"""


def _project(row: dict[str, object]) -> Project:
    project = Project(**row)  # type: ignore[arg-type]
    return replace(project, write_position=bool(project.write_position), crawl_cut=bool(project.crawl_cut))


def create(db: Connection, owner_id: int, new: NewProject) -> int:
    """Create a project and request its first crawl and bootstrap. Raises database.Duplicate if the owner has the same one."""
    project_id = db.insert(
        """INSERT INTO projects (owner_id, item, label, description, source_kind, source, source_text, portrait_title, born,
             died, depth, excluded) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            owner_id,
            new.item,
            new.label[:255],
            new.description[:500],
            new.source_kind,
            new.source,
            new.source_text,
            new.portrait_title,
            new.born,
            new.died,
            new.depth,
            new.excluded,
        ),
    )
    db.execute(
        "INSERT INTO project_members (project_id, user_id, role) VALUES (%s, %s, 'owner')", (project_id, owner_id)
    )
    db.execute(
        """INSERT INTO user_stats (user_id, projects) VALUES (%s, 1) ON DUPLICATE KEY UPDATE projects = projects + 1""",
        (owner_id,),
    )
    tasks.want(db, "crawl", project_id)
    tasks.want(db, "bootstrap", project_id)
    return project_id


def get(db: Connection, project_id: int) -> Project | None:
    """Return the project without an access check (for workers), or None."""
    row = db.row(f"SELECT {_COLUMNS} FROM projects p WHERE p.id = %s", (project_id,))
    return _project(row) if row else None


def for_member(db: Connection, project_id: int, user_id: int) -> tuple[Project, Role]:
    """Return the project and the user's role. Raises NotFound for non-members, Gone for a deleted project."""
    found = db.row(
        f"""SELECT {_COLUMNS}, m.role FROM projects p JOIN project_members m ON m.project_id = p.id AND m.user_id = %s
            WHERE p.id = %s""",
        (user_id, project_id),
    )
    row = admitted(project_id, found)
    role: Role = row.pop("role")
    return _project(row), role


def admitted(project_id: int, row: Row | None) -> Row:
    """Return the row if its role and status permit access. Raises NotFound for non-members, Gone for a deleted project."""
    if row is None or row["role"] is None:
        raise NotFound(f"project {project_id}")
    if row["status"] == "deleted":
        raise Gone(f"project {project_id}")
    return row


def membership(db: Connection, project_id: int, user_id: int) -> tuple[Role, str | None]:
    """Return the user's role and why the project is blocked, without reading the rest. Raises like `for_member`."""
    found = db.row(
        """SELECT p.status, p.barred, m.role FROM projects p JOIN project_members m ON m.project_id = p.id AND m.user_id = %s
           WHERE p.id = %s""",
        (user_id, project_id),
    )
    row = admitted(project_id, found)
    return row["role"], row["barred"]


def alike(db: Connection, owner_id: int, item: str, source_kind: str, source: str) -> tuple[int, Status] | None:
    """Return the owner's project with this person and source (id, status; even one being deleted), or None."""
    row = db.row(
        "SELECT id, status FROM projects WHERE owner_id = %s AND item = %s AND source_kind = %s AND source = %s",
        (owner_id, item, source_kind, source),
    )
    return (row["id"], row["status"]) if row else None


def change_settings(db: Connection, project_id: int, settings: ProjectSettings) -> None:
    """Store settings and request a model run without delay."""
    db.execute(
        """UPDATE projects SET label = %s, distance_threshold = %s, min_confirmed = %s, error_budget = %s,
             write_position = %s, settings_version = settings_version + 1 WHERE id = %s""",
        (
            settings.label[:255],
            settings.distance_threshold,
            settings.min_confirmed,
            settings.error_budget,
            settings.write_position,
            project_id,
        ),
    )
    tasks.want(db, "model", project_id)


def set_status(db: Connection, project_id: int, status: Literal["active", "paused", "completed"]) -> None:
    """Pause, resume or complete a project. A deleted project stays deleted, a blocked one paused."""
    changed = db.execute(
        "UPDATE projects SET status = %s WHERE id = %s AND status <> 'deleted' AND barred IS NULL", (status, project_id)
    )
    if changed and status == "active":
        tasks.want(db, "crawl", project_id)
        tasks.want(db, "model", project_id)


def delete(db: Connection, project_id: int) -> None:
    """Mark a project as deleted and cancel its queued edits; a worker purges the rest in small steps."""
    db.execute("UPDATE projects SET status = 'deleted', deleted_at = NOW() WHERE id = %s", (project_id,))
    db.execute(
        """UPDATE edits SET state = 'cancelled', finished_at = NOW(), error = 'project_deleted'
           WHERE project_id = %s AND state = 'queued'""",
        (project_id,),
    )
    db.execute(
        """UPDATE batches SET state = 'stopped', finished_at = NOW(), pause_reason = 'project_deleted'
           WHERE project_id = %s AND state IN ('running', 'paused')""",
        (project_id,),
    )
    tasks.drop(db, project_id)
    tasks.want(db, "purge", project_id)


def set_life(db: Connection, project_id: int, born: str | None, died: str | None) -> None:
    """Store dates of birth and death, as ISO dates with the precision that Wikidata has."""
    db.execute("UPDATE projects SET born = %s, died = %s WHERE id = %s", (born, died, project_id))


def set_portrait(db: Connection, project_id: int, page_id: int | None) -> None:
    """Store the page id of the person's P18 portrait."""
    db.execute("UPDATE projects SET portrait_page_id = %s WHERE id = %s", (page_id, project_id))


def source_counts(db: Connection, project_id: int) -> str | None:
    """Return the state of the source that the last crawl stored (JSON), or None."""
    found: str | None = db.value("SELECT source_json FROM projects WHERE id = %s", (project_id,))
    return found


def keep_source_counts(db: Connection, project_id: int, counts: str) -> None:
    """Store the state of the source (JSON) for the next crawl."""
    db.execute("UPDATE projects SET source_json = %s WHERE id = %s", (counts, project_id))


def crawled(db: Connection, project_id: int, *, cut: bool, newest: datetime | None) -> None:
    """Record a complete crawl; `cut`: the source exceeds the file limit; `newest`: when the crawl began (UTC)."""
    db.execute(
        """UPDATE projects SET crawled_at = NOW(), crawl_cut = %s, searched_from = COALESCE(%s, searched_from)
           WHERE id = %s""",
        (cut, newest, project_id),
    )


def modelled(db: Connection, project_id: int, run: int, report: str) -> None:
    """Store the report of a model run (JSON)."""
    db.execute(
        "UPDATE projects SET model_run = %s, model_at = NOW(), model_json = %s WHERE id = %s", (run, report, project_id)
    )


@dataclass(frozen=True)
class Member:
    """A member of a project."""

    user_id: int
    name: str
    role: Role


def members(db: Connection, project_id: int) -> list[Member]:
    """Return the members, owners first."""
    rows = db.rows(
        """SELECT m.user_id, u.name, m.role FROM project_members m JOIN users u ON u.id = m.user_id
           WHERE m.project_id = %s ORDER BY m.role, u.name""",
        (project_id,),
    )
    return [Member(**row) for row in rows]


def add_member(db: Connection, project_id: int, user_id: int, role: Role) -> None:
    """Add a member or change their role; the creator stays an owner."""
    db.execute(
        """INSERT INTO project_members (project_id, user_id, role) VALUES (%s, %s, %s)
           ON DUPLICATE KEY UPDATE role = IF((SELECT owner_id FROM projects WHERE id = %s) = user_id, 'owner', VALUES(role))""",
        (project_id, user_id, role, project_id),
    )


def remove_member(db: Connection, project_id: int, user_id: int) -> bool:
    """Remove a member, except the creator; return whether one was removed. Their answers stay valid."""
    return bool(
        db.execute(
            """DELETE FROM project_members WHERE project_id = %s AND user_id = %s
               AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = %s AND p.owner_id = %s)""",
            (project_id, user_id, project_id, user_id),
        )
    )
