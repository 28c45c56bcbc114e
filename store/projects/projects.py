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
    barred: str | None
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
    """What a person filled in to create a project."""

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
    """What an owner may change."""

    label: str
    distance_threshold: float
    min_confirmed: int
    error_budget: int
    write_position: bool


_COLUMNS = """p.id, p.owner_id, p.item, p.label, p.description, p.portrait_title, p.portrait_page_id, p.born, p.died,
  p.source_kind, p.source, p.source_text, p.depth, p.excluded, p.distance_threshold, p.min_confirmed, p.error_budget,
  p.write_position, p.status, p.barred, p.settings_version, p.crawled_at, p.crawl_cut, p.searched_from, p.model_run, p.model_at,
  p.model_json, p.created_at"""


def _project(row: dict[str, object]) -> Project:
    project = Project(**row)  # type: ignore[arg-type]
    return replace(project, write_position=bool(project.write_position), crawl_cut=bool(project.crawl_cut))


def create(db: Connection, owner_id: int, new: NewProject) -> int:
    """Create a project and ask for its first crawl and bootstrap. Raises database.Duplicate for a second one alike."""
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
    """The project, whoever asks (for workers), or None."""
    row = db.row(f"SELECT {_COLUMNS} FROM projects p WHERE p.id = %s", (project_id,))
    return _project(row) if row else None


def for_member(db: Connection, project_id: int, user_id: int) -> tuple[Project, Role]:
    """The project and the user's role in it. Raises NotFound for strangers, Gone for a deleted project."""
    found = db.row(
        f"""SELECT {_COLUMNS}, m.role FROM projects p JOIN project_members m ON m.project_id = p.id AND m.user_id = %s
            WHERE p.id = %s""",
        (user_id, project_id),
    )
    row = admitted(project_id, found)
    role: Role = row.pop("role")
    return _project(row), role


def admitted(project_id: int, row: Row | None) -> Row:
    """The row itself, if its role and status let somebody in. Raises NotFound for strangers, Gone for a deleted project."""
    if row is None or row["role"] is None:
        raise NotFound(f"project {project_id}")
    if row["status"] == "deleted":
        raise Gone(f"project {project_id}")
    return row


def membership(db: Connection, project_id: int, user_id: int) -> tuple[Role, str | None]:
    """The user's role and whether the project is barred, where nothing else of it is wanted. Raises as `for_member`."""
    found = db.row(
        """SELECT p.status, p.barred, m.role FROM projects p JOIN project_members m ON m.project_id = p.id AND m.user_id = %s
           WHERE p.id = %s""",
        (user_id, project_id),
    )
    row = admitted(project_id, found)
    return row["role"], row["barred"]


def alike(db: Connection, owner_id: int, item: str, source_kind: str, source: str) -> tuple[int, Status] | None:
    """The owner's project with the same person and source (id, status; also one that is being deleted), or None."""
    row = db.row(
        "SELECT id, status FROM projects WHERE owner_id = %s AND item = %s AND source_kind = %s AND source = %s",
        (owner_id, item, source_kind, source),
    )
    return (row["id"], row["status"]) if row else None


def change_settings(db: Connection, project_id: int, settings: ProjectSettings) -> None:
    """Store settings; the model runs again at once."""
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
    """Pause, resume or complete. A deleted project stays deleted, a barred one paused."""
    changed = db.execute(
        "UPDATE projects SET status = %s WHERE id = %s AND status <> 'deleted' AND barred IS NULL", (status, project_id)
    )
    if changed and status == "active":
        tasks.want(db, "crawl", project_id)
        tasks.want(db, "model", project_id)


def delete(db: Connection, project_id: int) -> None:
    """Mark as deleted; what waits to be sent is cancelled now, the rest is purged by a worker in small pieces."""
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
    """Store when the person was born and died, as ISO dates as precise as Wikidata knows today."""
    db.execute("UPDATE projects SET born = %s, died = %s WHERE id = %s", (born, died, project_id))


def set_portrait(db: Connection, project_id: int, page_id: int | None) -> None:
    """Remember the page id of the person's P18 portrait."""
    db.execute("UPDATE projects SET portrait_page_id = %s WHERE id = %s", (page_id, project_id))


def source_counts(db: Connection, project_id: int) -> str | None:
    """What the last look at the source left for the next one (JSON), or None."""
    found: str | None = db.value("SELECT source_json FROM projects WHERE id = %s", (project_id,))
    return found


def keep_source_counts(db: Connection, project_id: int, counts: str) -> None:
    """Leave that for the next look."""
    db.execute("UPDATE projects SET source_json = %s WHERE id = %s", (counts, project_id))


def crawled(db: Connection, project_id: int, *, cut: bool, newest: datetime | None) -> None:
    """Note a complete look at the source; `cut`: it holds more than a project may; `newest`: when the look began (UTC)."""
    db.execute(
        """UPDATE projects SET crawled_at = NOW(), crawl_cut = %s, searched_from = COALESCE(%s, searched_from)
           WHERE id = %s""",
        (cut, newest, project_id),
    )


def modelled(db: Connection, project_id: int, run: int, report: str) -> None:
    """Note what a model run said (JSON)."""
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
    """The members, owners first."""
    rows = db.rows(
        """SELECT m.user_id, u.name, m.role FROM project_members m JOIN users u ON u.id = m.user_id
           WHERE m.project_id = %s ORDER BY m.role, u.name""",
        (project_id,),
    )
    return [Member(**row) for row in rows]


def add_member(db: Connection, project_id: int, user_id: int, role: Role) -> None:
    """Invite a user, or change their role; the creator stays an owner."""
    db.execute(
        """INSERT INTO project_members (project_id, user_id, role) VALUES (%s, %s, %s)
           ON DUPLICATE KEY UPDATE role = IF((SELECT owner_id FROM projects WHERE id = %s) = user_id, 'owner', VALUES(role))""",
        (project_id, user_id, role, project_id),
    )


def remove_member(db: Connection, project_id: int, user_id: int) -> bool:
    """Take a member out; the creator cannot be. Their answers stand."""
    return bool(
        db.execute(
            """DELETE FROM project_members WHERE project_id = %s AND user_id = %s
               AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = %s AND p.owner_id = %s)""",
            (project_id, user_id, project_id, user_id),
        )
    )
