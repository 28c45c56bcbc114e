"""Depicts statements on Commons: read them in batches and store them for a project, with the labels they imply."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from database import Connection
from pipeline.jobs.tools import Tools
from store.detection import captions, depicted_items, files
from store.jobs import tasks
from store.labelling import labels
from store.publishing import reverts
from store.publishing.reverts import Reading
from wiki import depicts, wikidata
from wiki.client import Client
from wiki.depicts import Entity
from wiki.errors import WikiError

log = logging.getLogger(__name__)

MODEL_DELAY = 2.0  # seconds in which further changes are collected for one run of the model


@dataclass(frozen=True)
class Read:
    """Existing files that state the person, as (page id, statement GUID), and those that do not, as page ids.

    `readings`: all statements of these files. `protected`: page ids that most accounts may not edit.
    `captions`: by page id and language.
    """

    stated: tuple[tuple[int, str | None], ...]
    unstated: tuple[int, ...]
    readings: tuple[Reading, ...] = ()
    protected: tuple[int, ...] = ()
    captions: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def read(client: Client, items: Collection[str], page_ids: Sequence[int]) -> Read:
    """Read the statements and captions of files. Raises WikiError.

    `items`: the item of the person, and all items that were merged into it.
    """
    entities = depicts.read_statements(client, page_ids)
    stated, unstated = [], []
    for page_id, entity in entities.items():
        if not entity.exists:
            continue
        found = depicts.stating(entity, *items)
        if found:
            stated.append((page_id, found[0].id or None))
        else:
            unstated.append(page_id)
    protected = tuple(page_id for page_id, entity in entities.items() if entity.exists and entity.locked)
    texts = {page_id: entity.captions for page_id, entity in entities.items() if entity.exists}
    return Read(tuple(stated), tuple(unstated), tuple(readings(entities.values())), protected, texts)


def readings(entities: Iterable[Entity]) -> list[Reading]:
    """Return the statements that the store compares with the ledger of edits, to notice reverts.

    Deleted files are left out: nobody reverted their statements. Deprecated statements are left out too, so that an
    edit of this tool whose statement was deprecated counts as reverted.
    """
    return [
        Reading(
            entity.page_id,
            entity.last_revision,
            {found.id.upper(): found.item for found in entity.statements if not found.deprecated},
        )
        for entity in entities
        if entity.exists
    ]


def note(db: Connection, project_id: int, read: Read) -> None:
    """Store what was read, rebuild the labels that follow from it, and notice reverts of edits made by this tool."""
    page_ids = [page_id for page_id, _ in read.stated]
    every = [*page_ids, *read.unstated]
    files.lock(db, every)
    depicted_items.keep_stated(
        db, {reading.page_id: [item for item in reading.items.values() if item] for reading in read.readings}
    )
    captions.keep(db, read.captions)
    before = files.stated(db, project_id, every)
    files.mark_stated(db, project_id, read.stated)
    files.mark_unstated(db, project_id, read.unstated)
    files.mark_protected(db, project_id, every, set(read.protected))
    changed = sorted(before ^ files.stated(db, project_id, every))
    if changed:
        labels.rebuild(db, project_id, changed)
        tasks.want(db, "model", project_id, delay=MODEL_DELAY)
    reverts.notice(db, read.readings)


def name(project_id: int, page_ids: Sequence[int], tools: Tools) -> None:
    """Fetch missing labels of the items stated in files, for the pages; after a WikiError a later crawl does it."""
    items = tools.run(lambda db: depicted_items.nameless(db, project_id, page_ids))
    if not items:
        return
    try:
        labels = wikidata.labels(tools.wiki, items, depicted_items.LANGUAGES)
    except WikiError as error:
        log.info("labels of stated items were not fetched: %s", error, extra={"stage": "crawl", "project": project_id})
        return
    tools.run(lambda db: depicted_items.keep_labels(db, labels, complete=True))
