"""Actions of other users on the wiki while a client works: edits, overwritten and moved files, blocks, deletions.

Each function takes the world and a JSON object, whose fields its docstring lists ("?" marks optional ones), and
returns the JSON response. A missing field raises KeyError; a page, item or user that does not exist raises Impossible.
"""

from collections.abc import Callable
from typing import Any

from sandbox.state import names, oauth
from sandbox.state.model import Block, Edit, Entity, Item, Json, Page, Version
from sandbox.state.statements import drop, item_snak, new_guid, put, statement, string_snak
from sandbox.state.world import World

Given = dict[str, Any]


class Impossible(Exception):
    """The action cannot be performed, for example because a page does not exist; the text gives the reason."""


def _page(world: World, given: Given) -> Page:
    if "id" in given:
        page = world.page_of_id(int(str(given["id"]).lstrip("Mm")))
    else:
        title = str(given["title"])
        page = world.page(names.normalise(title if ":" in title else f"File:{title}") or "")
    if page is None:
        raise Impossible(f"There is no page {given.get('id') or given.get('title')}.")
    return page


def _new_title(given: Any) -> str | None:
    """Return the normalised title of a file given with or without "File:", or None if it is invalid."""
    return names.normalise(str(given) if str(given).lower().startswith("file:") else f"File:{given}")


def _save(world: World, page: Page, given: Given, entity: Entity, comment: str) -> Json:
    user = str(given.get("user", "Volunteer"))
    text = f"{comment}{', ' + given['summary'] if given.get('summary') else ''}"
    revision = world.add_revision(page, user=user, comment=text, entity=entity)
    moment = world.clock()
    world.log(Edit(revision.id, user, "other", page.title, f"M{page.id}", text, revision.timestamp, [], moment))
    return {"revision": revision.id, "id": page.id}


def add_statement(world: World, given: Given) -> Json:
    """Add a statement: {title|id, value: "Q76", property?: "P180", qualifiers?: {"P2677": "pct:..."}, rank?, user?}."""
    page = _page(world, given)
    snaks = [string_snak(prop, text) for prop, text in (given.get("qualifiers") or {}).items()]
    snak = item_snak(given.get("property", "P180"), str(given["value"]))
    one = statement(given.get("guid") or new_guid(f"M{page.id}"), snak, snaks, given.get("rank", "normal"))
    entity = put(page.last.entity or Entity(), one)
    return _save(world, page, given, entity, "/* wbcreateclaim-create:1| */") | {"guid": one["id"]}


def _found(page: Page, given: Given) -> Json:
    for one in (page.last.entity or Entity()).all():
        value = one["mainsnak"].get("datavalue", {}).get("value", {})
        if one["id"] == given.get("guid") or (isinstance(value, dict) and value.get("id") == given.get("value")):
            return one
    raise Impossible(f"{page.title} has no statement {given.get('guid') or given.get('value')}.")


def remove_statement(world: World, given: Given) -> Json:
    """Remove a statement: {title|id, guid | value, user?}."""
    page = _page(world, given)
    guid = str(_found(page, given)["id"])
    return _save(world, page, given, drop(page.last.entity or Entity(), guid), "/* wbremoveclaims-remove:1| */")


def change_statement(world: World, given: Given) -> Json:
    """Change a statement: {title|id, guid | value, qualifiers?, rank?, new_value?, user?}.

    `qualifiers` replaces all qualifiers of the statement.
    """
    page = _page(world, given)
    old = _found(page, given)
    snak = item_snak("P180", str(given["new_value"])) if "new_value" in given else old["mainsnak"]
    present = [one for group in old.get("qualifiers", {}).values() for one in group]
    if "qualifiers" in given:
        present = [string_snak(prop, text) for prop, text in given["qualifiers"].items()]
    one = statement(old["id"], snak, present, str(given.get("rank", old["rank"])))
    return _save(world, page, given, put(page.last.entity or Entity(), one), "/* wbsetclaim-update:2||1 */")


def set_captions(world: World, given: Given) -> Json:
    """Replace all captions of a file: {title|id, captions: {"nb": "Et portrett"}, user?}."""
    page, captions = _page(world, given), {str(name): str(text) for name, text in given["captions"].items()}
    before = page.last.entity or Entity()
    entity = Entity(captions, before.descriptions, before.statements)
    return _save(world, page, given, entity, f"/* wbeditentity-update-languages:0||{', '.join(captions)} */")


