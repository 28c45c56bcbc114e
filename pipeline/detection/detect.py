"""The steps of detection for one file: look it up on the wiki, download its picture, search it, and store its faces.

A file passes through `look_up`, `fetch`, the pool, `complete` and `keep`; pipeline/detection/conveyor.py runs these
steps in parallel. `fail` settles a file that could not be searched, with a reason key that the pages translate.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from database import Connection
from pipeline.jobs.outcome import again_in, passes
from pipeline.jobs.tools import Tools, search_settings
from pipeline.projects import known_files
from store.detection import faces, files, searches
from store.detection.searches import SearchLease
from store.errors import LeaseLost
from store.labelling import labels
from vision.detection.errors import ImageError, SearchError, SearchTimedOut
from vision.detection.faces import Face, SearchResult, box_in_chip
from vision.detection.settings import MAX_BYTES
from wiki import addresses, commons
from wiki.commons import FileInfo, MissingFile
from wiki.errors import Wait, WikiError
from wiki.names import bare_title

log = logging.getLogger(__name__)

RENDERING = 960  # width in px of the rendering that is searched; see vision.detection.decode
# If the wiki has no rendering, the original file of one of these types is searched.
DECODED = frozenset(("image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/bmp"))


@dataclass(frozen=True)
class Job:
    """A leased file and the URL of its picture; `again`: the same bytes were searched before, by another version."""

    lease: SearchLease
    info: FileInfo
    url: str
    again: bool = False

    @property
    def page_id(self) -> int:
        return self.info.page_id


class Unfit(Exception):
    """The file has no picture that can be searched; `reason` is a key that the pages translate."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def look_up(lease: SearchLease, tools: Tools) -> list[Job]:
    """Return a job for each leased file that has to be downloaded. Raises WikiError.

    Files without a searchable picture and files whose search is still valid are settled here.
    """
    jobs = []
    known = tools.run(lambda db: files.get(db, lease.page_ids))
    for page_id, info in commons.image_info(tools.wiki, lease.page_ids, RENDERING).items():
        if isinstance(info, MissingFile):
            if info.why is commons.Why.REDIRECT:
                follow(page_id, tools)
            fail(lease, page_id, info, tools)
            continue
        try:
            url = picture_url(info)
        except Unfit as error:
            fail(lease, page_id, error, tools)
            continue
        file = known.get(page_id)
        job = Job(lease, info, url, again=file is not None and file.searched_sha1 == info.sha1)
        if file is not None and job.again and settled_before(job, file, tools):
            tools.metrics.file("known")
        else:
            jobs.append(job)
    return jobs


def follow(page_id: int, tools: Tools) -> None:
    """Add the target of a redirect to the projects of the redirect. Raises WikiError.

    The redirect keeps an entity of its own, so statements have to be written to the target.
    """
    known = tools.run(lambda db: files.get(db, [page_id])).get(page_id)
    target = known_files.target_of(tools.wiki, f"File:{known.title}") if known else None
    if target is None or target.page_id == page_id:
        return

    def work(db: Connection) -> None:
        for project_id in files.projects_of(db, [page_id]):
            found = [(target.page_id, bare_title(target.title))]
            files.add_to_project(db, project_id, found, "source", tools.settings.max_files)

    tools.run(work)


def picture_url(info: FileInfo) -> str:
    """Return the URL of the rendering to search, or of the file itself if the wiki has none. Raises Unfit."""
    if info.kind is not commons.Kind.IMAGE:
        raise Unfit("not_an_image", info.mime)
    if addresses.renders(info.thumb_url, info.url):
        return info.thumb_url
    if info.mime not in DECODED:
        raise Unfit("no_rendering", info.mime)
    if info.size_bytes > MAX_BYTES:
        raise Unfit("too_large", f"{info.size_bytes / 1e6:.0f} MB")
    return info.url


def settled_before(job: Job, known: files.File, tools: Tools) -> bool:
    """Settle a file with unchanged bytes if its search is still valid, and return whether it was.

    The search is valid if its detector is the configured one or the one that this worker has, so that a worker with a
    lesser detector does not replace the results of a better one. The same holds for the encoder. Encodings of another
    version are replaced by those of the chips: no picture is fetched, and no face changes. Also returns True if the lease
    was lost.
    """
    wanted, at_hand = search_settings(tools.settings), tools.pool.settings
    if known.detector not in (wanted.detector_version, at_hand.detector_version):
        return False
    encoders = (wanted.encoder_version, at_hand.encoder_version)
    anew = encode_chips(job.page_id, encoders, tools)
    if anew is None:
        return False

    def work(db: Connection) -> bool:
        for face, encoding in anew:
            faces.encode_anew(db, face.face_id, face.encoder, encoding, at_hand.encoder_version)
        if not faces.intact(db, job.page_id, encoders):
            return False
        searches.describe(db, job.lease, seen(job.info))
        searches.searched(
            db,
            job.lease,
            job.page_id,
            width=known.searched_width or 0,
            height=known.searched_height or 0,
            detector=known.detector or "",
            faces=known.face_count or 0,
        )
        labels.rebuild_everywhere(db, [job.page_id])
        return True

    try:
        return tools.run(work)
    except LeaseLost:
        return True


