"""Who may what, in one place: a view is for signed-in people unless it is marked otherwise, a project for its members."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, g, request, session
from werkzeug.wrappers import Response

from database import Connection
from store.accounts import users
from store.accounts.users import User
from store.projects import members, projects
from store.projects.projects import Project, Role
from web.site.services import settings, transaction

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class SignInNeeded(Exception):
    """Only for people who are signed in."""


class NotAllowed(Exception):
    """The person is known, and this is not for them; `reason` is a key that web/site/errors.py puts into words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# What can still be done in a project about a person whom nobody may look for: end it, leave it, take back what was sent.
_BLUEPRINTS_WHILE_BARRED = {"batches", "settings"}


def public(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that anybody may see."""
    view.public = True  # type: ignore[attr-defined]
    return view


def without_user(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that anybody may see and that does not ask who it is: it works while the database is away."""
    view.without_user = True  # type: ignore[attr-defined]
    return public(view)


def admin_only(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that is for administrators."""
    view.admin_only = True  # type: ignore[attr-defined]
    return view


def checks_access_itself(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view of a project's members that finds out who asks in its own transaction, by `check_membership` or
    `member`.

    For what is asked many times a second: it saves a transaction each time.
    """
    view.checks_access_itself = True  # type: ignore[attr-defined]
    return view


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
    """The project, and the asker's role in it. Raises SignInNeeded, NotFound for strangers, NotAllowed where it is barred."""
    if "user" not in g:
        g.user = _user_if_session_valid(users.get(db, session["user"]))
    project, role = projects.for_member(db, project_id, user().id)
    _check_not_barred(project.barred)
    return project, role


def check_membership(db: Connection, project_id: int) -> Role:
    """The same check, where nothing of the project is wanted but that: for what is asked many times a second."""
    if "user" in g:
        role, barred = projects.membership(db, project_id, user().id)
    else:
        requester = members.asker(db, project_id, session["user"])
        g.user = _user_if_session_valid(requester.user if requester else None)
        if requester is None or g.user is None:
            raise SignInNeeded
        role, barred = requester.membership()
    _check_not_barred(barred)
    return role


def _check_not_barred(barred: str | None) -> None:
    if barred and request.method != "GET" and request.blueprint not in _BLUEPRINTS_WHILE_BARRED:
        raise NotAllowed("barred")


def owner(db: Connection, project_id: int) -> Project:
    """The project of an asker who owns it. Raises SignInNeeded, NotFound for strangers, NotAllowed for labellers."""
    project, role = member(db, project_id)
    if role != "owner":
        raise NotAllowed("owner_only")
    return project


def is_admin() -> bool:
    """Whether an administrator asks."""
    found: User | None = g.get("user")
    return found is not None and settings().is_admin(found.name, found.subject)


def check_account_allowed(name: str, subject: str) -> None:
    """Raises NotAllowed for an account that may not use this site."""
    if not settings().admits(name, subject):
        raise NotAllowed("not_admitted")


def load_user() -> None:
    """Find out who asks, for the header of a page that is shown to anybody; needs the database."""
    g.user = _load_session_user()


def _load_session_user() -> User | None:
    if "user" not in session:
        return None
    with transaction() as db:
        found = users.get(db, session["user"])
    return _user_if_session_valid(found)


def _user_if_session_valid(found: User | None) -> User | None:
    """The user that the session names, if it still stands; else it ends."""
    if found is None or found.session_epoch != session.get("epoch") or not settings().admits(found.name, found.subject):
        session.clear()
        return None
    return found


def _check_access() -> Response | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or getattr(view, "without_user", False):
        return None
    if getattr(view, "checks_access_itself", False):
        if "user" not in session:
            raise SignInNeeded
        return None
    load_user()
    if g.user is None and not getattr(view, "public", False):
        raise SignInNeeded
    if getattr(view, "admin_only", False) and not is_admin():
        raise NotAllowed("admin_only")
    return None


def init_app(app: Flask) -> None:
    """Guard every view."""
    app.before_request(_check_access)

    @app.context_processor
    def who() -> dict[str, User | bool | None]:
        return {"user": g.get("user"), "is_admin": is_admin()}
