"""Access control: a view requires a signed-in user unless it is marked otherwise, a project requires membership."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, g, request, session
from werkzeug.wrappers import Response

from database import Connection, DatabaseError
from store.accounts import users
from store.accounts.users import User
from store.projects import members, projects
from store.projects.projects import Project, Role
from web.site.services import settings, transaction

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class SignInNeeded(Exception):
    """The request requires a signed-in user."""


class NotAllowed(Exception):
    """The user is known but lacks the permission; web/site/errors.py has a message for each key `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# A project is blocked if nobody may search for its person. Its members can still delete it, leave it and undo edits,
# which is what these blueprints serve.
_BLUEPRINTS_WHILE_BLOCKED = {"batches", "settings"}


def public(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that visitors who are not signed in may see as well."""
    view.public = True  # type: ignore[attr-defined]
    return view


def without_user(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a public view that does not load the user, so that it works while the database is unavailable."""
    view.without_user = True  # type: ignore[attr-defined]
    return public(view)


def admin_only(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view that only administrators may see."""
    view.admin_only = True  # type: ignore[attr-defined]
    return view


def checks_access_itself(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Mark a view for project members that loads the user in its own transaction, by calling `check_membership` or
    `member`.

    This saves one transaction per request, for endpoints that are requested many times a second.
    """
    view.checks_access_itself = True  # type: ignore[attr-defined]
    return view


def begin_session(user: User) -> None:
    """Sign a user in, and discard all data of an earlier session."""
    session.clear()
    session.permanent = True
    session["user"] = user.id
    session["epoch"] = user.session_epoch


def user() -> User:
    """Return the signed-in user of this request. Raises SignInNeeded."""
    found: User | None = g.get("user")
    if found is None:
        raise SignInNeeded
    return found


def member(db: Connection, project_id: int) -> tuple[Project, Role]:
    """Return the project and the user's role in it.

    Raises SignInNeeded, NotFound for non-members, Gone for a deleted project, and NotAllowed if the request would
    change a blocked project.
    """
    if "user" not in g:
        g.user = _user_if_session_valid(users.get(db, session["user"]))
    project, role = projects.for_member(db, project_id, user().id)
    _check_not_blocked(project.blocked)
    return project, role


def check_membership(db: Connection, project_id: int) -> Role:
    """Check membership as `member` does, but return only the role.

    It reads less from the database, for endpoints that are requested many times a second.
    """
    if "user" in g:
        role, blocked = projects.membership(db, project_id, user().id)
    else:
        requester = members.asker(db, project_id, session["user"])
        g.user = _user_if_session_valid(requester.user if requester else None)
        if requester is None or g.user is None:
            raise SignInNeeded
        role, blocked = requester.membership()
    _check_not_blocked(blocked)
    return role


def _check_not_blocked(blocked: str | None) -> None:
    """Raise NotAllowed if the request would change a blocked project outside of _OPEN_WHILE_BLOCKED."""
    if blocked and request.method != "GET" and request.blueprint not in _BLUEPRINTS_WHILE_BLOCKED:
        raise NotAllowed("barred")


def owner(db: Connection, project_id: int) -> Project:
    """Return the project if the user owns it. Raises as `member` does, and NotAllowed for labellers."""
    project, role = member(db, project_id)
    if role != "owner":
        raise NotAllowed("owner_only")
    return project


def is_admin() -> bool:
    """Return whether the signed-in user is an administrator."""
    found: User | None = g.get("user")
    return found is not None and settings().is_admin(found.name, found.subject)


def check_account_allowed(name: str, subject: str) -> None:
    """Raise NotAllowed if the account may not use this site."""
    if not settings().admits(name, subject):
        raise NotAllowed("not_admitted")


def load_user() -> None:
    """Load the signed-in user, or None, into `g.user`, for example for the page header. Queries the database."""
    g.user = _load_session_user()


def load_user_for_error() -> None:
    """Load the user if the request ended before its view or access check did: an error page has the header of any page.

    Without the database nobody is shown as signed in, so that the error itself is still told.
    """
    if "user" in g:
        return
    try:
        load_user()
    except DatabaseError:
        g.user = None


def _load_session_user() -> User | None:
    if "user" not in session:
        return None
    with transaction() as db:
        found = users.get(db, session["user"])
    return _user_if_session_valid(found)


def _user_if_session_valid(found: User | None) -> User | None:
    """Return the user if the session is still valid, else clear the session and return None."""
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
    """Check access before every view."""
    app.before_request(_check_access)

    @app.context_processor
    def who() -> dict[str, User | bool | None]:
        return {"user": g.get("user"), "is_admin": is_admin()}
