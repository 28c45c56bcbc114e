"""Session cookie, CSRF protection and response headers."""

from typing import Any

from flask import Flask, Request, Response
from flask.json.provider import DefaultJSONProvider
from flask_wtf.csrf import CSRFProtect, generate_csrf

from config import ConfigError, Settings
from web.site import limits

SESSION_DAYS = 30

ALIVE = "/alive"  # The route is defined in web/jobs/health.py.

csrf = CSRFProtect()


class ProbeTolerantRequest(Request):
    """Request class that accepts any Host header for the health check.

    Health checks send the pod's address as host, which is not one of the site's names. The response does not depend on
    the host.
    """

    @property
    def trusted_hosts(self) -> list[str] | None:
        return None if self.path == ALIVE else self._trusted

    @trusted_hosts.setter
    def trusted_hosts(self, hosts: list[str] | None) -> None:
        self._trusted = hosts

    _trusted: list[str] | None = None


def configuration(settings: Settings) -> dict[str, object]:
    """Return Flask's configuration. Raises ConfigError if the key that signs sessions is not set."""
    if not settings.secret_key:
        raise ConfigError(
            'FLASK_SECRET_KEY is not set; make one with: python -c "import secrets; print(secrets.token_hex(32))"'
        )
    return {
        "SECRET_KEY": settings.secret_key,
        "SESSION_COOKIE_NAME": "__Host-wikivisage" if settings.production else "wikivisage",
        "SESSION_COOKIE_SECURE": settings.production,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": SESSION_DAYS * 86_400,
        "MAX_CONTENT_LENGTH": limits.LARGE_BODY,
        "MAX_FORM_MEMORY_SIZE": limits.LARGE_BODY,
        "MAX_FORM_PARTS": 20_000,
        # Tokens are valid as long as the session, because volunteers label for hours.
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": settings.production,
        "TEMPLATES_AUTO_RELOAD": False,
        "TRUSTED_HOSTS": list(settings.hosts) or None,
        **limits.configuration(settings),
    }


class JsonProvider(DefaultJSONProvider):
    """Flask's JSON provider, which treats JSON nested too deeply as invalid input instead of an internal error."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("nested too deep") from None


def content_security_policy(settings: Settings) -> str:
    """Return the Content-Security-Policy: resources only from this site, images also from the media hosts."""
    scheme = "https://" if settings.production else ""
    media = " ".join(f"{scheme}{host}" for host in settings.media_hosts)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' {media}",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def init_app(app: Flask) -> None:
    """Check CSRF tokens of requests that change state, and set the response headers."""
    settings: Settings = app.extensions["services"].settings
    app.json = JsonProvider(app)
    app.request_class = ProbeTolerantRequest
    limits.limit_body_size(app)
    csrf.init_app(app)
    app.add_template_global(generate_csrf, "csrf_token")
    headers = {
        "Content-Security-Policy": content_security_policy(settings),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if settings.production:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    @app.after_request
    def set_headers(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "private, no-store" if response.is_json else "private, no-cache")
        return response
