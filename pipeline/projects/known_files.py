"""Checks of known files: find those that were overwritten, moved or deleted, and queue those to be searched again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from database import Connection
from store.detection import files
from store.detection.files import File
from vision.detection.settings import SearchSettings
from wiki import commons
from wiki.client import Client
from wiki.commons import MissingFile, PageRef
from wiki.names import bare_title


@dataclass(frozen=True)
class Review:
    """Page ids of overwritten files, (page id, new title) of moved ones, and page id -> reason of missing ones."""

    overwritten: tuple[int, ...]
    moved: tuple[tuple[int, str], ...]
    gone: dict[int, str]


def look(client: Client, known: Mapping[int, File]) -> Review:
    """Compare the wiki's current data with the stored files that were described before. Raises WikiError."""
    wanted = [page_id for page_id, file in known.items() if file.sha1 or file.state == "gone"]
    overwritten, moved, gone = [], [], {}
    for page_id, info in commons.image_info(client, wanted).items():
        file = known[page_id]
        if isinstance(info, MissingFile):
            if file.state != "gone":
                gone[page_id] = info.why.value
            continue
        if bare_title(info.title) != file.title:
            moved.append((page_id, bare_title(info.title)))
        if info.sha1 != file.sha1 or file.state == "gone":
            overwritten.append(page_id)
    return Review(tuple(overwritten), tuple(moved), gone)


def note(db: Connection, page_ids: Sequence[int], review: Review, wanted: SearchSettings) -> None:
    """Store the review; queue files that are overwritten, searched by old versions, or have lost their encodings."""
    for page_id, reason in review.gone.items():
        files.vanished(db, page_id, reason)
    files.retitle(db, review.moved)
    files.search_again(db, review.overwritten)
    files.search_again(db, files.outdated(db, page_ids, wanted.detector_version, wanted.encoder_version))
    files.want_dropped(db, page_ids)


def target_of(client: Client, title: str) -> PageRef | None:
    """Return the file to which a redirect leads, or None. Raises WikiError."""
    return commons.resolve_titles(client, [title])[title]
