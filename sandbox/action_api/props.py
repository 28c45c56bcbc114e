"""Property modules of action=query: imageinfo, info, categoryinfo, categories and revisions."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from sandbox.action_api import edits
from sandbox.action_api.api import Call
from sandbox.action_api.entities import entity_json
from sandbox.state import names
from sandbox.state.errors import block_info
from sandbox.state.model import Json, Page, Revision, Version
from sandbox.state.pictures import rendering

THUMBNAILS_A_RESPONSE = 50
IMAGEINFO = "timestamp|user|userid|comment|parsedcomment|canonicaltitle|url|size|dimensions|sha1|mime|thumbmime|"
IMAGEINFO += "mediatype|metadata|commonmetadata|extmetadata|archivename|bitdepth|uploadwarning|badfile"
RVPROP = "ids|flags|timestamp|user|userid|size|slotsize|sha1|contentmodel|comment|parsedcomment|content|tags|roles"
Continuation = dict[str, str | int]


@dataclass
class Asked:
    """The pages for which a property module is called.

    `pages`: each page with its JSON object, which the module fills. `missing`: the JSON objects of missing pages.
    `generated`: the pages come from a generator.
    """

    call: Call
    pages: list[tuple[Page, Json]]
    missing: list[Json]
    generated: bool


Prop = Callable[[Asked], Continuation]


def image_info(asked: Asked) -> Continuation:
    """Answer prop=imageinfo; a redirect has the file of its target under its own id.

    If thumbnails are requested, one response has imageinfo for THUMBNAILS_A_RESPONSE pages only.
    """
    call = asked.call
    wanted = _known(call, "iiprop", "timestamp|user", IMAGEINFO, "imageinfo")
    for body in asked.missing:
        if body.get("ns") == 6:
            body["imagerepository"] = ""
    rows = sorted((row for row in asked.pages if row[0].namespace == 6), key=lambda row: names.db_key(row[0].title))
    start, thumbs = call.get("iicontinue"), "iiurlwidth" in call.params or "iiurlheight" in call.params
    if start:
        rows = [row for row in rows if names.db_key(row[0].title) >= start.rpartition("|")[0]]
    for index, (page, body) in enumerate(rows):
        file = call.world.file(page.title)
        if thumbs and index >= THUMBNAILS_A_RESPONSE:
            stamp = "".join(c for c in (file.versions[-1].timestamp if file else "") if c.isdigit())
            return {"iicontinue": f"{names.db_key(page.title)}|{stamp}"}
        body["imagerepository"] = "local" if file else ""
        if file:
            body["imageinfo"] = [_version(call, file, version, wanted) for version in _versions(call, file)]
    return {}


def _known(call: Call, name: str, default: str, allowed: str, module: str) -> set[str]:
    given = call.get(name, default).split("|")
    unknown = [value for value in given if value not in allowed.split("|")]
    if unknown:
        data = {"values": unknown}
        text = f'Unrecognized value for parameter "{name}": {", ".join(unknown)}'
        call.warn(module, text, "unrecognizedvalues", data)
    return set(given) - set(unknown)


def _versions(call: Call, file: Page) -> list[Version]:
    text = call.get("iilimit", "1")
    count = 500 if text == "max" else max(1, int(text)) if text.isdigit() else 1
    return file.versions[::-1][:count]


def _version(call: Call, file: Page, version: Version, wanted: set[str]) -> Json:
    facts = call.world.pictures.facts(version)
    body: Json = {}
    if "timestamp" in wanted:
        body["timestamp"] = version.timestamp
    if "user" in wanted:
        body["user"] = version.user
    if "comment" in wanted:
        body["comment"] = version.comment
    if "canonicaltitle" in wanted:
        body["canonicaltitle"] = file.title
    if wanted & {"size", "dimensions"}:
        body |= {"size": facts.size, "width": facts.width, "height": facts.height}
    body |= _urls(call, file, version) if "url" in wanted else {}
    if "sha1" in wanted:
        body["sha1"] = facts.sha1
    if "mime" in wanted:
        body["mime"] = facts.mime
    if "mediatype" in wanted:
        body["mediatype"] = facts.media_type
    if "extmetadata" in wanted:
        body["extmetadata"] = _extmetadata(file, version)
    if "archivename" in wanted and version is not file.versions[-1]:
        body["archivename"] = archive_name(file, version)
    return body


def archive_name(file: Page, version: Version) -> str:
    """Return the name under which an old version is archived: the time of its replacement, "!" and the file's name."""
    replaced = file.versions[file.versions.index(version) + 1].timestamp
    return "".join(c for c in replaced if c.isdigit()) + "!" + names.db_key(file.title)