def edit_text(world: World, given: Given) -> Json:
    """Change the wikitext but not the MediaInfo: {title|id, text, user?}."""
    page = _page(world, given)
    user = str(given.get("user", "Volunteer"))
    return {"revision": world.add_revision(page, user=user, comment="text", text=str(given["text"])).id}


def overwrite(world: World, given: Given) -> Json:
    """Upload a new version of a file: {title|id, with: TITLE of another file | path, user?}. The page keeps its id."""
    page = _page(world, given)
    if "path" in given:
        version = Version(str(given["path"]), world.stamp(), str(given.get("user", "Volunteer")))
    else:
        source = _page(world, {"title": given["with"]})
        if not source.versions:
            raise Impossible(f"{source.title} has no file.")
        newest = source.versions[-1]
        version = Version(newest.path, world.stamp(), str(given.get("user", "Volunteer")), "new version", newest.recipe)
        page.people = list(source.people)
    page.versions.append(version)
    world.add_revision(page, user=version.user, comment="uploaded a new version")
    return {"sha1": world.pictures.facts(version).sha1, "id": page.id}


def move(world: World, given: Given) -> Json:
    """Move a page, which keeps its id, and leave a redirect with a new id: {title|id, to, redirect?: true, user?}."""
    page = _page(world, given)
    title = _new_title(given["to"])
    if title is None or world.page(title):
        raise Impossible(f"{given['to']} cannot be the new title.")
    old = page.title
    del world.titles[old]
    page.title, world.titles[title] = title, page.id
    world.add_revision(page, user=str(given.get("user", "Volunteer")), comment=f"moved page [[{old}]] to [[{title}]]")
    if given.get("redirect", True):
        left = world.add_page(old, text=f"#REDIRECT [[{title}]]", user="Volunteer")
        left.redirect = title
        return {"id": page.id, "redirect": left.id}
    return {"id": page.id}


def delete(world: World, given: Given) -> Json:
    """Delete a page: {title|id}."""
    page = _page(world, given)
    world.reindex(page, lambda: setattr(page, "deleted", True))
    del world.titles[page.title]
    return {"id": page.id}


def undelete(world: World, given: Given) -> Json:
    """Restore a deleted page with its id and statements: {id}."""
    page = world.state.pages.get(int(str(given["id"]).lstrip("Mm")))
    if page is None or not page.deleted:
        raise Impossible(f"There is no deleted page {given['id']}.")
    world.reindex(page, lambda: setattr(page, "deleted", False))
    world.titles[page.title] = page.id
    return {"id": page.id}


def protect(world: World, given: Given) -> Json:
    """Protect a page, or remove the protection with the level "": {title|id, level?: "sysop" | ""}."""
    page = _page(world, given)
    page.protection = str(given.get("level", "sysop"))
    world.add_revision(page, user="Admin", comment="Protected" if page.protection else "Removed protection")
    return {"id": page.id}


def categorise(world: World, given: Given) -> Json:
    """Add a page to categories or remove it from them: {title|id, add?: [CATEGORY], remove?: [CATEGORY]}."""
    page = _page(world, given)
    added = [names.normalise(str(one)) or "" for one in given.get("add", [])]
    removed = [names.normalise(str(one)) or "" for one in given.get("remove", [])]

    def change() -> None:
        page.categories |= {one: world.stamp() for one in added if one not in page.categories}
        for one in removed:
            page.categories.pop(one, None)

    world.reindex(page, change)
    return {"categories": sorted(page.categories)}


def upload(world: World, given: Given) -> Json:
    """Upload a new file: {title, path | with: TITLE, categories?: [CATEGORY], people?: [NAME]}."""
    title = _new_title(given["title"])
    if title is None or world.page(title):
        raise Impossible(f"{given['title']} cannot be the title of a new file.")
    people = list(given.get("people", []))
    if "with" in given:
        source = _page(world, {"title": given["with"]})
        path, recipe, people = source.versions[-1].path, source.versions[-1].recipe, people or source.people
    else:
        path, recipe = str(given["path"]), ""
    categories = [names.normalise(str(one)) or "" for one in given.get("categories", [])]
    page = world.add_page(title, text="A new file.", user="Volunteer", categories=categories)
    page.versions.append(Version(path, world.stamp(), "Volunteer", "A new file.", recipe))
    page.people = people
    return {"id": page.id}


