"""Files that are known already, looked at again: overwritten, moved, gone, or searched by an older detector."""

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
    """Page ids with other bytes than those that were seen last, (page id, new title), and page id -> why it is gone."""

    overwritten: tuple[int, ...]
    moved: tuple[tuple[int, str], ...]
    gone: dict[int, str]


def look(client: Client, known: Mapping[int, File]) -> Review:
    """What became of files that were described before. Raises WikiError."""
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
    """Queue what has to be searched again; encodings that were dropped while nobody looked are computed again too."""
    for page_id, reason in review.gone.items():
        files.vanished(db, page_id, reason)
    files.retitle(db, review.moved)
    files.search_again(db, review.overwritten)
    files.search_again(db, files.outdated(db, page_ids, wanted.detector_version, wanted.encoder_version))
    files.want_dropped(db, page_ids)


def target_of(client: Client, title: str) -> PageRef | None:
    """The file that a redirect leads to, or None. Raises WikiError."""
    return commons.resolve_titles(client, [title])[title]
