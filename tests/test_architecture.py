"""Check the imports between packages and rooms, and the locations of SQL, settings and inline code."""

import ast
import graphlib
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing import servers

ROOT = servers.ROOT

MAY_IMPORT = {
    "app": {"web", "database", "config"},
    "worker": {"pipeline", "database", "wiki", "vision", "config"},
    "migrate": {"store", "database", "config"},
    "pipeline": {"store", "wiki", "vision", "database", "config", "boxes"},
    "store": {"database", "token_crypto", "boxes"},
    "database": {"config"},
    "web": {"store", "wiki", "database", "config", "boxes"},
    "wiki": set(),
    "vision": {"boxes"},
    "token_crypto": set(),
    "config": set(),
    "boxes": set(),
    "sandbox": set(),
}
OURS = {*MAY_IMPORT, "bench", "testing", "tests"}
# For each floor, the rooms that a room may import. Modules outside the rooms are above them (they combine rooms that
# must not import each other) or, if listed in BELOW, below them.
ROOMS: dict[str, dict[str, set[str]]] = {
    "web": {
        "site": set(),
        "accounts": {"site"},
        "jobs": {"site"},
        "projects": {"site"},
        "labelling": {"projects", "site"},
        "publishing": {"labelling", "projects", "site"},
    },
    "pipeline": {
        "jobs": set(),
        "projects": {"jobs"},
        "detection": {"projects", "jobs"},
        "labelling": {"projects", "jobs"},
        "publishing": {"projects", "jobs"},
    },
    "store": {
        "jobs": set(),
        "accounts": set(),
        "detection": {"jobs"},
        "projects": {"accounts", "detection", "jobs"},
        "labelling": {"projects", "detection", "jobs"},
        "publishing": {"labelling", "projects", "detection", "jobs"},
    },
    "vision": {"networks": set(), "detection": {"networks"}, "recognition": set()},
    "sandbox": {
        "faults": set(),
        "state": {"faults"},
        "action_api": {"state", "faults"},
        "endpoints": {"action_api", "state", "faults"},
    },
    "bench": {"learning": set(), "pictures": set(), "faults": set(), "traffic": set()},
}
# vision.weights is a command; it imports the graph builders of its room only inside the functions that build.
BELOW = {"store": {"errors"}, "vision": {"weights"}}
MOST_MODULES = 17  # Maximum per room. wiki/ intentionally has no rooms.
# Packages that may load a library which is heavy, or which would allow a layer to bypass the one below it.
ONLY_IMPORTER = {
    "dlib": {"vision"},
    "face_recognition": {"vision"},
    "face_recognition_models": {"vision"},
    "onnxruntime": {"vision"},
    "PIL": {"vision", "sandbox"},
    "pymysql": {"database"},
    "requests": {"wiki", "sandbox"},
    "flask": {"app", "web", "sandbox"},
}
MAY_HOLD_SQL = {"store", "migrate", "database"}
SQL = re.compile(
    r"\b(SELECT\b.+\bFROM|INSERT (IGNORE )?INTO|UPDATE\b.+\bSET|DELETE FROM|REPLACE INTO|(CREATE|ALTER|DROP) TABLE)\b",
    re.DOTALL,
)
# Lines per function, over the whole program. The length of a file is not limited.
MEDIAN_FUNCTION = 7
NINE_IN_TEN_FUNCTIONS = 20
LONGEST_FUNCTION = 50

INLINE = {
    "script": re.compile(r"<script\b(?![^>]*\b(src=|type=\"application/json\"))[^>]*>"),
    "style element": re.compile(r"<style\b"),
    "style attribute": re.compile(r"<[a-z][^>]*\sstyle\s*=", re.DOTALL),
    "event attribute": re.compile(r"<[a-z][^>]*\son[a-z]+\s*=\s*[\"']", re.DOTALL),
    "javascript address": re.compile(r"[\"']\s*javascript:", re.IGNORECASE),
}


