"""Recorded responses of a real MediaWiki: reduced copies in this folder, and complete ones if ../shared is present.

A case is named by its file without the suffix, such as `err_badtoken` or `second/protected_wbeditentity_oauth`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from testing import servers

COPIES = Path(__file__).parent
ORIGINALS = servers.SHARED / "recordings"
needs_originals = pytest.mark.skipif(
    not ORIGINALS.is_dir(), reason="needs the whole recordings in ../shared; this folder has reduced copies of some"
)


def named(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by case."""
    found = sorted(folder.rglob("*.json"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


@cache
def cases() -> dict[str, Path]:
    """Return all available cases; the copy if there is one."""
    return named(ORIGINALS) | named(COPIES)


@cache
def recording(case: str) -> dict[str, Any]:
    """Return a case, with `request` and `response`."""
    loaded: dict[str, Any] = json.loads(cases()[case].read_text(encoding="utf-8"))
    return loaded
