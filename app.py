"""The web application; `create_app` connects settings, database, extensions and blueprints.

gunicorn app:app      in production
python app.py         one process on PORT, for development
"""

import logging
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import WSGIRequestHandler

import config
from config import ConfigError, Settings
from web.blueprints import BLUEPRINTS
from web.projects import tabs
from web.site import access, assets, errors, formats, i18n, limits, security, services

log = logging.getLogger(__name__)

GIVE_UP = 4  # exit status at which gunicorn ends; after others it would restart its process endlessly


def create_app(settings: Settings | None = None) -> Flask:
    """Create the Flask application; `settings` default to those of the environment. Raises ConfigError."""
    settings = settings or config.load()
    for warning in settings.warnings():
        log.warning("%s", warning)
    app = Flask(__name__, static_folder=None)
    app.config.from_mapping(security.configuration(settings))
    app.extensions["services"] = services.make(settings)
    if settings.proxies:
        n = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]
    for part in (assets, i18n, formats, security, limits, access, tabs, errors):
        part.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def from_environment() -> Flask:
    """Create the application from the environment; an invalid setting ends the process with an error message."""
    try:
        return create_app(config.complete(Settings.from_env()))
    except ConfigError as error:
        config.stop(str(error), GIVE_UP)


def __getattr__(name: str) -> Any:
    """Create `app` on first access, so that importing create_app needs no environment."""
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = from_environment()
    return globals()["app"]


class Quiet(WSGIRequestHandler):
    """Request handler that logs paths without the query, which contains a code at sign-in (see gunicorn.conf.py)."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.log("info", '"%s %s" %s', self.command, self.path.partition("?")[0], code)


if __name__ == "__main__":
    from_environment().run(host="127.0.0.1", port=config.load().port, threaded=True, request_handler=Quiet)
