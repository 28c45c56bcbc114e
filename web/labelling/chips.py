"""The endpoint that serves chips, the small crops of faces, to the members of a project."""

from flask import Blueprint, Response, request

from store.detection import faces
from store.errors import NotFound
from web.site.access import check_membership, checks_access_itself
from web.site.limits import limiter
from web.site.services import transaction

bp = Blueprint("pictures", __name__)

KEEP = 30 * 86_400  # seconds; long, because a changed chip has another URL


@bp.get("/chip/<int:project_id>/<int:face_id>.jpg")
@limiter.exempt  # One page of faces loads many chips.
@checks_access_itself
def chip(project_id: int, face_id: int) -> Response:
    """Return the crop of a face as a JPEG of about 150 px.

    The query parameter `v` is the chip's version. With it the URL changes whenever the crop does, so that browsers
    may keep the response for KEEP seconds; without it they may keep it for a minute.
    """
    with transaction() as db:
        check_membership(db, project_id)
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
