"""Error handlers: every exception becomes an error page or JSON {error, text}, so that views need not catch any."""

import logging
from collections.abc import Callable
from functools import wraps

from flask import Flask, redirect, render_template, request, url_for
from flask_babel import refresh
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response

from database import DatabaseError, DatabaseUnavailable, Duplicate
from store.errors import Gone, NotFound, Stale
from web.site import reasons
from web.site.access import NotAllowed, SignInNeeded, load_user_for_error
from web.site.text import gettext, lazy_gettext
from wiki.errors import AuthorizationLost, SignInFailed, Wait, WikiError

log = logging.getLogger(__name__)
ErrorResponse = Response | tuple[str | dict[str, str], int] | tuple[str | dict[str, str], int, dict[str, str]]


class BadInput(Exception):
    """The request is invalid. `text` tells the user what would be valid, `field` names the form field."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


def wants_json() -> bool:
    """Return whether the client expects JSON, as our scripts do."""
    return (
        request.is_json or request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    )


def _with_header(handler: Callable[..., ErrorResponse | HTTPException]) -> Callable[..., ErrorResponse | HTTPException]:
    """Return the handler, with the user loaded first if it answers with a page, whose header and language are theirs."""

    @wraps(handler)
    def handle(error: Exception) -> ErrorResponse | HTTPException:
        if not wants_json():
            load_user_for_error()
            refresh()
        return handler(error)

    return handle


def problem_response(
    status: int, error: str, title: str, text: str, headers: dict[str, str] | None = None
) -> ErrorResponse:
    """Render an error as a page, or as JSON if the client expects it; `error` is a key for scripts."""
    if wants_json():
        return {"error": error, "text": text}, status, headers or {}
    return render_template("site/errors/problem.html", status=status, title=title, text=text), status, headers or {}


def _sign_in_needed(_error: SignInNeeded) -> ErrorResponse:
    if wants_json():
        text = gettext("You are signed out. Sign in again; nothing is lost.")
        return {"error": "signed_out", "text": text}, 401
    target = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return redirect(url_for("account.sign_in_page", next=target))


def _not_found(_error: Exception) -> ErrorResponse:
    return problem_response(
        404,
        "not_found",
        gettext("Not found"),
        gettext("There is nothing here, or it is not yours to see. If somebody sent you this link, ask to be invited."),
    )


def _gone(_error: Exception) -> ErrorResponse:
    return problem_response(
        410,
        "gone",
        gettext("Deleted"),
        gettext("This project was deleted. Statements that were sent to Commons are still there."),
    )


_NOT_ALLOWED = {
    "owner_only": lazy_gettext("Only an owner of this project may do that. Its owners are listed on the project page."),
    "sender_only": lazy_gettext("Only the person under whose account this is sent may do that."),
    "admin_only": lazy_gettext("This is for the administrators of this site."),
    "not_admitted": lazy_gettext(
        "This account may not use this site. If you think that is a mistake, write to its operator (see Privacy)."
    ),
    "barred": lazy_gettext(
        "Nobody may look for this person here. What was sent can be undone, and the project can be deleted; nothing else."
    ),
}


def _not_allowed(error: NotAllowed) -> ErrorResponse:
    return problem_response(403, error.reason, gettext("Not allowed"), str(_NOT_ALLOWED[error.reason]))


def _stale(error: Stale) -> ErrorResponse:
    text = gettext("This has changed since the page was loaded. Reload it and try again.")
    return problem_response(409, error.reason, gettext("Changed meanwhile"), text)


def _duplicate(_error: Duplicate) -> ErrorResponse:
    text = gettext("The same thing is there already; nothing was changed.")
    return problem_response(409, "duplicate", gettext("Already there"), text)


def _bad_input(error: BadInput) -> ErrorResponse:
    return problem_response(400, "bad_input", gettext("That cannot be used"), error.text)


def _csrf(_error: CSRFError) -> ErrorResponse:
    text = gettext("The page was open for so long that its form has expired. Go back, reload the page and try again.")
    return problem_response(400, "csrf", gettext("This form has expired"), text)


def _database_unavailable(error: DatabaseUnavailable) -> ErrorResponse:
    log.warning("%s", error)
    text = gettext("The database cannot be reached at the moment. Nothing is lost; try again in a moment.")
    return problem_response(503, "database", gettext("Back in a moment"), text, {"Retry-After": "5"})


def _not_signed_in(error: SignInFailed) -> ErrorResponse:
    return render_template("accounts/account/not_signed_in.html", text=reasons.reason(error.reason)), 400


def _wiki(error: WikiError) -> ErrorResponse:
    log.warning("%s", error)
    headers = {"Retry-After": str(max(1, round(error.seconds)))} if isinstance(error, Wait) else {}
    if isinstance(error, AuthorizationLost):
        return problem_response(
            401, "signed_out", gettext("Please sign in again"), reasons.reason("authorization_lost")
        )
    return problem_response(
        502, "wiki", gettext("Wikimedia does not answer as it should"), reasons.reason(error.reason), headers
    )


def _internal_error(error: Exception) -> ErrorResponse:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    text = gettext("Something went wrong on our side. Nothing was half-done; try again, and report it if it stays.")
    return problem_response(500, "server", gettext("Something went wrong"), text)


def _untrusted_host(_error: SecurityError) -> ErrorResponse:
    """Answer in plain text: a page needs URLs, which cannot be built for an untrusted host name."""
    return Response("This site does not answer under that name.\n", 400, mimetype="text/plain")


def _http(error: HTTPException) -> ErrorResponse | HTTPException:
    code = error.code or 500
    if code < 400 or error.response is not None:
        return error
    if code == 404:
        return _not_found(error)
    if code == 405:
        text = gettext("This address cannot be used in that way. Go back and follow a link or button of the page.")
        return problem_response(405, "method", gettext("Not possible like that"), text, dict(error.get_headers()[1:]))
    if code == 413:
        text = gettext("That was too much at once. Send less.")
        return problem_response(413, "too_large", gettext("Too large"), text)
    if code == 429:
        text = gettext("That was too fast. Wait a minute and go on.")
        return problem_response(429, "too_fast", gettext("One moment"), text, {"Retry-After": "30"})
    if code >= 500:
        return _internal_error(error)
    return problem_response(
        code, "bad_request", gettext("That cannot be used"), gettext("The request was not understood.")
    )


def init_app(app: Flask) -> None:
    """Register a handler for every exception class."""
    for exception_class, handler in {
        SignInNeeded: _sign_in_needed,
        NotAllowed: _not_allowed,
        NotFound: _not_found,
        Gone: _gone,
        Stale: _stale,
        Duplicate: _duplicate,
        BadInput: _bad_input,
        CSRFError: _csrf,
        SignInFailed: _not_signed_in,
        WikiError: _wiki,
        HTTPException: _http,
        Exception: _internal_error,
    }.items():
        app.register_error_handler(exception_class, _with_header(handler))  # type: ignore[arg-type]
    # The user cannot be loaded without the database, nor a page be made under a name that is not ours.
    app.register_error_handler(DatabaseUnavailable, _database_unavailable)
    app.register_error_handler(DatabaseError, _internal_error)
    app.register_error_handler(SecurityError, _untrusted_host)
