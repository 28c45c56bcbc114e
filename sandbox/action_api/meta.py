"""Meta modules of action=query: tokens, userinfo and siteinfo."""

import secrets
from collections.abc import Callable

from sandbox.action_api.api import Call, csrf_token
from sandbox.state import oauth
from sandbox.state.errors import block_info
from sandbox.state.model import Json

RATES = {"move": (8, 60), "rollback": (10, 60), "purge": (30, 60), "linkpurge": (30, 60), "renderfile": (700, 30)}
DEFAULT_EDITS = (90, 60)
Meta = Callable[[Call], Json]


def tokens(call: Call) -> Json:
    """Answer meta=tokens."""
    wanted = call.get("type", "csrf").split("|")
    found = {f"{kind}token": csrf_token(call) if kind == "csrf" else _other_token() for kind in wanted}
    return {"tokens": found}


def _other_token() -> str:
    return secrets.token_hex(20) + "+\\"


def user_info(call: Call) -> Json:
    """Answer meta=userinfo; an anonymous user is shown with the IP address as the name."""
    props = call.get("uiprop").split("|")
    user = call.user
    body: Json = {"id": user.id, "name": user.name} if user else {"id": 0, "name": "127.0.0.1", "anon": True}
    if "blockinfo" in props and user and user.block:
        body |= block_info(user.block)
    if "groups" in props:
        body["groups"] = user.groups if user else ["*"]
    if "rights" in props:
        body["rights"] = oauth.rights(call.grant.scopes if call.grant else None)
    if "editcount" in props and user:
        body["editcount"] = user.edits
    if "ratelimits" in props:
        body["ratelimits"] = _rates(call)
    if "registrationdate" in props and user:
        body["registrationdate"] = user.registered
    if "centralids" in props and user:
        body |= {"centralids": {"local": user.id, "CentralAuth": user.id}, "attachedlocal": {"local": True}}
    return {"userinfo": body}


def _rates(call: Call) -> Json:
    settings, kind = call.world.settings, "user" if call.user else "ip"
    hits, seconds = DEFAULT_EDITS if call.user else (8, 60)
    if settings.edit_limit:
        hits, seconds = settings.edit_limit, int(settings.edit_window)
    rates = {"edit": (hits, seconds), **RATES}
    return {name: {kind: {"hits": most, "seconds": window}} for name, (most, window) in rates.items()}


def site_info(call: Call) -> Json:
    """Answer meta=siteinfo for `general` and `dbrepllag`."""
    parts = call.get("siprop", "general").split("|")
    lag = {"dbrepllag": [{"host": "", "lag": -1}]} if "dbrepllag" in parts else {}
    return ({"general": _general(call)} if "general" in parts else {}) | lag


def _general(call: Call) -> Json:
    readonly = any(fault.kind == "readonly" for fault in call.world.faults.waiting)
    general = {
        "mainpage": "Main Page",
        "base": f"{call.base}/wiki/Main_Page",
        "sitename": "Wikimedia Commons",
        "generator": "MediaWiki 1.43.0",
        "case": "first-letter",
        "lang": "en",
        "readonly": readonly,
        "writeapi": True,
        "timezone": "UTC",
        "timeoffset": 0,
        "articlepath": "/wiki/$1",
        "scriptpath": "/w",
        "script": "/w/index.php",
        "servername": "127.0.0.1",
        "wikiid": "commonswiki" if call.site == "commons" else "wikidatawiki",
        "time": call.world.stamp(),
        "maxuploadsize": 104857600,
    }
    return general | ({"readonlyreason": "Maintenance"} if readonly else {})


METAS: dict[str, Meta] = {"tokens": tokens, "userinfo": user_info, "siteinfo": site_info}
