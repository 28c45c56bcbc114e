"""Settings of the web application and the workers; no other module reads the environment.

Every setting is a field of `Settings` with its variable, default and meaning. An invalid value raises `ConfigError`,
whose text is one sentence that names the variable; `load` prints it and ends the process.

environs and pydantic-settings each bring a validation framework that reports lists of errors in words of its own. To
turn these into one sentence that names the variable and states what would be right takes as many lines as the parsers
here.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NoReturn
from urllib.parse import urlsplit

from dotenv import load_dotenv

VERSION = "0.1.0"

HOW_TO_MAKE_A_KEY = (
    'make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
LIMIT_STORES = ("memory", "redis", "rediss", "redis+sentinel", "memcached")


class ConfigError(ValueError):
    """A setting is invalid; the text names the variable and the values that are allowed."""


def _text(value: str) -> str:
    return value


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ConfigError(f"must be a whole number, not {value!r}") from None
        if not minimum <= number <= maximum:
            raise ConfigError(f"must be from {minimum} to {maximum}, not {number}")
        return number

    return parse


def _number(unit: str, minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of numbers of a unit, which its messages name; it refuses infinity and NaN as out of bounds."""

    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(f"must be a number of {unit}, not {value!r}") from None
        if not minimum <= number <= maximum:
            raise ConfigError(f"must be from {minimum:g} to {maximum:g} {unit}, not {value}")
        return number

    return parse


def _switch(value: str) -> bool:
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ConfigError(f"must be 1 or 0, not {value!r}")


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigError(f"must be a full http(s) address, not {value!r}")
    return value.rstrip("/")


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _names(value: str) -> tuple[str, ...]:
    """Parse user names as MediaWiki writes them; #123 is a central id, which does not change at a rename."""
    return tuple(word[:1].upper() + word[1:].replace("_", " ") for word in _words(value))


def _items(value: str) -> tuple[str, ...]:
    items = _words(value)
    for item in items:
        if not re.fullmatch(r"Q[1-9][0-9]{0,14}", item):
            raise ConfigError(f"must be Wikidata items like Q42, separated by commas; {item!r} is none")
    return items


