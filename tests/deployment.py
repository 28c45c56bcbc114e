"""Read the deployment files as data."""

import re
import shlex
from dataclasses import dataclass
from typing import Any

import yaml

from testing import servers

ROOT = servers.ROOT


@dataclass(frozen=True)
class Started:
    """A process of the Procfile, split into words as by a shell."""

    name: str
    words: tuple[str, ...]

    def option(self, name: str) -> str:
        """Return the value of an option. Raises ValueError if it is missing."""
        return self.words[self.words.index(name) + 1]


def procfile(port: str = "8000") -> dict[str, Started]:
    """Return the processes by name; `port` replaces $PORT."""
    found = {}
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, command = line.split(": ", 1)
        found[name] = Started(name, tuple(shlex.split(command.replace("${PORT:-8000}", port))))
    return found


def jobs() -> list[dict[str, Any]]:
    """Return the jobs of jobs.yaml."""
    loaded: list[dict[str, Any]] = yaml.safe_load((ROOT / "jobs.yaml").read_text())
    return loaded


def components() -> dict[str, dict[str, Any]]:
    """Return the components of toolforge.yaml."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "toolforge.yaml").read_text())["components"]
    return loaded


def compose() -> dict[str, dict[str, Any]]:
    """Return the services of compose.yaml with their shared parts merged."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def toolforge_variables() -> list[str]:
    """Return the variables that section 3 of how-to-run-it.md sets on Toolforge."""
    section = (ROOT / "how-to-run-it.md").read_text().split("\n## 3. ")[1].split("\n## ")[0]
    return re.findall(r"^toolforge envvars create (\w+)", section, re.MULTILINE)
