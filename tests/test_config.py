"""Settings are read once from variables; each invalid value gives one sentence that names its variable."""

import subprocess
import sys
from dataclasses import Field, fields

import pytest

import config
from config import ConfigError, Settings
from testing import servers
from wiki.client import Endpoints


def test_defaults_are_those_of_wikimedia():
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.commons_api == "https://commons.wikimedia.org/w/api.php"
    assert Endpoints(**settings.endpoints) == Endpoints()
    assert (settings.poll_interval, settings.max_projects, settings.image_threads, settings.batch_size) == (
        60,
        3,
        4,
        50,
    )


@pytest.mark.parametrize(
    ("variable", "value", "field", "meant"),
    [
        ("WIKIVISAGE_WORKER_MAX_PROJECTS", "5", "max_projects", 5),
        ("WIKIVISAGE_PRODUCTION", "yes", "production", True),
        ("WIKIVISAGE_COMMONS_API", "http://localhost:1/w/api.php/", "commons_api", "http://localhost:1/w/api.php"),
        ("WIKIVISAGE_TOKEN_KEY", "new, old", "token_keys", ("new", "old")),
        ("COMMONS_DOWNLOAD_THROTTLE_SECONDS", "0.5", "download_throttle", 0.5),
        ("PORT", " ", "port", 8000),
    ],
)
def test_variable_sets_its_field(variable: str, value: str, field: str, meant: object):
    assert getattr(Settings.from_env({variable: value}), field) == meant


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PORT", "eighty", "PORT must be a whole number, not 'eighty'"),
        ("PORT", "70000", "PORT must be from 1 to 65535"),
        ("WIKIVISAGE_WORKER_BATCH_SIZE", "51", "WIKIVISAGE_WORKER_BATCH_SIZE must be from 1 to 50"),
        ("WIKIVISAGE_WORKER_POLL_INTERVAL", "-1", "WIKIVISAGE_WORKER_POLL_INTERVAL must be from 0"),
        ("WIKIVISAGE_RECRAWL_HOURS", "-1", "WIKIVISAGE_RECRAWL_HOURS must be from 0 to 8760 hours, not -1."),
        ("WIKIVISAGE_RECRAWL_HOURS", "daily", "WIKIVISAGE_RECRAWL_HOURS must be a number of hours, not 'daily'."),
        ("WIKIVISAGE_RETENTION_DAYS", "-1", "WIKIVISAGE_RETENTION_DAYS must be from 0 to 36500 days, not -1."),
        (
            "COMMONS_DOWNLOAD_THROTTLE_SECONDS",
            "3601",
            "COMMONS_DOWNLOAD_THROTTLE_SECONDS must be from 0 to 3600 seconds",
        ),
        ("WIKIVISAGE_COMMONS_API", "commons", "WIKIVISAGE_COMMONS_API must be a full http(s) address"),
        ("WIKIVISAGE_DETECTOR", "eyes", "WIKIVISAGE_DETECTOR must be one of hog"),
        ("WIKIVISAGE_PRODUCTION", "perhaps", "WIKIVISAGE_PRODUCTION must be 1 or 0"),
    ],
)
def test_invalid_value_is_refused_with_one_sentence(variable: str, value: str, words: str):
    with pytest.raises(ConfigError) as refused:
        Settings.from_env({variable: value})
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


NUMERIC = [found for found in fields(Settings) if type(found.default) in (int, float)]
UNITS = ("seconds", "hours", "days")


@pytest.mark.parametrize("found", NUMERIC, ids=lambda found: found.name)
@pytest.mark.parametrize("value", ["-1", "-0.5", "1e12", "1000000000000", "inf", "-inf", "nan", "", "x", "1,5"])
def test_every_number_has_bounds_and_is_refused_outside_of_them(found: Field[float], value: str):
    variable = found.metadata["variable"]
    if not value:
        assert getattr(Settings.from_env({variable: value}), found.name) == found.default
        return
    with pytest.raises(ConfigError) as refused:
        Settings.from_env({variable: value})
    sentence = str(refused.value)
    assert sentence.startswith(f"{variable} must be ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize("found", NUMERIC, ids=lambda found: found.name)
def test_default_of_every_number_is_within_its_bounds(found: Field[float]):
    variable = found.metadata["variable"]
    assert getattr(Settings.from_env({variable: str(found.default)}), found.name) == found.default


@pytest.mark.parametrize("found", [one for one in NUMERIC if isinstance(one.default, float)], ids=lambda one: one.name)
def test_refused_number_is_told_in_the_unit_of_its_setting(found: Field[float]):
    variable, meaning = found.metadata["variable"], found.metadata["meaning"]
    (unit,) = [unit for unit in UNITS if unit in f"{variable.lower()} {meaning}"]
    for value in ("-1", "x"):
        with pytest.raises(ConfigError, match=rf"\b{unit}\b"):
            Settings.from_env({variable: value})


def test_process_with_an_invalid_variable_prints_the_sentence_without_a_traceback():
    command = [sys.executable, "migrate.py"]
    env = servers.environment(WIKIVISAGE_DB_POOL_SIZE="many")
    done = subprocess.run(command, cwd=servers.ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "wikivisage: WIKIVISAGE_DB_POOL_SIZE must be a whole number, not 'many'.\n"


def test_secrets_are_not_shown():
    shown = repr(Settings(db_password="pa55", secret_key="k3y", oauth_client_secret="s3cret", token_keys=("t0ken",)))
    assert not any(secret in shown for secret in ("pa55", "k3y", "s3cret", "t0ken"))


def test_default_pools_leave_two_connections_of_toolsdb_unused():
    """Two workers, two web processes, two more that are ending, a migration, a check; see tests/test_connections.py."""
    settings = Settings()
    assert 2 * settings.pool_size + 4 * settings.web_pool_size + 1 + 1 <= 20 - 2


def test_every_variable_is_listed_once():
    names = [name for name, _, _ in config.variables()]
    assert len(names) == len(set(names))
    assert {"OAUTH_CLIENT_ID", "TOOL_TOOLSDB_HOST", "WIKIVISAGE_TOKEN_KEY"} <= set(names)


def test_database_name_has_the_form_that_toolsdb_requires():
    assert Settings(db_user="s55").database == "s55__wikivisage"
    assert Settings(db_user="s55", db_name="other").database == "other"


def test_accounts_can_be_given_by_name_or_central_id():
    settings = Settings.from_env({"WIKIVISAGE_ADMINS": "ada_Lovelace, #77"})
    assert settings.is_admin("Ada Lovelace", "1")
    assert settings.is_admin("Somebody", "77")
    assert not settings.is_admin("Bob", "7")


@pytest.mark.parametrize(
    ("allowed", "blocked", "admitted"),
    [
        ("", "", {"Ada", "Bob", "Eve"}),
        ("Ada,#2", "", {"Ada", "Bob"}),
        ("", "#3", {"Ada", "Bob"}),
        ("Ada,Bob", "Bob", {"Ada"}),
    ],
)
def test_allowed_and_blocked_users_control_sign_in(allowed: str, blocked: str, admitted: set[str]):
    settings = Settings.from_env({"WIKIVISAGE_ALLOWED_USERS": allowed, "WIKIVISAGE_BLOCKED_USERS": blocked})
    assert {
        name for name, central in (("Ada", "1"), ("Bob", "2"), ("Eve", "3")) if settings.admits(name, central)
    } == admitted


def test_start_without_a_token_key_logs_a_warning():
    assert "UNSEALED" in Settings().warnings()[0]
    assert Settings(token_keys=("k",)).warnings() == []
