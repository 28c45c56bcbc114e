# Shared by the scripts; to be sourced. Puts the working folder at the repository's root.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
NAME="script/$(basename "$0")"
VENV_PYTHON="$ROOT/.venv/bin/python"

fail() {
    echo "$NAME: $*" >&2
    exit 1
}

# The comment at the head of a script is its --help.
show_help() {
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

# Take the database and the port from .env where the environment does not set them; what else stands in .env belongs to
# `python app.py` and `python worker.py`, which read it themselves.
read_dotenv() {
    [ -f .env ] || return 0
    eval "$("$VENV_PYTHON" - <<'PYTHON'
import os
import shlex
from dotenv import dotenv_values

for name, value in dotenv_values(".env").items():
    if value and name not in os.environ and (name.startswith("TOOL_TOOLSDB_") or name == "PORT"):
        print(f"export {name}={shlex.quote(value)}")
PYTHON
)"
}

has_own_database() {
    [ -n "${TOOL_TOOLSDB_HOST:-}" ]
}

# Prints the browser that the tests drive; fails where there is none.
find_chromium() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Chromium.app/Contents/MacOS/Chromium" \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        [ -n "$name" ] && command -v "$name" && return 0
    done
    return 1
}
