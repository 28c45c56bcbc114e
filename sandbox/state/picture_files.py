"""The picture files of a folder of photographs, for every command with --photos."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def below(root: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files below a folder with one of the suffixes (lower case, with the dot), sorted.

    Links to folders are followed, which `Path.rglob` does not do; a link to a folder that contains it is left out.
    """
    return sorted(path for path in _files(root, frozenset()) if path.suffix.lower() in suffixes)


def _files(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above or not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path, above | {real})
        elif path.is_file():
            yield path
