"""The Flask application that serves all simulated services on one port, with latency and faults."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from flask import Flask, Response, current_app, g, request
from werkzeug.wrappers import Response as AnyResponse

from sandbox import admin
from sandbox.action_api import api, entities, query, write
from sandbox.endpoints import media, pages, piles, sign_in, sparql
from sandbox.endpoints.media import page_of_error
from sandbox.faults.hostile import SPOILERS
from sandbox.faults.on_demand import Fault
from sandbox.state import names
from sandbox.state.model import State
from sandbox.state.world import World

ACTIONS = {**query.ACTIONS, **entities.ACTIONS, **write.ACTIONS}
SCRIPTS = {"/w/api.php": "commons", "/wikidata/w/api.php": "wikidata", "/meta/w/api.php": "commons"}
Wait = Callable[[float], None]


def create_app(world: World, begin: Callable[[], State], *, wait: Wait = time.sleep) -> Flask:
    """Create the application that serves `world`.

    `begin` returns the state that a reset restores; `wait` sleeps for a number of seconds.
    """
    app = Flask(__name__)
    app.extensions |= {"world": world, "begin": begin, "wait": wait}
    app.jinja_env.filters["page_path"] = names.page_path
    for blueprint in (media.bp, sign_in.bp, admin.bp, piles.bp, pages.bp):
        app.register_blueprint(blueprint)
    for path in SCRIPTS:
        app.add_url_rule(path, f"api-{path}", api_php, methods=["GET", "POST"])
    app.add_url_rule("/sparql", "sparql", sparql_endpoint, methods=["GET", "POST"])
    app.before_request(_before)
    app.after_request(_after)
    app.teardown_request(_finish)
    return app


def api_php() -> Response:
    """Answer a request to the action API of one of the wikis."""
    base = request.host_url.rstrip("/")
    return api.answer(media.world(), request, base, SCRIPTS[request.path], ACTIONS, lost_race=g.lost_race)


def sparql_endpoint() -> AnyResponse:
    """Answer a request to the query service, or redirect to a login page if the settings say so."""
    world = media.world()
    world.counts.requests["sparql"] += 1
    if world.settings.sparql == "login":
        return Response(status=302, headers={"Location": "/wiki/Special:UserLogin"})
    text = request.values.get("query", "")
    if request.mimetype == "application/sparql-query":
        text = request.get_data(as_text=True)
    try:
        with world.lock:
            body = sparql.answer(world, text)
    except sparql.BadQuery as error:
        return Response(f"SPARQL-QUERY: queryStr={text}\n{error}", 400, content_type="text/plain;charset=utf-8")
    return Response(msgspec.json.encode(body), content_type="application/sparql-results+json;charset=utf-8")


def _kind() -> str:
    """Return the service that the request addresses; "" for the sandbox's own pages, which have no faults."""
    path = request.path
    if path in SCRIPTS:
        return "api"
    if path.startswith(("/w/images/", "/w/thumb.php", "/wiki/Special:FilePath", "/wiki/Special:Redirect")):
        return "media"
    if "/rest.php/" in path:
        return "oauth"
    return "sparql" if path == "/sparql" else ""


def _facts() -> dict[str, str]:
    values = request.values
    parts = [values.get(name, "") for name in ("action", "prop", "list", "meta", "generator")]
    titles = [values.get(name, "") for name in ("titles", "title", "id", "ids", "entity", "claim", "data")]
    return {
        "path": request.path,
        "method": request.method,
        "action": parts[0] or values.get("grant_type", ""),
        "module": "+".join(filter(None, parts)),
        "title": " ".join([request.path, *filter(None, titles)]),
        "user": "",
    }


def _before() -> AnyResponse | None:
    kind = g.kind = _kind()
    if not kind:
        return None
    world = media.world()
    with world.lock:
        counts = world.counts
        counts.agents[request.headers.get("User-Agent", "")] += 1
        counts.busy[kind] += 1
        counts.most_at_once[kind] = max(counts.most_at_once[kind], counts.busy[kind])
        counts.requests[kind] += 1
    g.lost_race = _begin_writing(world)
    wait: Wait = current_app.extensions["wait"]
    if world.settings.latency > 0:
        wait(world.settings.latency)
    if not world.faults.waiting:
        return None
    delay = world.faults.take("delay", _facts())
    if delay:
        wait(delay.seconds)
    fault = world.faults.take("request", _facts())
    return _injected_response(fault) if fault else None


def _begin_writing(world: World) -> bool:
    """Register that this request writes a page; return True if another request already does, so that this one fails."""
    values = request.form
    if request.method != "POST" or not values.get("action", "").startswith("wb"):
        return False
    found = re.search(r"[Mm](\d+)", " ".join(values.get(name, "") for name in ("id", "entity", "claim")))
    with world.lock:
        if found is None or int(found[1]) in world.writing:
            return found is not None
        g.writing = int(found[1])
        world.writing.add(g.writing)
        return False


def _injected_response(fault: Fault) -> AnyResponse:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    match fault.kind:
        case "too_many_requests":
            text = "Too many requests. Please comply with the User-Agent policy."
            return Response(text, 429, headers, content_type="text/plain; charset=utf-8")
        case "unavailable":
            answer = page_of_error(fault.status, "Our servers are currently under maintenance or have a problem.")
            answer.headers.update(headers)
            return answer
        case "html":
            return page_of_error(200, "Something that is not the API has answered.")
    return _abort_connection()


def _after(response: Response) -> AnyResponse:
    if not getattr(g, "kind", ""):
        return response
    world = media.world()
    if not world.faults.waiting:
        return response
    delay = world.faults.take("delay_answer", _facts())
    if delay:
        current_app.extensions["wait"](delay.seconds)
    fault = world.faults.take("answer", _facts())
    if fault and fault.kind == "drop_after":
        return _abort_connection()
    if fault and fault.kind == "cut_short":
        _cut_short(response)
    elif fault and fault.kind in SPOILERS:
        SPOILERS[fault.kind](response, fault.to)
    elif fault:
        _damage_body(response, whole=fault.kind == "corrupt")
    return response


def _damage_body(response: Response, *, whole: bool) -> None:
    """Replace the body by its first half, with a matching length; `whole`: keep the length and zero the second half."""
    response.direct_passthrough = False
    data = response.get_data()
    half = data[: len(data) // 2]
    response.set_data(half + bytes(len(data) - len(half)) if whole else half)
    response.headers.pop("ETag", None)


def _cut_short(response: Response) -> None:
    """Send half of the body and then abort the connection, so that it is shorter than its Content-Length."""
    response.direct_passthrough = False
    data, connection = response.get_data(), request.environ.get("sandbox.connection")

    def half() -> Iterator[bytes]:
        yield data[: len(data) // 2]
        if connection is not None:
            connection.abort()

    response.response = half()
    response.headers["Content-Length"] = str(len(data))


def _abort_connection() -> AnyResponse:
    """Abort the connection without a response. Flask's test client has no connection and gets status 599 instead."""
    connection: Any = request.environ.get("sandbox.connection")
    if connection is not None:
        connection.abort()
    return Response(b"", 599)


def _finish(_: BaseException | None) -> None:
    kind = getattr(g, "kind", "")
    if kind:
        world = media.world()
        with world.lock:
            world.counts.busy[kind] -= 1
            world.writing.discard(g.get("writing"))
