"""Print the environment variables that make WikiVisage use a sandbox: python -m sandbox.environment SANDBOX APP"""

import argparse
import base64
import secrets
import shlex
from urllib.parse import urlsplit

from sandbox.server import CLIENT_ID, CLIENT_SECRET


def variables(sandbox: str, app: str) -> dict[str, str]:
    """Return the settings for all endpoints, the OAuth consumer and newly generated keys.

    `sandbox` and `app` are the two addresses without a trailing slash. Every setting whose default points to Wikimedia
    is included.
    """
    return {
        "WIKIVISAGE_COMMONS_API": f"{sandbox}/w/api.php",
        "WIKIVISAGE_COMMONS_PAGES": f"{sandbox}/wiki",
        "WIKIVISAGE_MEDIA_HOSTS": urlsplit(sandbox).netloc,
        "WIKIVISAGE_WIKIDATA_API": f"{sandbox}/wikidata/w/api.php",
        "WIKIVISAGE_WIKIDATA_PAGES": f"{sandbox}/wiki",
        "WIKIVISAGE_OAUTH_URL": f"{sandbox}/w/rest.php/oauth2",
        "WIKIVISAGE_SPARQL_URL": f"{sandbox}/sparql",
        "WIKIVISAGE_PAGEPILE_URL": f"{sandbox}/pagepile",
        "WIKIVISAGE_CONTACT": "sandbox@localhost",
        "WIKIVISAGE_PRODUCTION": "0",
        "OAUTH_CLIENT_ID": CLIENT_ID,
        "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "OAUTH_REDIRECT_URI": f"{app}/auth/callback",
        "FLASK_SECRET_KEY": secrets.token_hex(32),
        "WIKIVISAGE_TOKEN_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def main() -> None:
    """Print the variables as `export` lines that a shell can source."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.environment", description=__doc__)
    parser.add_argument("sandbox", help="its address, for example http://127.0.0.1:8181")
    parser.add_argument("app", help="the application's address, for example http://localhost:8000")
    chosen = parser.parse_args()
    for name, value in variables(chosen.sandbox.rstrip("/"), chosen.app.rstrip("/")).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
