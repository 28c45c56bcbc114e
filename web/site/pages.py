"""Public pages (landing, privacy, help), preferences, and files that browsers and crawlers request by themselves."""

from flask import Blueprint, Response, g, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import refresh
from werkzeug.wrappers import Response as Redirect

from store.accounts import users
from web.site import i18n, urls
from web.site.access import public, without_user
from web.site.assets import YEAR, serve, static_url
from web.site.security import SESSION_DAYS
from web.site.services import services, settings
from web.site.text import gettext

bp = Blueprint("pages", __name__)


@bp.get("/")
@public
def landing() -> str | Redirect:
    """Render the landing page, or redirect signed-in users to their projects."""
    if g.user:
        return redirect(url_for("dashboard.index"))
    return render_template("site/pages/landing.html")


@bp.get("/privacy")
@public
def privacy() -> str:
    """Render the privacy page: which data is stored, why, and for how long."""
    return render_template(
        "site/pages/privacy.html", contact=settings().contact, days=settings().retention_days, sealed=bool(settings().token_keys),
        session_days=SESSION_DAYS,
    )  # fmt: skip


@bp.get("/help")
@public
def help_page() -> str:
    """Render the help page, which lists all keyboard shortcuts."""
    return render_template("site/pages/help.html")


@bp.post("/preferences")
@public
def preferences() -> Redirect:
    """Store the chosen language or theme, and redirect back to the page with the form."""
    response = redirect(urls.local_target(request.form.get("next")))
    language, theme = request.form.get("language"), request.form.get("theme")
    secure = settings().production
    if language in i18n.LANGUAGES:
        response.set_cookie(i18n.COOKIE, language, max_age=YEAR, samesite="Lax", secure=secure, httponly=True)
        refresh()
        if g.user:
            user_id = g.user.id
            services().database.retry(lambda db: users.set_language(db, user_id, language))
    if theme in i18n.THEMES:
        response.set_cookie("theme", theme, max_age=YEAR, samesite="Lax", secure=secure, httponly=True)
    return response


@bp.get("/manifest.webmanifest")
@without_user
def manifest() -> Response:
    """Return the web app manifest, with which browsers install the site as an application."""
    icons = [
        {"src": static_url("icons/icon-192.png"), "sizes": "192x192", "type": "image/png"},
        {"src": static_url("icons/icon-512.png"), "sizes": "512x512", "type": "image/png"},
        {"src": static_url("icons/maskable-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
        {"src": static_url("logo.svg"), "sizes": "any", "type": "image/svg+xml"},
    ]
    content = {
        "name": "WikiVisage",
        "short_name": "WikiVisage",
        "description": gettext("Say who is in the photographs of Wikimedia Commons."),
        "id": "/",
        "start_url": "/",
        "display": "standalone",
        "background_color": "#f7f8fa",
        "theme_color": "#2a4b8d",
        "icons": icons,
    }
    response = jsonify(content)
    response.mimetype = "application/manifest+json"
    return response


@bp.get("/favicon.ico")
@without_user
def favicon() -> Response:
    """Return the icon for clients that request this path without reading a page."""
    response = serve("", "icons/icon-32.png")
    response.cache_control.max_age = 86_400
    return response


@bp.get("/robots.txt")
@without_user
def robots() -> Response:
    """Return robots.txt, which allows search engines only the public pages."""
    text = "User-agent: *\nDisallow: /projects\nDisallow: /auth\nDisallow: /account\nDisallow: /static/\n"
    return make_response(text, {"Content-Type": "text/plain; charset=utf-8"})
