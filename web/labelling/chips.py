"""Small pictures of faces, for the members of a project."""

from flask import Blueprint, Response, request

from store.detection import faces
from store.errors import NotFound
from web.site.access import admit, asks_itself
from web.site.limits import limiter
from web.site.services import transaction

bp = Blueprint("pictures", __name__)

KEEP = 30 * 86_400  # seconds; the address changes with the picture


@bp.get("/chip/<int:project_id>/<int:face_id>.jpg")
@limiter.exempt  # a page of them is one person's look at a page
@asks_itself
def chip(project_id: int, face_id: int) -> Response:
    """A face as a JPEG of about 150 px. `v` in the address makes it another one when the picture changes."""
    with transaction() as db:
        admit(db, project_id)
        jpeg = faces.chip(db, project_id, face_id)
    if jpeg is None:
        raise NotFound(f"chip {face_id}")
    response = Response(jpeg, mimetype="image/jpeg")
    response.add_etag()
    response.cache_control.private = True
    response.cache_control.max_age = KEEP if request.args.get("v") else 60
    response.cache_control.immutable = bool(request.args.get("v"))
    response.make_conditional(request)
    return response
