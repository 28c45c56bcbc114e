"""Objects shared by all views, made once by create_app() and returned by services()."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from flask import current_app

from config import VERSION, ConfigError, Settings
from database import Connection, Database
from store.accounts import tokens
from store.accounts.tokens import TokenBox
from wiki.client import Client, Endpoints, user_agent
from wiki.oauth import OAuth

PATIENCE_SECONDS = 10.0  # A user is waiting for the response while the wiki is queried.


@dataclass(frozen=True)
class Services:
    """Settings, connection pool, token encryption, wiki client and OAuth client of this process."""

    settings: Settings
    database: Database
    box: TokenBox
    wiki: Client
    oauth: OAuth


def make(settings: Settings) -> Services:
    """Create the services without connecting to anything. Raises ConfigError for unusable keys."""
    try:
        box = tokens.box(settings.token_keys)
    except tokens.BadKey as error:
        raise ConfigError(str(error)) from None
    client = Client(
        Endpoints(**settings.endpoints),
        user_agent(VERSION, settings.contact),
        timeout=(4.0, 10.0),
        media_hosts=settings.media_hosts,
        attempts=3,
        patience_seconds=PATIENCE_SECONDS,
    )
    return Services(
        settings=settings,
        database=Database(settings, settings.web_pool_size),
        box=box,
        wiki=client,
        oauth=OAuth(client, settings.oauth_client_id, settings.oauth_client_secret, settings.oauth_redirect_uri),
    )


def services() -> Services:
    """Return the services of the current application."""
    found: Services = current_app.extensions["services"]
    return found


def settings() -> Settings:
    """Return the settings of the current application."""
    return services().settings


def transaction() -> AbstractContextManager[Connection]:
    """Return a context manager for a transaction that only reads.

    It locks nothing, so that it needs no repetition. What locks or writes runs in `services().database.retry`: the
    database refuses to write here.
    """
    return services().database.transaction(read_only=True)
