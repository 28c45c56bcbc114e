"""The projects of a volunteer, created or joined by invitation."""

from dataclasses import dataclass
from datetime import datetime

from database import Connection, marks
from store.detection.faces import Chip
from store.projects.projects import Role, SourceKind, Status


@dataclass(frozen=True)
class Entry:
    """A project as the dashboard shows it."""

    id: int
    item: str
    label: str
    description: str
    source_kind: SourceKind
    source: str
    status: Status
    min_confirmed: int
    crawled_at: datetime | None
    role: Role
    owner: str
    created_at: datetime


@dataclass(frozen=True)
class Page:
    """One page of entries; `total` counts all that match."""

    entries: list[Entry]
    total: int


def page(db: Connection, user_id: int, typed: str, offset: int, limit: int) -> Page:
    """Return the user's projects whose label, item or source contains `typed`; newest first, completed ones last."""
    where = "m.user_id = %s AND p.status <> 'deleted'"
    args: list[object] = [user_id]
    if typed:
        where += " AND (LOCATE(LOWER(%s), LOWER(p.label)) OR p.item = %s OR LOCATE(LOWER(%s), LOWER(p.source)))"
        item = typed.upper() if typed.isascii() else ""  # MariaDB refuses to compare the ids with some other letters
        args += [typed, item, typed]
    joined = (
        f"FROM project_members m JOIN projects p ON p.id = m.project_id JOIN users u ON u.id = p.owner_id WHERE {where}"
    )
    rows = db.rows(
        f"""SELECT p.id, p.item, p.label, p.description, p.source_kind, p.source, p.status, p.min_confirmed, p.crawled_at,
              m.role, u.name AS owner, p.created_at
            {joined} ORDER BY p.status = 'completed', p.id DESC LIMIT %s OFFSET %s""",
        (*args, limit, offset),
    )
    return Page([Entry(**row) for row in rows], int(db.value(f"SELECT COUNT(*) {joined}", args)))


def avatars(db: Connection, project_ids: list[int]) -> dict[int, Chip]:
    """Return by project id the chip of the face in the person's portrait, where there is one."""
    rows = db.rows(
        f"""SELECT l.project_id, f.id, COALESCE(f.sha1, '') AS sha1 FROM projects p
            JOIN labels l ON l.project_id = p.id AND l.page_id = p.portrait_page_id
            JOIN faces f ON f.id = l.face_id JOIN face_chips c ON c.face_id = f.id
            WHERE p.id IN ({marks(project_ids)}) AND l.label = 'target' ORDER BY f.id DESC""",
        project_ids,
    )
    return {row["project_id"]: Chip(row["id"], row["sha1"][:8]) for row in rows}
