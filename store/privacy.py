"""Export and deletion of personal data. Data on which other volunteers depend is kept without a name.

The database, not `json.dumps`, formats the export. Ten thousand answers then cost the web process 6 ms of CPU and 4 MB
in place of 160 ms, for which its other threads wait, and 15 MB; and one statement reads all tables as of one moment.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from database import Connection, Row, marks
from store.projects import projects


@dataclass(frozen=True)
class _Place:
    """Where personal data is stored: the table, the condition on its rows, and the columns exported (empty: all).

    `part`: rows with the same value of this expression are exported as one text, ordered by `order`, where there may be
    thousands. `index`: index hint, where the server would choose a slower index.
    """

    table: str
    condition: str
    columns: str = ""
    part: str = ""
    order: str = ""
    index: str = ""


# Tokens are stored in `users` only and are never exported. Drawn faces are few, and are found through an index.
_OF_USER = {
    "projects": _Place("projects", "owner_id = %s"),
    "memberships": _Place("project_members", "user_id = %s"),
    "answers": _Place("answers", "user_id = %s", part="id DIV 250", order="id"),
    "approvals": _Place("approvals", "user_id = %s", part="project_id, page_id %% 40", order="page_id"),
    "boxes_drawn": _Place(
        "faces",
        "project_id IS NOT NULL AND drawn_by = %s",
        "id page_id project_id replaces box_left box_top box_width box_height state created_at",
        index="FORCE INDEX (by_project)",
    ),
    "batches": _Place("batches", "user_id = %s"),
    "edits": _Place("edits", "user_id = %s", part="id DIV 250", order="id"),
    "statistics": _Place("user_stats", "user_id = %s", "answers matches statements projects"),
    "items_blocked": _Place("blocked_items", "added_by = %s", "item reason added_at"),
}
_ACCOUNT = """SELECT 'account' AS what, JSON_OBJECT('id', id, 'central_id', subject, 'name', name, 'language', language,
    'blocked', blocked, 'created_at', created_at, 'seen_at', seen_at, 'permission_stored', access_token IS NOT NULL,
    'token_expires_at', token_expires_at) AS entry FROM users WHERE id = %s"""
_PLAIN, _QUOTED = {"enum", "date", "datetime"}, {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}


def everything(db: Connection, user_id: int) -> dict[str, list[str]]:
    """Return all rows about a volunteer as JSON texts by kind; of the tokens only whether any are stored.

    Many rows are in one text, separated by commas. JSON_OBJECT takes three times as long as concatenating the parts.
    """
    types = _types(db)
    selects = [_ACCOUNT, *(_entries(what, place, types[place.table]) for what, place in _OF_USER.items())]
    found: dict[str, list[str]] = {what: [] for what in ("account", *_OF_USER)}
    longest = "SET STATEMENT group_concat_max_len = 16777216 FOR "
    for row in db.rows(longest + " UNION ALL ".join(selects), (user_id,) * len(selects)):
        found[row["what"]].append(row["entry"])
    return found


def _types(db: Connection) -> dict[str, dict[str, str]]:
    """Return the type of each column, by table, in column order."""
    tables = sorted({place.table for place in _OF_USER.values()})
    types: dict[str, dict[str, str]] = {table: {} for table in tables}
    for row in db.rows(
        f"""SELECT table_name AS name, column_name AS part, data_type AS type FROM information_schema.columns
            WHERE table_schema = DATABASE() AND table_name IN ({marks(tables)}) ORDER BY table_name, ordinal_position""",
        tables,
    ):
        types[row["name"]][row["part"]] = row["type"]
    return types


def _entries(what: str, place: _Place, types: Mapping[str, str]) -> str:
    pairs = ", ', ', ".join(f"""'"{name}": ', {_json(name, types[name])}""" for name in place.columns.split() or types)
    entry = f"CONCAT('{{', {pairs}, '}}')"
    if place.part:
        entry = f"GROUP_CONCAT({entry} ORDER BY {place.order} SEPARATOR ',\\n')"
    grouped = f" GROUP BY {place.part}" if place.part else ""
    return f"SELECT '{what}', {entry} FROM {place.table} {place.index} WHERE {place.condition}{grouped}"


def _json(column: str, type_: str) -> str:
    if type_ in _QUOTED:
        column = f"JSON_QUOTE({column})"
    elif type_ in _PLAIN:
        column = f"""CONCAT('"', {column}, '"')"""
    return f"COALESCE({column}, 'null')"


def sole_projects(db: Connection, user_id: int) -> list[Row]:
    """Return the projects (id, label) that are deleted with the account: those without another owner."""
    return db.rows(
        """SELECT p.id, p.label FROM projects p WHERE p.owner_id = %s AND p.status <> 'deleted' AND NOT EXISTS (
             SELECT 1 FROM project_members m WHERE m.project_id = p.id AND m.role = 'owner' AND m.user_id <> p.owner_id)
           ORDER BY p.id""",
        (user_id,),
    )


def delete_account(db: Connection, user_id: int) -> None:
    """Delete an account with its tokens, sessions, memberships and name.

    Projects pass to another owner, or are deleted if there is none. Answers in other projects and edits in the ledger are
    kept under two separate nameless accounts, so that the public edits do not reveal the answers. Statistics are kept
    without an account.
    """
    db.value("SELECT id FROM users WHERE id = %s FOR UPDATE", (user_id,))
    for project_id in db.column("SELECT id FROM projects WHERE owner_id = %s ORDER BY id FOR UPDATE", (user_id,)):
        _hand_over(db, project_id, user_id)
    db.execute("DELETE FROM project_members WHERE user_id = %s", (user_id,))
    _end_sending(db, user_id)
    _reassign(db, user_id, _nameless(db), (("answers", "user_id"), ("approvals", "user_id"), ("faces", "drawn_by")))
    sender = _nameless(db)
    _reassign(db, user_id, sender, (("batches", "user_id"), ("edits", "user_id"), ("edits", "approved_by")))
    db.execute("UPDATE projects SET owner_id = %s WHERE owner_id = %s", (sender, user_id))
    db.execute(
        "UPDATE search_turns t JOIN projects p ON p.id = t.project_id SET t.owner_id = p.owner_id WHERE t.owner_id = %s",
        (user_id,),
    )
    db.execute("UPDATE user_stats SET user_id = NULL WHERE user_id = %s", (user_id,))
    db.execute("UPDATE blocked_items SET added_by = NULL WHERE added_by = %s", (user_id,))
    db.execute("DELETE FROM users WHERE id = %s", (user_id,))


def _hand_over(db: Connection, project_id: int, user_id: int) -> None:
    """Give the project to the earliest invited owner who has no equal project; without one, delete it."""
    heir = db.value(
        """SELECT m.user_id FROM project_members m JOIN projects p ON p.id = m.project_id
           WHERE m.project_id = %s AND m.role = 'owner' AND m.user_id <> %s AND p.status <> 'deleted' AND NOT EXISTS (
             SELECT 1 FROM projects t WHERE t.owner_id = m.user_id AND t.item = p.item AND t.source_kind = p.source_kind
               AND t.source = p.source)
           ORDER BY m.added_at, m.user_id LIMIT 1""",
        (project_id, user_id),
    )
    if heir is not None:
        db.execute("UPDATE projects SET owner_id = %s WHERE id = %s", (heir, project_id))
    elif db.value("SELECT status <> 'deleted' FROM projects WHERE id = %s", (project_id,)):
        projects.delete(db, project_id)


def _end_sending(db: Connection, user_id: int) -> None:
    """Stop all publishing under the account. The outcome of a request in flight remains unknown."""
    db.execute("DELETE FROM tasks WHERE kind = 'publish' AND subject_id = %s", (user_id,))
    db.execute(
        """UPDATE edits SET state = IF(state = 'queued', 'cancelled', 'failed'), error = 'account_deleted',
             finished_at = NOW() WHERE user_id = %s AND state IN ('queued', 'sending')""",
        (user_id,),
    )
    db.execute(
        """UPDATE batches SET state = 'stopped', pause_reason = 'account_deleted', finished_at = NOW()
           WHERE user_id = %s AND state IN ('running', 'paused')""",
        (user_id,),
    )


def _nameless(db: Connection) -> int:
    """Create an account without a name, to which nobody can sign in, and return its id."""
    return db.insert(
        "INSERT INTO users (subject, name, created_at, seen_at) VALUES (%s, '', '2000-01-01', '2000-01-01')",
        (f"deleted {secrets.token_hex(16)}",),
    )


def _reassign(db: Connection, user_id: int, other: int, columns: tuple[tuple[str, str], ...]) -> None:
    """Replace the user by another account in these columns (table, column)."""
    for table, column in columns:
        db.execute(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", (other, user_id))