def _urls(call: Call, file: Page, version: Version) -> Json:
    key, images = names.db_key(file.title), f"{call.base}/w/images"
    original = f"{images}/{names.file_path(key)}"
    if version is not file.versions[-1]:
        original = f"{images}/archive/{names.hash_folders(key)}/{quote(archive_name(file, version), safe='')}"
    urls = _thumb_urls(call, version, key, images, original)
    urls["url"] = original + names.provenance("original")
    urls["descriptionurl"] = f"{call.base}/wiki/{names.page_path(file.title)}"
    return urls | {"descriptionshorturl": f"{call.base}/w/index.php?curid={file.id}"}


def _thumb_urls(call: Call, version: Version, key: str, images: str, original: str) -> Json:
    width, height = call.get("iiurlwidth"), call.get("iiurlheight")
    if not width.isdigit() and not height.isdigit():
        return {}
    facts = call.world.pictures.facts(version)
    if not facts.width:
        icon = f"{call.base}/w/resources/assets/file-type-icons/fileicon.png"
        return {"thumburl": icon + names.provenance("thumbnail"), "thumbwidth": 120, "thumbheight": 120}
    wanted = int(width) if width.isdigit() else facts.width
    bound = int(height) if height.isdigit() else None

    def url(wanted: int) -> str:
        step = rendering(facts, wanted).step
        if step is None:
            return original + names.provenance("thumbnail_unscaled")
        return f"{images}/thumb/{names.thumb_path(key, step)}" + names.provenance("thumbnail")

    shown = rendering(facts, wanted, bound)
    main = url(shown.width)
    body: Json = {"thumburl": main, "thumbwidth": shown.width, "thumbheight": shown.height}
    if shown.step and not facts.rotated:
        larger = {scale: url(round(shown.width * float(scale))) for scale in ("1.5", "2")}
        responsive = {scale: link for scale, link in larger.items() if link != main}
        body |= {"responsiveUrls": responsive} if responsive else {}
    return body


def _extmetadata(file: Page, version: Version) -> Json:
    return {
        "DateTime": {"value": version.timestamp, "source": "mediawiki-metadata", "hidden": ""},
        "ObjectName": {"value": names.bare(file.title).rpartition(".")[0], "source": "mediawiki-metadata"},
        "Categories": {"value": "|".join(names.bare(one) for one in file.categories), "source": "commons-categories"},
        "ImageDescription": {"value": version.comment, "source": "commons-desc-page"},
    }


def info(asked: Asked) -> Continuation:
    """Answer prop=info, with inprop=protection and intestactions."""
    language = {"pagelanguage": "en", "pagelanguagehtmlcode": "en", "pagelanguagedir": "ltr"}
    for body in asked.missing:
        if "title" in body:
            body |= {"contentmodel": "wikitext"} | language
    inprop, actions = asked.call.get("inprop").split("|"), asked.call.many("intestactions")
    for page, body in asked.pages:
        body |= {"contentmodel": "wikitext"} | language
        body |= {"touched": page.last.timestamp, "lastrevid": page.last.id, "length": len(page.last.text)}
        body |= ({"redirect": True} if page.redirect else {}) | ({"new": True} if len(page.revisions) == 1 else {})
        if "protection" in inprop:
            level = {"type": "edit", "level": page.protection, "expiry": "infinity"}
            body["protection"] = [level] if page.protection else []
            body["restrictiontypes"] = ["edit", "move", "upload"] if page.namespace == 6 else ["edit", "move"]
        if "url" in inprop:
            body["fullurl"] = body["canonicalurl"] = f"{asked.call.base}/wiki/{names.page_path(page.title)}"
        if actions:
            body["actions"] = {action: _test_action(asked.call, page) for action in actions}
    return {}