def part_of(path: Path) -> str:
    """Return the first part of a module's name: `store` for store/detection/files.py, `app` for app.py."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def sources(*parts: str) -> list[Path]:
    """Return the existing Python files of these packages and modules."""
    found = [ROOT / f"{part}.py" for part in parts] + [file for part in parts for file in (ROOT / part).rglob("*.py")]
    return sorted(file for file in found if file.exists())


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module: ast.AST, package: str = "") -> set[str]:
    """Return the full dotted names imported anywhere in a module, also inside functions; relative ones are resolved."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(name for name in (above, node.module) if name)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(path: Path) -> set[str]:
    return imports(tree(path), ".".join(path.relative_to(ROOT).parent.parts))


def first_names(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def texts(module: ast.AST) -> Iterator[str]:
    """Yield all strings of a module except docstrings; an f-string as its fixed parts."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def reads_environment(module: ast.AST) -> bool:
    """Return whether the module uses os.environ or os.getenv; the environ of a WSGI request is not meant."""
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr in {"environ", "environb", "getenv"}
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        )
        or (isinstance(node, ast.ImportFrom) and {"environ", "getenv"} & {alias.name for alias in node.names})
        for node in ast.walk(module)
    )


def function_lengths(module: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            yield node.name, node.end_lineno - node.lineno + 1


def defines(module: ast.Module, name: str) -> bool:
    """Return whether the module defines a function or a variable of that name at its top level."""
    return any(
        (isinstance(node, ast.FunctionDef) and node.name == name)
        or (
            isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
        )
        for node in module.body
    )


def relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_packages_import_only_the_allowed_ones(part: str):
    allowed = MAY_IMPORT[part] | {part}
    for path in sources(part):
        assert first_names(imports_of(path)) & OURS <= allowed, relative_path(path)


def room_of(module: str) -> str:
    """Return the room of a module such as store.publishing.edits, or the name of a module outside the rooms."""
    return module.split(".")[1]


def modules_of(floor: str) -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sources(floor)
        if path.stem != "__init__"
    }


@pytest.mark.parametrize("floor", ROOMS)
def test_rooms_import_only_the_allowed_rooms_of_their_floor(floor: str):
    rooms, below = ROOMS[floor], BELOW.get(floor, set())
    modules = modules_of(floor)
    for name, path in modules.items():
        room = room_of(name)
        if room in rooms:
            used = {used for used in imports_of(path) for other in modules if f"{used}.".startswith(f"{other}.")}
            assert {room_of(one) for one in used} <= {room} | rooms[room] | below, name


@pytest.mark.parametrize("floor", ROOMS)
def test_every_folder_is_a_known_room_of_limited_size(floor: str):
    modules = modules_of(floor)
    folders = {room_of(name) for name in modules if name.count(".") > 1}
    assert folders == set(ROOMS[floor])
    for room in folders:
        assert sum(room_of(name) == room for name in modules) <= MOST_MODULES, room


def test_tests_and_benchmarks_do_not_import_each_other():
    for path in sources("tests"):
        if path.relative_to(ROOT).parts[:2] != ("tests", "bench"):
            assert "bench" not in first_names(imports_of(path)), relative_path(path)
    for path in sources("bench", "testing"):
        assert "tests" not in first_names(imports_of(path)), relative_path(path)
    for path in sources("testing"):
        assert "bench" not in first_names(imports_of(path)), relative_path(path)


def test_allowed_imports_between_rooms_have_no_cycle():
    for rooms in ROOMS.values():
        graphlib.TopologicalSorter(rooms).prepare()


@pytest.mark.parametrize("library", ONLY_IMPORTER)
def test_library_is_imported_only_by_its_owners(library: str):
    for path in sources(*MAY_IMPORT):
        if part_of(path) not in ONLY_IMPORTER[library]:
            assert library not in first_names(imports_of(path)), relative_path(path)


@pytest.mark.parametrize(("package", "mark", "apart"), [("web", "bp", set()), ("pipeline", "run", set())])
def test_blueprints_and_stages_do_not_import_each_other(package: str, mark: str, apart: set[str]):
    modules = {f"{package}.{path.stem}": path for path in sources(package) if defines(tree(path), mark)}
    kind = set(modules) - apart
    for name in kind:
        known = {
            other for other in kind - {name} for used in imports_of(modules[name]) if f"{used}.".startswith(f"{other}.")
        }
        assert not known, name


def test_sql_is_only_in_the_store():
    for path in sources(*(set(MAY_IMPORT) - MAY_HOLD_SQL)):
        assert not [text for text in texts(tree(path)) if SQL.search(text)], relative_path(path)


def test_only_config_reads_the_environment():
    for path in sources(*(set(MAY_IMPORT) - {"config"})):
        assert not reads_environment(tree(path)), relative_path(path)


@pytest.mark.parametrize("name", ["app", "worker", "database", "migrate"])
def test_no_folder_shadows_a_module(name: str):
    assert not (ROOT / name).is_dir()


def loaded_by(module: str) -> set[str]:
    """Return the modules in memory after one of ours was imported in a new process."""
    command = [sys.executable, "-c", f"import {module}, sys; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, env=servers.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.skipif(not (ROOT / "app.py").exists(), reason="app.py is not there")
def test_web_process_loads_no_detector():
    heavy = {"dlib", "_dlib_pybind11", "face_recognition", "onnxruntime", "numpy", "PIL", "vision", "pipeline"}
    assert not loaded_by("app") & heavy


@pytest.mark.skipif(not (ROOT / "worker.py").exists(), reason="worker.py is not there")
def test_detector_child_does_not_load_the_pipeline():
    # A spawned child imports worker.py again before anything else.
    assert not loaded_by("worker") & {"pipeline", "store", "database", "pymysql"}


def pages() -> list[Path]:
    return sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "sandbox").rglob("*.html")])


@pytest.mark.parametrize("kind", INLINE)
def test_pages_contain_no_inline_code(kind: str):
    for path in pages():
        assert not INLINE[kind].search(path.read_text(encoding="utf-8")), relative_path(path)


def test_functions_are_short():
    lengths = {
        f"{relative_path(path)}:{name}": length
        for path in sources(*MAY_IMPORT, "bench")
        for name, length in function_lengths(tree(path))
    }
    ordered = sorted(lengths.values())
    assert statistics.median(ordered) <= MEDIAN_FUNCTION
    assert ordered[len(ordered) * 9 // 10] <= NINE_IN_TEN_FUNCTIONS
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_relative_imports_and_imports_inside_functions_are_found():
    module = ast.parse("from . import a\nfrom ..b import c\ndef f():\n    import web.site.errors")
    assert imports(module, "store.deep") == {"store.deep.a", "store.b.c", "web.site.errors"}


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("x = 'SELECT id FROM files'", True),
        ("x = f'UPDATE {table} SET a = 1'", True),
        ("x = 'SELECT ?file WHERE { ?file wdt:P180 wd:Q42 }'", False),
        ("x = 'Select a face from the picture'", False),
        ("def f():\n    'DELETE FROM files, in small pieces.'", False),
    ],
)
def test_sql_is_distinguished_from_sparql_and_english(code: str, seen: bool):
    assert any(SQL.search(text) for text in texts(ast.parse(code))) is seen


@pytest.mark.parametrize(
    ("code", "seen"),
    [("os.environ['A']", True), ("from os import getenv", True), ("os.getenv('A')", True), ("request.environ", False)],
)
def test_reading_the_environment_is_detected(code: str, seen: bool):
    assert reads_environment(ast.parse(code)) is seen


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<script>go()</script>", "script"),
        ('<script type="module" src="/a.js"></script><script type="application/json">{}</script>', None),
        ("<style>p {}</style>", "style element"),
        ('<p class="a" style="color: red">', "style attribute"),
        ("<button onclick='go()'>", "event attribute"),
        ('<a href="javascript:go()">', "javascript address"),
        ('<p data-style="a" data-on="b">', None),
    ],
)
def test_inline_code_is_detected(html: str, kind: str | None):
    assert [name for name, pattern in INLINE.items() if pattern.search(html)] == ([kind] if kind else [])
