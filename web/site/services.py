"""What a view works with, made once by create_app() and reached through services()."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from flask import current_app

from config import VERSION, ConfigError, Settings
from database import Connection, Database
from store.accounts import tokens
from store.accounts.tokens import TokenBox
from wiki.client import Client, Endpoints, user_agent
from wiki.oauth import OAuth

PATIENCE_SECONDS = 10.0  # a person waits for what the wiki answers


@dataclass(frozen=True)
class Services:
    """The settings, the connection pool, the box for tokens, the wiki's client and the sign-in of this process."""

    settings: Settings
    database: Database
    box: TokenBox
    wiki: Client
    oauth: OAuth


def make(settings: Settings) -> Services:
    """Nothing is reached yet. Raises ConfigError for keys that cannot be used."""
    try:
        box = tokens.box(settings.token_keys)
    except tokens.BadKey as error:
        raise ConfigError(str(error)) from None
    endpoints = Endpoints(
        commons_api=settings.commons_api,
        commons_page=settings.commons_pages,
        wikidata_api=settings.wikidata_api,
        sparql=settings.sparql_url,
        oauth=settings.oauth_url,
        pagepile=settings.pagepile_url,
        wikidata_page=settings.wikidata_pages,
    )
    client = Client(
        endpoints,
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
    """Those of the application that serves this request."""
    found: Services = current_app.extensions["services"]
    return found


def settings() -> Settings:
    """The settings of the application that serves this request."""
    return services().settings


def transaction() -> AbstractContextManager[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises."""
    return services().database.transaction()
