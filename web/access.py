"""Who may what, in one place: a view is for signed-in people unless it is marked otherwise, a project for its members."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, g, request, session
from werkzeug.wrappers import Response

from database import Connection
from store import projects, users
from store.projects import Project, Role
from store.users import User
from web.services import transaction

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class SignInNeeded(Exception):
    """Only for people who are signed in."""


class NotAllowed(Exception):
    """The person is known, and this is not for them; `text` says whom to ask."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def public(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that anybody may see."""
    view.public = True  # type: ignore[attr-defined]
    return view


def without_user(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that anybody may see and that does not ask who it is: it works while the database is away."""
    view.without_user = True  # type: ignore[attr-defined]
    return public(view)


def begin_session(user: User) -> None:
    """Sign a user in: nothing of an earlier session stays."""
    session.clear()
    session.permanent = True
    session["user"] = user.id
    session["epoch"] = user.session_epoch


def user() -> User:
    """The person who asks. Raises SignInNeeded."""
    found: User | None = g.get("user")
    if found is None:
        raise SignInNeeded
    return found


def member(db: Connection, project_id: int) -> tuple[Project, Role]:
    """The project, and the asker's role in it. Raises SignInNeeded, and NotFound for strangers."""
    return projects.for_member(db, project_id, user().id)


def owner(db: Connection, project_id: int) -> Project:
    """The project of an asker who owns it. Raises SignInNeeded, NotFound for strangers, NotAllowed for labellers."""
    project, role = member(db, project_id)
    if role != "owner":
        raise NotAllowed("owner_only")
    return project


def recognise() -> None:
    """Find out who asks, for the header of a page that is shown to anybody; needs the database."""
    g.user = _known_user()


def _known_user() -> User | None:
    if "user" not in session:
        return None
    with transaction() as db:
        found = users.get(db, session["user"])
    if found is None or found.session_epoch != session.get("epoch"):
        session.clear()
        return None
    return found


def _guard() -> Response | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or getattr(view, "without_user", False):
        return None
    recognise()
    if g.user is None and not getattr(view, "public", False):
        raise SignInNeeded
    return None


def init_app(app: Flask) -> None:
    """Guard every view."""
    app.before_request(_guard)

    @app.context_processor
    def who() -> dict[str, User | None]:
        return {"user": g.get("user")}