def _test_action(call: Call, page: Page) -> object:
    refusal = edits.permission(call, page)
    if call.get("intestactionsdetail", "boolean") == "boolean":
        return refusal is None
    if refusal is None:
        return []
    block = call.user.block if call.user and refusal.code == "blocked" else None
    data = {"data": {"blockinfo": block_info(block)}} if block else {}
    return [{"code": refusal.code, "text": refusal.text} | data]


def category_info(asked: Asked) -> Continuation:
    """Answer prop=categoryinfo; a category without a page can have members."""
    for title, body in [(body.get("title", ""), body) for body in asked.missing] + [
        (p.title, b) for p, b in asked.pages
    ]:
        if names.namespace_of(title) != 14:
            continue
        members = [asked.call.world.state.pages[number] for number in asked.call.world.members.get(title, ())]
        if body.get("missing") and not members:
            continue
        files = sum(page.namespace == 6 for page in members)
        subcats = sum(page.namespace == 14 for page in members)
        sizes = {"size": len(members), "pages": len(members) - files - subcats, "files": files, "subcats": subcats}
        body["categoryinfo"] = sizes | {"hidden": False}
    return {}


def categories(asked: Asked) -> Continuation:
    """Answer prop=categories."""
    wanted = asked.call.many("clcategories")
    asked.call.get("cllimit")
    for page, body in asked.pages:
        shown = [title for title in page.categories if not wanted or title in wanted]
        if shown:
            body["categories"] = [{"ns": 14, "title": title} for title in sorted(shown)]
    return {}


def revisions(asked: Asked) -> Continuation:
    """Answer prop=revisions: the newest one of each page, or the `rvlimit` newest ones of a single page."""
    call = asked.call
    wanted = _known(call, "rvprop", "ids|timestamp|flags|comment|user", RVPROP, "revisions")
    limit = call.get("rvlimit")
    count = 500 if limit == "max" else int(limit) if limit.isdigit() else 1
    start = call.get("rvcontinue").rpartition("|")[2]
    more: Continuation = {}
    for page, body in asked.pages:
        listed = [one for one in page.revisions[::-1] if not start or one.id <= int(start)]
        body["revisions"] = [_revision(call, page, revision, wanted) for revision in listed[:count]]
        if limit and len(listed) > count:
            stamp = "".join(c for c in listed[count].timestamp if c.isdigit())
            more = {"rvcontinue": f"{stamp}|{listed[count].id}"}
    return more


def _revision(call: Call, page: Page, revision: Revision, wanted: set[str]) -> Json:
    body: Json = {}
    if "ids" in wanted:
        body |= {"revid": revision.id, "parentid": revision.parent}
    if "flags" in wanted:
        body["minor"] = False
    if "user" in wanted:
        body["user"] = revision.user
    if "timestamp" in wanted:
        body["timestamp"] = revision.timestamp
    if "size" in wanted:
        body["size"] = len(revision.text)
    if call.get("rvslots") and wanted & {"content", "slotsize", "contentmodel"}:
        body["slots"] = _slots(page, revision, wanted)
    if "comment" in wanted:
        body["comment"] = revision.comment
    if "parsedcomment" in wanted:
        body["parsedcomment"] = revision.comment
    if "tags" in wanted:
        body["tags"] = revision.tags
    return body


def _slots(page: Page, revision: Revision, wanted: set[str]) -> Json:
    texts = {"main": (revision.text, "wikitext", "text/x-wiki")}
    if revision.entity is not None:
        shown = {"type": "mediainfo", "id": f"M{page.id}"} | entity_json(revision.entity)
        texts["mediainfo"] = (json.dumps(shown, ensure_ascii=False), "wikibase-mediainfo", "application/json")
    slots: Json = {}
    for name, (text, model, kind) in texts.items():
        slots[name] = {"size": len(text.encode())} if "slotsize" in wanted else {}
        if "content" in wanted:
            slots[name] |= {"contentmodel": model, "contentformat": kind, "content": text}
    return slots


PROPS: dict[str, Prop] = {
    "imageinfo": image_info,
    "info": info,
    "categoryinfo": category_info,
    "categories": categories,
    "revisions": revisions,
}