def block(world: World, given: Given) -> Json:
    """Block a user, from some pages only if `titles` is given: {user, reason?, titles?: [TITLE]}."""
    user = world.user(str(given["user"]))
    number, world.state.next_block = world.state.next_block, world.state.next_block + 1
    titles = [names.normalise(str(one)) or "" for one in given.get("titles", [])]
    reason = str(given.get("reason", "Automated edits without consent"))
    user.block = Block(number, reason, world.stamp(), "infinity", titles)
    world.version += 1
    return {"id": number}


def unblock(world: World, given: Given) -> Json:
    """Unblock a user: {user}."""
    world.user(str(given["user"])).block = None
    world.version += 1
    return {}


def rename_user(world: World, given: Given) -> Json:
    """Rename an account, which keeps its id and its tokens: {user, to}."""
    user = world.state.users.pop(str(given["user"]), None)
    if user is None:
        raise Impossible(f"There is no user {given['user']}.")
    old, user.name = user.name, str(given["to"])
    world.state.users[user.name] = user
    for grant in world.state.grants:
        grant.user = user.name if grant.user == old else grant.user
    world.version += 1
    return {"id": user.id}


def expire_tokens(world: World, given: Given) -> Json:
    """Let a user's access tokens expire, with `refresh` also the refresh tokens: {user, refresh?: true}."""
    return {"expired": oauth.expire(world, str(given["user"]), refresh=bool(given.get("refresh")))}


def revoke_tokens(world: World, given: Given) -> Json:
    """Revoke all OAuth grants of a user: {user}."""
    return {"revoked": oauth.revoke(world, str(given["user"]))}


def disable_consumer(world: World, given: Given) -> Json:
    """Disable an OAuth client, or enable it again: {consumer, enabled?: false}."""
    consumer = world.state.consumers.get(str(given["consumer"]))
    if consumer is None:
        raise Impossible(f"There is no consumer {given['consumer']}.")
    consumer.enabled = bool(given.get("enabled", False))
    world.version += 1
    return {}


def make_item(world: World, given: Given) -> Json:
    """Create an item: {item: "Q..", label, description?, human?: true, image?: FILE NAME, category?}."""
    number = str(given["item"])
    snaks = [item_snak("P31", "Q5")] if given.get("human", True) else []
    snaks += [
        string_snak(prop, str(given[key])) for prop, key in (("P18", "image"), ("P373", "category")) if key in given
    ]
    entity = Entity({"en": str(given["label"])}, {"en": str(given.get("description", ""))})
    for snak in snaks:
        entity = put(entity, statement(new_guid(number), snak))
    page = world.state.next_page
    world.state.next_page += 1
    world.state.items[number] = Item(number, page, entity, world.state.next_revision, world.stamp())
    world.state.next_revision += 1
    world.version += 1
    return {"item": number}


def merge_items(world: World, given: Given) -> Json:
    """Merge an item into another, so that it becomes a redirect: {item, into}."""
    item = world.item(str(given["item"]))
    if item is None or world.item(str(given["into"])) is None:
        raise Impossible("One of the items does not exist.")
    item.redirect = str(given["into"])
    world.version += 1
    return {}


def delete_item(world: World, given: Given) -> Json:
    """Delete an item: {item}."""
    item = world.item(str(given["item"]))
    if item is None:
        raise Impossible(f"There is no item {given['item']}.")
    item.deleted = True
    world.version += 1
    return {}


KINDS: dict[str, Callable[[World, Given], Json]] = {
    "add_statement": add_statement,
    "remove_statement": remove_statement,
    "change_statement": change_statement,
    "set_captions": set_captions,
    "edit_text": edit_text,
    "overwrite": overwrite,
    "move": move,
    "delete": delete,
    "undelete": undelete,
    "protect": protect,
    "categorise": categorise,
    "upload": upload,
    "block": block,
    "unblock": unblock,
    "rename_user": rename_user,
    "expire_tokens": expire_tokens,
    "revoke_tokens": revoke_tokens,
    "disable_consumer": disable_consumer,
    "make_item": make_item,
    "merge_items": merge_items,
    "delete_item": delete_item,
}
