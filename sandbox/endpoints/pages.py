"""The wiki's HTML pages: main page, categories, items, and files with their statements and history."""

from flask import Blueprint, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from sandbox.action_api.entities import terms
from sandbox.endpoints.media import page_of_error, to_media, world
from sandbox.state import names
from sandbox.state.model import Entity, Item, Json, Page
from sandbox.state.pictures import rendering

bp = Blueprint("pages", __name__)
SHOWN_MEMBERS = 500


@bp.get("/")
def root() -> AnyResponse:
    """Redirect to the main page."""
    return redirect("/wiki/", 302)


@bp.get("/wiki/")
@bp.get("/wiki/Main_Page")
def main_page() -> str:
    """Render the main page: categories, items and the last 20 edits by clients."""
    with world().lock:
        state = world().state
        categories = sorted((name, len(members)) for name, members in world().members.items() if members)
        edits = [edit for edit in state.edits if edit.module != "other"][-20:][::-1]
        items = [item for item in state.items.values() if not item.deleted]
        user = request.cookies.get("sandbox_user", "")
        return render_template("main.html", categories=categories, items=items, edits=edits, user=user)


@bp.get("/w/index.php")
def index_php() -> AnyResponse | str:
    """Redirect the supported forms of index.php: title, curid, oldid and Special:Redirect."""
    title = request.args.get("title", "")
    if title.startswith("Special:Redirect/file/"):
        return to_media(title.removeprefix("Special:Redirect/file/"), request.args.get("width", ""))
    number = request.args.get("curid", "") or request.args.get("oldid", "")
    page = world().page_of_id(int(number)) if number.isdigit() else None
    target = page.title if page else title
    return redirect(f"/wiki/{names.page_path(target)}", 302) if target else redirect("/wiki/", 302)


@bp.get("/wiki/Special:EntityPage/<entity>")
def entity_page(entity: str) -> AnyResponse:
    """Redirect from an entity id to its page."""
    page = world().page_of_id(int(entity[1:])) if entity[1:].isdigit() and entity[0] == "M" else None
    if page is None and world().item(entity) is None:
        return page_of_error(404, "There is no such entity.")
    return redirect(f"/wiki/{names.page_path(page.title if page else entity)}", 301)


@bp.get("/wiki/Special:EntityData/<name>")
def entity_data(name: str) -> AnyResponse:
    """Return a MediaInfo or an item as JSON."""
    entity_id = name.removesuffix(".json")
    page = world().page_of_id(int(entity_id[1:])) if entity_id[:1] == "M" and entity_id[1:].isdigit() else None
    item = world().item(entity_id)
    entity = page.last.entity if page else item.entity if item else None
    if entity is None:
        return page_of_error(404, "There is no such entity.")
    body: Json = {"type": "mediainfo" if page else "item", "id": entity_id, "labels": terms(entity.labels)}
    body |= {"descriptions": terms(entity.descriptions), "statements" if page else "claims": entity.statements or []}
    if page:
        info = {"pageid": page.id, "ns": 6, "title": page.title, "lastrevid": page.last.id}
        body = info | {"modified": page.last.timestamp} | body
    return jsonify({"entities": {entity_id: body}})


@bp.get("/wiki/<path:name>")
@bp.get("/entity/<path:name>")
def show(name: str) -> AnyResponse | str | tuple[str, int]:
    """Render an item, category or file; a redirect is followed unless the URL has the parameter `redirect`."""
    if "Authorization" in request.headers:
        return page_of_error(400, "The authorization headers in your request are for the API; this is not an API URL.")
    with world().lock:
        item = world().item(name.removeprefix("Item:"))
        if item:
            return _item(item)
        title = names.normalise(name) or name
        page = world().page(title)
        if page and page.redirect and "redirect" not in request.args:
            return redirect(f"/wiki/{names.page_path(page.redirect)}", 302)
        if names.namespace_of(title) == 14 and (page or world().members.get(title)):
            return _category(title, page)
        if page and page.namespace == 6:
            return _file(page)
    return page_of_error(404, "There is no page of that name in the sandbox.")


def _rows(entity: Entity | None) -> list[Json]:
    """Return the statements as rows for the template."""
    rows: list[Json] = []
    for one in entity.all() if entity else []:
        qualifiers = [snak for group in one.get("qualifiers", {}).values() for snak in group]
        shown = [{"property": snak["property"], "value": _value(snak)} for snak in qualifiers]
        rows.append({"property": one["mainsnak"]["property"], "value": _value(one["mainsnak"]), "rank": one["rank"]})
        rows[-1] |= {"id": one["id"], "qualifiers": shown}
    return rows


def _value(snak: Json) -> Json:
    if "datavalue" not in snak:
        return {"text": snak["snaktype"], "item": "", "label": ""}
    value = snak["datavalue"]["value"]
    if isinstance(value, dict) and "id" in value:
        item = world().item(value["id"])
        return {"text": value["id"], "item": value["id"], "label": item.entity.labels.get("en", "") if item else ""}
    return {"text": value["time"] if isinstance(value, dict) else str(value), "item": "", "label": ""}


def _file(page: Page) -> str:
    facts = world().pictures.facts(page.versions[-1]) if page.versions else None
    picture = original = ""
    if facts and facts.width:
        key = names.db_key(page.title)
        original = f"/w/images/{names.file_path(key)}"
        step = rendering(facts, 960).step
        picture = f"/w/images/thumb/{names.thumb_path(key, step)}" if step else original
    rows = _rows(page.last.entity)
    return render_template("file.html", page=page, facts=facts, picture=picture, original=original, rows=rows)


def _category(title: str, page: Page | None) -> str:
    members = [world().state.pages[number] for number in world().members.get(title, ())]
    members.sort(key=lambda one: one.title)
    subcategories = [one for one in members if one.namespace == 14]
    files = [_tile(one) for one in members if one.namespace == 6][:SHOWN_MEMBERS]
    total = sum(one.namespace == 6 for one in members)
    return render_template(
        "category.html", title=title, page=page, subcategories=subcategories, files=files, total=total
    )


def _tile(page: Page) -> Json:
    """Return a file of a category for the template: page, URL of the thumbnail, and depicted items."""
    file = world().file(page.title)
    facts = world().pictures.facts(file.versions[-1]) if file else None
    picture = ""
    if file and facts and facts.width:
        key = names.db_key(file.title)
        step = rendering(facts, 250).step
        picture = f"/w/images/thumb/{names.thumb_path(key, step)}" if step else f"/w/images/{names.file_path(key)}"
    depicts = [row["value"] for row in _rows(page.last.entity) if row["property"] == "P180"]
    return {"page": page, "picture": picture, "depicts": depicts, "path": names.page_path(page.title)}


def _item(item: Item) -> str:
    count = len(world().depicting(item.id))
    return render_template("item.html", item=item, rows=_rows(item.entity), count=count)
