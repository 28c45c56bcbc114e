"""Leaderboard of volunteers, from counts that are kept when a project is deleted."""

from dataclasses import dataclass

from database import Connection


@dataclass(frozen=True)
class VolunteerCounts:
    """One volunteer's counts; `name` is empty for an account that was deleted."""

    name: str
    answers: int
    matches: int
    statements: int
    projects: int


def top(db: Connection, limit: int) -> list[VolunteerCounts]:
    """Return the volunteers with the most statements on Commons, then the most answers."""
    rows = db.rows(
        """SELECT COALESCE(u.name, '') AS name, s.answers, s.matches, s.statements, s.projects
           FROM user_stats s LEFT JOIN users u ON u.id = s.user_id WHERE s.answers > 0 OR s.statements > 0
           ORDER BY s.statements DESC, s.answers DESC, s.id LIMIT %s""",
        (limit,),
    )
    return [VolunteerCounts(**row) for row in rows]


def of_user(db: Connection, user_id: int) -> VolunteerCounts | None:
    """Return one volunteer's counts, or None if there are none yet."""
    row = db.row(
        """SELECT u.name, s.answers, s.matches, s.statements, s.projects FROM user_stats s JOIN users u ON u.id = s.user_id
           WHERE s.user_id = %s""",
        (user_id,),
    )
    return VolunteerCounts(**row) if row else None
