# Functions that the scripts share; meant to be sourced. Changes the working directory to the repository's root.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
NAME="script/$(basename "$0")"
VENV_PYTHON="$ROOT/.venv/bin/python"

fail() {
    echo "$NAME: $*" >&2
    exit 1
}

# Print the comment at the head of the script, which is its --help.
show_help() {
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

# Read the database settings and the port from .env unless the environment sets them. The other settings in .env are for
# `python app.py` and `python worker.py`, which read the file themselves.
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

# Print the path of the browser for the tests; fail if none is installed.
find_chromium() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Chromium.app/Contents/MacOS/Chromium" \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        [ -n "$name" ] && command -v "$name" && return 0
    done
    return 1
}
