"""Merged Wikidata items: projects move to the target item, and the old id still identifies the same person."""

from collections.abc import Collection

from database import Connection, marks
from store.accounts import blocked_items
from store.jobs import tasks


def names(db: Connection, item: str) -> frozenset[str]:
    """Return all items that identify the same person as `item`, including itself."""
    rows = db.rows(
        """SELECT item, target FROM merged_items
           WHERE target = COALESCE((SELECT m.target FROM merged_items m WHERE m.item = %s), %s)""",
        (item, item),
    )
    return frozenset([item, *(row[name] for row in rows for name in ("item", "target"))])


def same(db: Connection, items: Collection[str]) -> dict[str, frozenset[str]]:
    """Return what `names` returns, for each of the items."""
    leads = dict(_pairs(db, "item", items))
    ends = {item: leads.get(item, item) for item in items}
    olds = _pairs(db, "target", set(ends.values()))
    return {item: frozenset([end, *(old for old, target in olds if target == end)]) for item, end in ends.items()}


def _pairs(db: Connection, column: str, values: Collection[str]) -> list[tuple[str, str]]:
    rows = db.rows(f"SELECT item, target FROM merged_items WHERE {column} IN ({marks(list(values))})", list(values))
    return [(row["item"], row["target"]) for row in rows]


def follow(db: Connection, old: str, target: str, *, blocked: bool) -> list[int]:
    """Record that `old` was merged into `target`, and move its projects and their pending additions to the target.

    A project keeps its item where its owner has the same project about the target; its edits name the target nevertheless.
    `blocked`: projects about the target are not allowed. Returns the projects about the old item.
    """
    db.execute("DELETE FROM merged_items WHERE item = %s", (target,))
    db.execute("UPDATE merged_items SET target = %s WHERE target = %s", (target, old))
    db.execute(
        "INSERT INTO merged_items (item, target) VALUES (%s, %s) ON DUPLICATE KEY UPDATE target = VALUES(target)",
        (old, target),
    )
    found: list[int] = db.column("SELECT id FROM projects WHERE item = %s AND status <> 'deleted' FOR UPDATE", (old,))
    for project_id in found:
        _lead(db, project_id, target)
        if blocked:
            blocked_items.block_project(db, project_id, "blocked_item")
    return found


def _lead(db: Connection, project_id: int, target: str) -> None:
    another = db.value(
        """SELECT 1 FROM projects p JOIN projects o ON o.owner_id = p.owner_id AND o.source_kind = p.source_kind
             AND o.source = p.source WHERE p.id = %s AND o.item = %s""",
        (project_id, target),
    )
    if not another:
        db.execute("UPDATE projects SET item = %s WHERE id = %s", (target, project_id))
        db.execute("UPDATE project_files SET stated_at = NULL WHERE project_id = %s", (project_id,))
        tasks.want(db, "crawl", project_id)
    db.execute(
        "UPDATE edits SET item = %s WHERE project_id = %s AND state = 'queued' AND action = 'add'", (target, project_id)
    )
    db.execute(
        "UPDATE batches SET item = %s WHERE project_id = %s AND state IN ('running', 'paused')", (target, project_id)
    )