def encode_chips(page_id: int, encoders: Sequence[str], tools: Tools) -> list[tuple[faces.OutdatedChip, bytes]] | None:
    """Encode the faces with encodings of other versions from their chips; return the encodings as they are stored.

    Returns None where that is not possible: the picture must be searched.
    """
    old = tools.run(lambda db: faces.outdated_chips(db, page_id, encoders))
    if old is None:
        return None
    try:
        return [
            (face, encoding_bytes(tools.pool.encode(face.jpeg, box_in_chip(face.box, face.width, face.height))))
            for face in old
        ]
    except SearchError as error:
        log.info("not encoded from chips: %s", error, extra={"stage": "detect", "file": page_id})
        return None


def fetch(job: Job, tools: Tools) -> bytes:
    """Download the picture. Raises WikiError."""
    return commons.download(tools.wiki, job.url, most_bytes=MAX_BYTES)


def complete(job: Job, data: bytes, result: SearchResult, tools: Tools) -> SearchResult:
    """Add the faces that a human decided about in the same bytes and that this search did not find. Raises SearchError.

    They are encoded in their stored boxes, so that a new version of the detector never removes a decision.
    """
    if not job.again:
        return result
    found = [face.box for face in result.faces]
    unseen = tools.run(lambda db: faces.unseen(db, job.page_id, job.info.sha1, found))
    kept = [_encode_stored(face, data, tools) for face in unseen]
    return replace(result, faces=(*result.faces, *kept))


def _encode_stored(face: faces.Face, data: bytes, tools: Tools) -> Face:
    """Encode a stored face in its box; score and detector remain those of the search that found it."""
    found = tools.pool.encode(data, face.box)
    return replace(found, box=face.box, score=face.score or 0.0, detector=face.detector or found.detector)


def keep(job: Job, result: SearchResult, tools: Tools) -> list[int]:
    """Store the result in one transaction and return the ids of the projects that use the file. Raises LeaseLost."""
    found = [found_face(face) for face in result.faces]

    def work(db: Connection) -> list[int]:
        searches.describe(db, job.lease, seen(job.info))
        count = faces.replace_found(db, job.page_id, job.info.sha1, found)
        searches.searched(
            db,
            job.lease,
            job.page_id,
            width=result.width,
            height=result.height,
            detector=result.detector,
            faces=count,
        )
        return labels.rebuild_everywhere(db, [job.page_id])

    return tools.run(work)


def fail(lease: SearchLease, page_id: int, why: Exception | MissingFile, tools: Tools) -> None:
    """Settle a file that could not be searched; schedule a retry after a temporary error. A lost lease is ignored."""
    reason, detail, passing, gone = meaning(why)

    def work(db: Connection) -> None:
        later = again_in(searches.attempts(db, page_id)) if passing else None
        if later is not None and isinstance(why, Wait) and why.asked:
            later = max(later, why.seconds)
        searches.failed(db, lease, page_id, error=reason, detail=detail, again_in=later, gone=gone)

    try:
        tools.run(work)
    except LeaseLost:
        return
    tools.metrics.file("failed")
    tools.metrics.error("detect", reason)
    log.info("not searched: %s %s", reason, detail, extra={"stage": "detect", "file": page_id})


def meaning(why: Exception | MissingFile) -> tuple[str, str, bool, bool]:
    """Return the reason key, the detail, whether the error is temporary, and whether the file is gone."""
    match why:
        case MissingFile():
            return why.why.value, "", False, True
        case Unfit():
            return why.reason, why.detail, False, False
        case WikiError():
            return why.reason.value, why.text or why.code, passes(why), False
        case ImageError():
            return "image", why.reason, False, False
        case SearchTimedOut():
            return "search_timeout", why.reason, True, False
        case SearchError():
            return "search_crashed", why.reason, not why.lasting, False
        case _:
            return "internal", type(why).__name__, True, False


def seen(info: FileInfo) -> files.FileMetadata:
    """Convert the wiki's metadata of a file to the form that is stored."""
    return files.FileMetadata(
        page_id=info.page_id,
        title=bare_title(info.title),
        sha1=info.sha1,
        size_bytes=info.size_bytes,
        width=info.width,
        height=info.height,
        uploaded_at=_time(info.timestamp),
        thumb_url=info.thumb_url or None,
        description=info.description or None,
        taken_on=info.date or None,
    )


def found_face(face: Face) -> faces.FoundFace:
    """Convert a detected face to the form that is stored; the encoding becomes little-endian float32."""
    return faces.FoundFace(
        box=face.box,
        size_px=round(face.size_px),
        score=face.score,
        detector=face.detector,
        sharpness=face.sharpness,
        poor=face.poor,
        encoding=encoding_bytes(face),
        encoder=face.encoder,
        chip=face.chip_jpeg,
    )


def encoding_bytes(face: Face) -> bytes:
    """Return the encoding as it is stored: 128 little-endian float32."""
    return np.asarray(face.encoding, "<f4").tobytes()


def _time(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp).replace(tzinfo=None)
    except ValueError:
        return None
