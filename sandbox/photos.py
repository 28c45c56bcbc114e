"""Fetch the demo's photographs: python -m sandbox.photos DIR

They are extracted from published packages, which pip and npm download, into DIR/NAME/. PHOTOS.md lists sources and
rights. Existing photographs are not fetched again; if the packages are in the cache, no network is needed.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.state.build import write_variants

VARIANTS = 40
"""Photographs of each person, including the marked variants that the sandbox adds because few are available."""


class CannotFetch(Exception):
    """A package could not be fetched; the text names the package, the reason and what to do."""


@dataclass(frozen=True)
class Package:
    """A package that contains photographs.

    `archive`: the beginning of the archive's file name. `command`: downloads the archive into the working directory.
    `optional`: if the package cannot be fetched, its photographs are left out.
    """

    name: str
    archive: str
    command: tuple[str, ...]
    pictures: dict[str, str]
    """End of the path inside the archive -> path relative to DIR."""
    optional: bool = False


_PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", ".")
_WHEEL = ("--only-binary=:all:", "--python-version=3.12", "--platform=manylinux_2_28_x86_64")

PACKAGES = (
    Package(
        "face_recognition 1.3.0",
        "face_recognition-1.3.0.tar.gz",
        (*_PIP, "--no-binary=:all:", "--no-build-isolation", "face_recognition==1.3.0"),
        {
            "tests/test_images/obama.jpg": "barack_obama/official portrait 2012.jpg",
            "tests/test_images/obama2.jpg": "barack_obama/speaking to Congress.jpg",
            "tests/test_images/obama3.jpg": "barack_obama/standing in the Blue Room.jpg",
            "tests/test_images/obama_partial_face.jpg": "barack_obama/with part of the face, right.jpg",
            "tests/test_images/obama_partial_face2.jpg": "barack_obama/with part of the face, left.jpg",
            "tests/test_images/biden.jpg": "joe_biden/standing in the Blue Room.jpg",
        },
    ),
    Package(
        "scikit-image 0.26.0",
        "scikit_image-0.26.0-cp312-",
        (*_PIP, *_WHEEL, "--platform=manylinux_2_24_x86_64", "scikit-image==0.26.0"),
        {
            "skimage/data/astronaut.png": "eileen_collins/portrait in orange suit.png",
            "skimage/data/chelsea.png": "noface/cat.png",
            "skimage/data/coffee.png": "noface/coffee.png",
            "skimage/data/rocket.jpg": "noface/rocket.jpg",
        },
    ),
    Package(
        "matplotlib 3.10.0",
        "matplotlib-3.10.0-cp312-",
        (*_PIP, *_WHEEL, "--platform=manylinux_2_17_x86_64", "matplotlib==3.10.0"),
        {"mpl-data/sample_data/grace_hopper.jpg": "grace_hopper/portrait in uniform.jpg"},
    ),
    Package(
        "@vladmandic/face-api 1.7.15",
        "vladmandic-face-api-1.7.15.tgz",
        ("npm", "pack", "--silent", "@vladmandic/face-api@1.7.15"),
        {f"demo/sample{number}.jpg": f"groups/group {number}.jpg" for number in range(1, 7)},
        optional=True,
    ),
)


def fetch(target: Path, cache: Path, packages: Sequence[Package] = PACKAGES) -> list[str]:
    """Write the photographs into `target`; return a message for each optional package that is missing.

    The downloaded packages are kept in `cache`. Raises CannotFetch.
    """
    notes: list[str] = []
    for package in packages:
        if all((target / place).is_file() for place in package.pictures.values()):
            continue
        try:
            _unpack(_archive(package, cache), package, target)
        except CannotFetch as error:
            if not package.optional:
                raise
            notes.append(f"{error} They are left out.")
    target.mkdir(parents=True, exist_ok=True)
    write_variants(target, VARIANTS)
    return notes


def _archive(package: Package, cache: Path) -> Path:
    """Return the package's archive from the cache, downloading it first if necessary."""
    found = sorted(cache.glob(f"{package.archive}*"))
    if found:
        return found[0]
    cache.mkdir(parents=True, exist_ok=True)
    if shutil.which(package.command[0]) is None:
        raise CannotFetch(f"The photographs of {package.name} need the program {package.command[0]}.")
    run = subprocess.run(package.command, cwd=cache, capture_output=True, text=True, check=False)  # noqa: S603
    found = sorted(cache.glob(f"{package.archive}*"))
    if run.returncode or not found:
        output = (run.stderr or run.stdout).strip().splitlines() or ["the command printed no message"]
        raise CannotFetch(f"The package {package.name} with photographs could not be fetched: {output[-1]}")
    return found[0]


def _unpack(archive: Path, package: Package, target: Path) -> None:
    try:
        pictures = dict(_read(archive, package))
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        archive.unlink(missing_ok=True)
        raise CannotFetch(f"{archive.name} was damaged ({error}) and is deleted; try again.") from error
    missing = set(package.pictures.values()) - set(pictures)
    if missing:
        raise CannotFetch(f"{package.name} has no {', '.join(sorted(missing))}.")
    for place, data in pictures.items():
        path = target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".part")
        beside.write_bytes(data)
        beside.replace(path)


def _read(archive: Path, package: Package) -> list[tuple[str, bytes]]:
    """Return target path and content of each wanted picture in the archive."""

    def place(name: str) -> str:
        return next((place for end, place in package.pictures.items() if f"/{name}".endswith(f"/{end}")), "")

    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [(place(name), wheel.read(name)) for name in wheel.namelist() if place(name)]
    with tarfile.open(archive) as tar:
        members = [(place(member.name), tar.extractfile(member)) for member in tar if place(member.name)]
        return [(where, file.read()) for where, file in members if file]


def main(given: list[str] | None = None) -> int:
    """Run from the command line; return the exit code, 1 with a message if a package could not be fetched."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.photos", description=__doc__)
    parser.add_argument("target", type=Path, metavar="DIR")
    parser.add_argument("--cache", type=Path, help="where the packages are kept (default: photo-packages beside DIR)")
    options = parser.parse_args(given)
    target: Path = options.target.absolute()
    try:
        notes = fetch(target, options.cache or target.parent / "photo-packages")
    except (CannotFetch, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for note in notes:
        print(note, file=sys.stderr)
    print(f"The photographs are in {target}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
