"""Sign-in and sign-out with a Wikimedia account, and the account page."""

import json
import time

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask import Response as Download
from werkzeug.wrappers import Response

from database import Connection
from store import privacy
from store.accounts import users
from store.accounts.users import User
from store.projects import leaderboard
from store.publishing import batches
from web.site import access, limits, urls
from web.site.access import public
from web.site.services import services, transaction
from web.site.text import gettext
from wiki.oauth import Profile, Tokens, read_callback

bp = Blueprint("account", __name__)


@bp.get("/auth/sign-in")
@public
def sign_in_page() -> str:
    """Render the sign-in page, which explains what signing in allows."""
    limits.assign_visitor_id()
    return render_template("accounts/account/sign_in.html", target=urls.local_target(request.args.get("next")))


@bp.get("/auth/start")
@public
@limits.rate_limited(limits.SIGN_IN, limits.SIGN_IN_TOGETHER)
def start() -> Response:
    """Redirect to the wiki's OAuth page; the session keeps the state and the PKCE verifier for the callback."""
    limits.assign_visitor_id()
    attempt = services().oauth.authorize_url()
    target = urls.local_target(request.args.get("next"))
    session["sign_in"] = {"state": attempt.state, "verifier": attempt.verifier, "next": target}
    return redirect(attempt.url)


@bp.get("/auth/callback")
@public
@limits.rate_limited(limits.SIGN_IN, limits.SIGN_IN_TOGETHER)
def callback() -> Response:
    """Complete the sign-in: exchange the code for tokens, and sign in the account, identified by its central id."""
    attempt = session.pop("sign_in", {})
    code = read_callback(request.args, attempt.get("state", ""))
    oauth = services().oauth
    tokens = oauth.exchange(code, attempt["verifier"])
    profile = oauth.profile(tokens.access)
    access.check_account_allowed(profile.username, profile.sub)
    _sign_in(profile, tokens)
    return redirect(urls.local_target(attempt.get("next")))


def _sign_in(profile: Profile, tokens: Tokens) -> None:

    def work(db: Connection) -> User:
        user = users.sign_in(
            db,
            services().box,
            subject=profile.sub,
            name=profile.username,
            blocked=profile.blocked,
            access=tokens.access,
            refresh=tokens.refresh,
            expires_in=max(0, round(tokens.expires_at - time.time())),
        )
        batches.resume_after_sign_in(db, user.id)
        return user

    user = services().database.retry(work)
    access.begin_session(user)
    if profile.blocked:
        flash(gettext("This account is blocked on Commons: you can answer questions, but nothing can be sent."), "warn")
    elif not profile.may_edit:
        flash(gettext("You did not allow edits: you can answer questions, but nothing can be sent."), "warn")


@bp.post("/auth/sign-out")
@public
def sign_out() -> Response:
    """End this session."""
    session.clear()
    return redirect(url_for("pages.landing"))


@bp.post("/auth/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    """End every session of the account, on every device."""
    user_id = access.user().id
    services().database.retry(lambda db: users.sign_out_everywhere(db, user_id))
    session.clear()
    flash(gettext("You are signed out on every device."), "good")
    return redirect(url_for("pages.landing"))


@bp.get("/account")
def page() -> str:
    """Render the account page: the time of the last sign-in, the user's counts, and the sign-out on all devices."""
    with transaction() as db:
        counts = leaderboard.of_user(db, access.user().id)
        last_sign_in = users.last_seen(db, access.user().id)
    return render_template("accounts/account/page.html", counts=counts, last_sign_in=last_sign_in)


@bp.get("/account/data.json")
@limits.rate_limited(limits.DOWNLOAD)
def data() -> Download:
    """Return all data stored about the user as a JSON download."""
    with transaction() as db:
        exported = privacy.everything(db, access.user().id)
    lists = (f"{json.dumps(what)}: [\n" + ",\n".join(entries) + "\n]" for what, entries in exported.items())
    return Download(
        "{" + ",\n".join(lists) + "}\n",
        mimetype="application/json",
        headers={"Content-Disposition": "attachment; filename=wikivisage.json"},
    )


@bp.get("/account/delete")
def ask_delete() -> str:
    """Render the page that states what is deleted with the account and what is kept, and asks for the user's name."""
    return _confirmation_page("")


def _confirmation_page(error: str) -> str:
    with transaction() as db:
        sole_projects = privacy.sole_projects(db, access.user().id)
    return render_template("accounts/account/delete.html", sole_projects=sole_projects, error=error)


@bp.post("/account/delete")
def delete() -> Response | tuple[str, int]:
    """Delete the account if its name was typed."""
    typed = " ".join(request.form.get("confirm", "").replace("_", " ").split())
    user = access.user()
    if typed != " ".join(user.name.split()):
        return _confirmation_page(gettext("That is not your name. Nothing was deleted.")), 400
    services().database.retry(lambda db: privacy.delete_account(db, user.id))
    session.clear()
    flash(gettext("Your account here is deleted. Your Wikimedia account and your edits there are untouched."), "good")
    return redirect(url_for("pages.landing"))
