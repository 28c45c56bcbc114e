"""Permission checks and redirects shared by all views that write to Commons."""

from typing import Any

from flask import flash, redirect, request, url_for

from web.site import urls
from web.site.access import owner, user
from web.site.errors import ErrorResponse, problem_response, wants_json
from web.site.services import transaction
from web.site.text import gettext


class SignInExpired(Exception):
    """Nothing can be written under the user's account until they sign in again."""


def sign_in_expired(_error: SignInExpired) -> ErrorResponse:
    """Return the response that asks the user to sign in again; nothing was changed."""
    text = gettext("Your sign-in with Wikimedia has expired. Sign in again, then do it once more; nothing is lost.")
    return problem_response(409, "sign_in", gettext("Please sign in again"), text)


def check_sign_in(project_id: int) -> None:
    """Raise NotAllowed for labellers, and SignInExpired if nothing can be sent under the user's account."""
    with transaction() as db:
        owner(db, project_id)
    if not user().signed_in:
        raise SignInExpired


def redirect_to_batch(project_id: int, batch_id: int | None, nothing_text: str) -> Any:
    """Redirect to the batch that was created, or back with the message `nothing_text` if there is none."""
    if wants_json():
        return {"batch": batch_id}
    if batch_id is None:
        flash(nothing_text)
        return redirect(
            urls.local_target(request.form.get("next"), url_for("publishing.page", project_id=project_id)), 303
        )
    return redirect(url_for("batches.page", project_id=project_id, batch_id=batch_id), 303)
