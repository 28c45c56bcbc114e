"""PagePile's endpoint get_data; each category is a pile whose number is the category's page id."""

from flask import Blueprint, Response, jsonify, request

from sandbox.endpoints.media import world

bp = Blueprint("piles", __name__)


@bp.get("/pagepile")
def pile() -> Response:
    """Return the files of a pile as JSON; an error is plain text with status 200, as in the real PagePile."""
    number = request.args.get("id", "")
    with world().lock:
        page = world().page_of_id(int(number)) if number.isdigit() else None
        if page is None or page.namespace != 14:
            return Response(f"Pile {number} does not exist", content_type="text/plain; charset=utf-8")
        members = [world().state.pages[one] for one in sorted(world().members.get(page.title, ()))]
    titles = [one.title.replace(" ", "_") for one in members if one.namespace == 6]
    body = {"pages": titles, "pages_returned": len(titles), "pages_total": len(titles), "language": "commons"}
    return jsonify(body | {"project": "wikimedia", "wiki": "commonswiki", "id": number})