def _store(value: str) -> str:
    if value.partition("://")[0] not in LIMIT_STORES or "://" not in value:
        raise ConfigError("must be an address of a store")
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ConfigError(f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    return parse


def _setting(variable: str, default: Any, parse: Callable[[str], Any], meaning: str, *, secret: bool = False) -> Any:
    return field(
        default=default,
        repr=not secret,
        metadata={"variable": variable, "parse": parse, "meaning": meaning, "secret": secret},
    )


@dataclass(frozen=True)
class Settings:
    """All settings, read once at the start. `Settings()` has the defaults; `from_env` reads the environment."""

    db_host: str = _setting("TOOL_TOOLSDB_HOST", "tools.db.svc.wikimedia.cloud", _text, "database server")
    db_port: int = _setting("TOOL_TOOLSDB_PORT", 3306, _whole(1, 65535), "its port")
    db_user: str = _setting("TOOL_TOOLSDB_USER", "", _text, "database user")
    db_password: str = _setting("TOOL_TOOLSDB_PASSWORD", "", _text, "its password", secret=True)
    db_name: str = _setting("WIKIVISAGE_DB_NAME", "", _text, "database; empty: USER__wikivisage, as ToolsDB wants it")
    db_pool_size: int = _setting(
        "WIKIVISAGE_DB_POOL_SIZE",
        0,
        _whole(0, 20),
        "connections of a process, at most; 0: 2 of a web process, 4 of a worker",
    )
    db_skip_locked: str = _setting(
        "WIKIVISAGE_DB_SKIP_LOCKED",
        "auto",
        _one_of("auto", "0"),
        "auto: use SKIP LOCKED where the server has it (MariaDB 10.6); 0: never",
    )

    oauth_client_id: str = _setting("OAUTH_CLIENT_ID", "", _text, "OAuth 2.0 consumer")
    oauth_client_secret: str = _setting("OAUTH_CLIENT_SECRET", "", _text, "its secret", secret=True)
    oauth_redirect_uri: str = _setting(
        "OAUTH_REDIRECT_URI", "http://localhost:8000/auth/callback", _url, "callback, exactly as registered"
    )
    secret_key: str = _setting("FLASK_SECRET_KEY", "", _text, "signs the session cookie", secret=True)
    token_keys: tuple[str, ...] = _setting(
        "WIKIVISAGE_TOKEN_KEY", (), _words, "Fernet keys that seal OAuth tokens, newest first, by comma", secret=True
    )
    port: int = _setting("PORT", 8000, _whole(1, 65535), "port of `python app.py`")
    production: bool = _setting(
        "WIKIVISAGE_PRODUCTION", False, _switch, "1: refuse to start without keys; cookies over https only"
    )
    proxies: int = _setting("WIKIVISAGE_PROXIES", 0, _whole(0, 5), "proxies in front that set X-Forwarded-*")
    hosts: tuple[str, ...] = _setting(
        "WIKIVISAGE_HOSTS", (), _words, "names under which the site may be asked for; empty: any"
    )
    limits_storage: str = _setting(
        "WIKIVISAGE_LIMITS_STORAGE",
        "",
        _store,
        "counts of the rate limits; redis://HOST:6379: of all web processes together; memory://: of each by itself; "
        "empty: TOOL_REDIS_URI, else memory://",
        secret=True,
    )
    redis_uri: str = _setting(
        "TOOL_REDIS_URI", "", _store, "Redis of the platform, which Toolforge names by itself", secret=True
    )
    admins: tuple[str, ...] = _setting(
        "WIKIVISAGE_ADMINS", (), _names, "names (or #central id) that see the workers and block items, by comma"
    )
    allowed_users: tuple[str, ...] = _setting(
        "WIKIVISAGE_ALLOWED_USERS", (), _names, "only these names (or #central id) may sign in; empty: everybody"
    )
    blocked_users: tuple[str, ...] = _setting(
        "WIKIVISAGE_BLOCKED_USERS", (), _names, "names (or #central id) that may not sign in, by comma"
    )
    blocked_items: tuple[str, ...] = _setting(
        "WIKIVISAGE_BLOCKED_ITEMS", (), _items, "items that nobody may look for, beside those of the admin page"
    )
    contact: str = _setting("WIKIVISAGE_CONTACT", "", _text, "address or page of the operator, for the User-Agent")

    commons_api: str = _setting(
        "WIKIVISAGE_COMMONS_API", "https://commons.wikimedia.org/w/api.php", _url, "action API of Commons"
    )
    commons_pages: str = _setting(
        "WIKIVISAGE_COMMONS_PAGES", "https://commons.wikimedia.org/wiki", _url, "pages of Commons, for links"
    )
    media_hosts: tuple[str, ...] = _setting(
        "WIKIVISAGE_MEDIA_HOSTS",
        ("upload.wikimedia.org", "thumb.wikimedia.org"),
        _words,
        "hosts (with :port) that pictures may come from",
    )
    wikidata_api: str = _setting(
        "WIKIVISAGE_WIKIDATA_API", "https://www.wikidata.org/w/api.php", _url, "action API of Wikidata"
    )
    wikidata_pages: str = _setting(
        "WIKIVISAGE_WIKIDATA_PAGES", "https://www.wikidata.org/wiki", _url, "pages of Wikidata, for links"
    )
    oauth_url: str = _setting(
        "WIKIVISAGE_OAUTH_URL", "https://meta.wikimedia.org/w/rest.php/oauth2", _url, "OAuth 2.0 endpoints"
    )
    sparql_url: str = _setting(
        "WIKIVISAGE_SPARQL_URL", "https://commons-query.wikimedia.org/sparql", _url, "query service for P180"
    )
    pagepile_url: str = _setting(
        "WIKIVISAGE_PAGEPILE_URL", "https://pagepile.toolforge.org/api.php", _url, "PagePile lists"
    )

    poll_interval: float = _setting(
        "WIKIVISAGE_WORKER_POLL_INTERVAL", 60.0, _number("seconds", 0, 86_400), "seconds between full look-arounds"
    )
    max_projects: int = _setting("WIKIVISAGE_WORKER_MAX_PROJECTS", 3, _whole(1, 20), "projects a worker serves at once")
    image_threads: int = _setting("WIKIVISAGE_WORKER_IMAGE_THREADS", 4, _whole(1, 32), "parallel downloads of a worker")
    batch_size: int = _setting("WIKIVISAGE_WORKER_BATCH_SIZE", 50, _whole(1, 50), "files leased at once")
    download_throttle: float = _setting(
        "COMMONS_DOWNLOAD_THROTTLE_SECONDS",
        0.0,
        _number("seconds", 0, 3_600),
        "pause before each download of a picture",
    )
    detector: str = _setting(
        "WIKIVISAGE_DETECTOR", "hog+centerface", _one_of("hog", "hog+centerface", "centerface"), "face detector"
    )
    encoder: str = _setting(
        "WIKIVISAGE_ENCODER",
        "sface",
        _one_of("sface", "dlib"),
        "network that encodes faces; dlib's is weaker, above all with people unlike the celebrities it was trained on",
    )
    detector_children: int = _setting(
        "WIKIVISAGE_DETECTOR_CHILDREN",
        0,
        _whole(0, 64),
        "detector processes of a worker, at most; 0: as many as cores, CPU quota and memory limit allow",
    )
    cache_dir: str = _setting(
        "WIKIVISAGE_CACHE_DIR", "", _text, "where model files are kept; empty: ~/.cache/wikivisage"
    )
    max_files: int = _setting("WIKIVISAGE_MAX_FILES", 9_000, _whole(1, 1_000_000), "files of a project, at most")
    max_categories: int = _setting(
        "WIKIVISAGE_MAX_CATEGORIES", 200, _whole(1, 10_000), "categories a project's crawl enters, at most"
    )
    max_bootstrap: int = _setting("WIKIVISAGE_MAX_BOOTSTRAP", 1_000, _whole(0, 10_000), "bootstrap files, at most")
    recrawl_hours: float = _setting(
        "WIKIVISAGE_RECRAWL_HOURS",
        24.0,
        _number("hours", 0, 8_760),
        "hours between looks at a source; 0: one look",
    )

    retention_days: float = _setting(
        "WIKIVISAGE_RETENTION_DAYS",
        90.0,
        _number("days", 0, 36_500),
        "days until encodings that no project uses are dropped; 0: never",
    )

    metrics_port: int = _setting(
        "WIKIVISAGE_METRICS_PORT", 0, _whole(0, 65535), "port on which a worker answers /metrics (Prometheus); 0: none"
    )
    log_level: str = _setting("WIKIVISAGE_LOG_LEVEL", "INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "log level")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from `environ`; an empty value counts as absent. Raises ConfigError.

        The default is the environment of the process, into which `.env` is loaded first.
        """
        if environ is None:
            load_dotenv(override=False)
            environ = os.environ
        values: dict[str, Any] = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            raw = environ.get(variable, "").strip()
            if not raw:
                continue
            try:
                values[setting.name] = setting.metadata["parse"](raw)
            except ConfigError as error:
                shown = "its value cannot be used" if setting.metadata["secret"] else str(error)
                raise ConfigError(f"{variable} {shown}.") from None
        return cls(**values)

    def is_admin(self, name: str, subject: str) -> bool:
        """Return whether an account, given its name and central id, is an administrator of this site."""
        return name in self.admins or f"#{subject}" in self.admins

    def admits(self, name: str, subject: str) -> bool:
        """Return whether an account, given its name and central id, may use this site."""
        known = {name, f"#{subject}"}
        return not known & set(self.blocked_users) and (not self.allowed_users or bool(known & set(self.allowed_users)))

    def warnings(self) -> list[str]:
        """Return the warnings that a process logs when it starts."""
        if self.token_keys:
            return []
        return [
            "OAuth tokens are stored UNSEALED: whoever reads the database can edit in the name of every volunteer. "
            f"Set WIKIVISAGE_TOKEN_KEY ({HOW_TO_MAKE_A_KEY}), then run: python migrate.py --rotate-keys"
        ]

    @property
    def database(self) -> str:
        """Name of the database; ToolsDB allows only names that begin with the name of the database user."""
        return self.db_name or f"{self.db_user}__wikivisage"

    @property
    def endpoints(self) -> dict[str, str]:
        """The addresses of Wikimedia's services, by the names of the fields of `wiki.client.Endpoints`."""
        return {
            "commons_api": self.commons_api,
            "commons_page": self.commons_pages,
            "wikidata_api": self.wikidata_api,
            "wikidata_page": self.wikidata_pages,
            "sparql": self.sparql_url,
            "oauth": self.oauth_url,
            "pagepile": self.pagepile_url,
        }

    @property
    def limits_uri(self) -> str:
        """Address of the storage for the counts of the rate limits."""
        return self.limits_storage or self.redis_uri or "memory://"

    @property
    def pool_size(self) -> int:
        """Maximum number of connections of a worker; its threads share them, for milliseconds per transaction.

        ToolsDB allows an account 20 connections. Two workers (4 each), two web processes (2 each), two web processes
        that are still ending during a restart, a migration and a health check need 18.
        """
        return self.db_pool_size or 4

    @property
    def web_pool_size(self) -> int:
        """Maximum number of connections of a web process, shared by its four threads."""
        return self.db_pool_size or 2


def variables() -> list[tuple[str, str, str]]:
    """Return (variable, default as text, meaning) of each setting, in the order of `Settings`, for documents."""
    rows = []
    for setting in fields(Settings):
        default = "" if setting.default is MISSING else setting.default
        text = ",".join(default) if isinstance(default, tuple) else str(default)
        rows.append((setting.metadata["variable"], text, setting.metadata["meaning"]))
    return rows


# Settings without which a public site cannot run: sign-in, encryption of tokens, and a contact for its users.
NEEDED_IN_PRODUCTION = ("oauth_client_id", "oauth_client_secret", "secret_key", "token_keys", "contact")


def complete(settings: Settings) -> Settings:
    """Return the settings if all that production requires are set. Raises ConfigError."""
    if settings.production:
        missing = [
            found
            for found in fields(Settings)
            if found.name in NEEDED_IN_PRODUCTION and not getattr(settings, found.name)
        ]
        if missing:
            names = ", ".join(found.metadata["variable"] for found in missing)
            raise ConfigError(f"WIKIVISAGE_PRODUCTION is set, and these are not: {names}.")
        if not settings.oauth_redirect_uri.startswith("https://"):
            raise ConfigError("WIKIVISAGE_PRODUCTION is set, and OAUTH_REDIRECT_URI does not begin with https://.")
    return settings


def load() -> Settings:
    """Return the settings of this process; an invalid one, or a missing one in production, ends it with a message."""
    try:
        return complete(Settings.from_env())
    except ConfigError as error:
        stop(str(error))


def stop(sentence: str, status: int = 2) -> NoReturn:
    """Print one sentence to standard error and end the process with `status`."""
    print(f"wikivisage: {sentence}", file=sys.stderr)
    raise SystemExit(status)
