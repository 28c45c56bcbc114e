"""The small picture of a face."""

from flask import Blueprint, Response

from store import faces
from store.errors import NotFound
from web import access
from web.services import transaction

bp = Blueprint("faces", __name__)
DAY = 86_400


@bp.get("/projects/<int:project_id>/faces/<int:face_id>.jpg")
def chip(project_id: int, face_id: int) -> Response:
    """150 px of JPEG, to members of a project that looks at the file."""
    with transaction() as db:
        access.member(db, project_id)
        jpeg = faces.chip(db, project_id, face_id)
    if jpeg is None:
        raise NotFound(f"chip {face_id}")
    response = Response(jpeg, mimetype="image/jpeg")
    response.cache_control.private = True
    response.cache_control.max_age = DAY
    return response
