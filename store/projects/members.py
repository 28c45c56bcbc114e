"""A user and their role in a project, read in one query for requests that come many times a second."""

from dataclasses import dataclass

from database import Connection
from store.accounts.users import User
from store.projects.projects import Role, admitted


@dataclass(frozen=True)
class Asker:
    """A user and their relation to a project; `role` is None for a non-member."""

    user: User
    project_id: int
    role: Role | None
    status: str | None
    blocked: str | None

    def membership(self) -> tuple[Role, str | None]:
        """Return the role and why the project is blocked. Raises NotFound for non-members, Gone for a deleted project."""
        row = admitted(self.project_id, {"role": self.role, "status": self.status})
        return row["role"], self.blocked


def asker(db: Connection, project_id: int, user_id: int) -> Asker | None:
    """Return the user with this id, member of the project or not, or None."""
    row = db.row(
        """SELECT u.id, u.subject, u.name, u.language, u.blocked, u.session_epoch,
             u.refresh_token IS NOT NULL AS signed_in, m.role, p.status, p.barred
           FROM users u LEFT JOIN (project_members m JOIN projects p ON p.id = m.project_id)
             ON m.user_id = u.id AND m.project_id = %s
           WHERE u.id = %s""",
        (project_id, user_id),
    )
    if row is None:
        return None
    role, status, blocked = row.pop("role"), row.pop("status"), row.pop("barred")
    user = User(**{**row, "blocked": bool(row["blocked"]), "signed_in": bool(row["signed_in"])})
    return Asker(user, project_id, role, status, blocked)
