"""Encoding of faces drawn by hand, within seconds, so that they train the model.

A drawn face counts as a face also while it is not encoded, and if encoding it fails.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence

from boxes import Box
from database import Connection, DatabaseError
from pipeline.detection.detect import Unfit, found_face, picture_url
from pipeline.jobs.lane import AFTER_TROUBLE
from pipeline.jobs.outcome import MINUTE, Stopped, passes
from pipeline.jobs.tools import Tools
from store.detection import faces
from store.detection.faces import DrawnFace
from store.errors import LeaseLost
from store.jobs import tasks
from vision.detection.errors import DetectorUnavailable, PoolStopped, SearchError
from wiki import commons
from wiki.commons import FileInfo, MissingFile
from wiki.errors import WikiError

log = logging.getLogger(__name__)

AT_ONCE = 8  # faces claimed together
WIDTHS = (960, 1920)  # px: widths of Wikimedia's renderings; vision.detection.decode crops faces from at most 1920 px
GOOD_SIDE = 200  # px: a larger face gives no better encoding, which is made from 150 px
AGAIN = int(2 * MINUTE)  # seconds until the retry after a temporary error


def look(tools: Tools) -> bool:
    """Encode the drawn faces that have waited longest; return False if none waits. Raises Stopped."""
    claimed = tools.run(lambda db: faces.claim_drawn(db, tools.worker, AT_ONCE))
    by_file: dict[int, list[DrawnFace]] = defaultdict(list)
    for face in claimed:
        by_file[face.page_id].append(face)
    for page_id, drawn in by_file.items():
        tools.check()
        try:
            _encode(page_id, drawn, tools)
        except Stopped:
            raise
        except Exception as error:
            log.exception("failed with an unexpected error", extra={"stage": "drawn", "file": page_id})
            _put_off(drawn, error, tools)
    return bool(claimed)


def next_in(tools: Tools) -> float | None:
    """Return the seconds until a drawn face can be claimed, None if none waits."""
    return tools.run(faces.drawn_in)


def width_for(info: FileInfo, boxes: Sequence[Box]) -> int:
    """Return the smallest width of WIDTHS at which every face has a side of GOOD_SIDE pixels, or the largest width."""
    shape = info.height / info.width if info.width else 1.0
    for width in WIDTHS:
        if all(max(box.width * width, box.height * width * shape) >= GOOD_SIDE for box in boxes):
            return width
    return WIDTHS[-1]


def _encode(page_id: int, drawn: Sequence[DrawnFace], tools: Tools) -> None:
    try:
        data = _picture(page_id, [face.box for face in drawn], tools)
    except (WikiError, Unfit) as error:
        _settle_failed(drawn, error, isinstance(error, WikiError) and passes(error), tools)
        return
    for face in drawn:
        tools.check()
        try:
            _encode_face(face, data, tools)
        except PoolStopped:
            raise Stopped from None
        except SearchError as error:
            _settle_failed([face], error, isinstance(error, DetectorUnavailable), tools)
        except LeaseLost:
            continue


def _put_off(drawn: Sequence[DrawnFace], error: Exception, tools: Tools) -> None:
    """Put off faces after an unexpected error; repeat it until the database accepts it. Raises Stopped."""
    while True:
        try:
            return _settle_failed(drawn, error, True, tools)
        except DatabaseError:
            log.exception("not put off; it is tried again", extra={"stage": "drawn", "file": drawn[0].page_id})
            if tools.stop.wait(AFTER_TROUBLE):
                raise Stopped from None


def _picture(page_id: int, boxes: Sequence[Box], tools: Tools) -> bytes:
    info = _info(page_id, WIDTHS[0], tools)
    width = width_for(info, boxes)
    if width > WIDTHS[0] and info.width > WIDTHS[0]:
        info = _info(page_id, width, tools)
    return commons.download(tools.wiki, picture_url(info))


def _info(page_id: int, width: int, tools: Tools) -> FileInfo:
    info = commons.image_info(tools.wiki, [page_id], width)[page_id]
    if isinstance(info, MissingFile):
        raise Unfit(info.why.value)
    return info


def _encode_face(drawn: DrawnFace, data: bytes, tools: Tools) -> None:
    with tools.metrics.timed("encode"):
        found = found_face(tools.pool.encode(data, drawn.box))

    def work(db: Connection) -> None:
        faces.encoded(db, drawn, found)
        tasks.want(db, "model", drawn.project_id, delay=0.5)

    tools.run(work)


def _settle_failed(drawn: Sequence[DrawnFace], error: Exception, passing: bool, tools: Tools) -> None:
    tools.metrics.error("drawn", type(error).__name__)
    log.info("the drawn faces were not encoded: %s", error, extra={"stage": "drawn", "file": drawn[0].page_id})

    def work(db: Connection) -> None:
        for face in drawn:
            if passing:
                faces.encode_later(db, face, AGAIN)
            else:
                faces.not_encoded(db, face, again=False)

    tools.run(work)
