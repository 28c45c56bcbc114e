"""Check that settings, files and commands named in the documents exist."""

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import config
from testing import servers
from testing.waiting import PATIENCE, until
from tests.conftest import PHOTOGRAPHS
from tests.test_architecture import MAY_IMPORT
from token_crypto import TokenBox

ROOT = servers.ROOT
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob(".github/**/*.md")]
)
SETTING = re.compile(r"\b(?:WIKIVISAGE|TOOL_TOOLSDB|OAUTH|COMMONS|FLASK)_[A-Z0-9_]+\b")
# Read only by the scripts and the tests, or by libraries.
NOT_OURS = {"WIKIVISAGE_TEST_DB", "WIKIVISAGE_TEST_PROCESSES"}
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
OUR_PATH = re.compile(
    r"(?<![\w/.-])((?:app|worker|migrate|config|database|token_crypto|boxes)\.py|(?:web|store|pipeline|wiki|vision|sandbox|bench"
    r"|script|docs|templates|static|tests|translations)/[\w./-]*\w)"
)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def relative_path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def table_rows(text: str) -> list[tuple[str, str, str]]:
    """Return (variable, default, meaning) of the rows of the settings tables."""
    return [
        (found[1], found[2].strip("`"), found[3])
        for found in re.finditer(r"^\| `([A-Z_0-9]+)` \| (.*?) ?\| (.+?) \|$", text, re.MULTILINE)
    ]


def commands(path: Path) -> list[str]:
    """Return the lines of a document's shell blocks, without comments."""
    lines = [line.split(" # ")[0].strip() for block in BLOCK.findall(read(path)) for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_readme_lists_exactly_the_existing_settings():
    assert sorted(table_rows(read(ROOT / "README.md"))) == sorted(config.variables())


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative_path)
def test_settings_named_in_documents_exist(path: Path):
    known = {variable for variable, _, _ in config.variables()} | NOT_OURS
    named = {name for name in SETTING.findall(read(path)) if not name.endswith("_")}
    assert named <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative_path)
def test_links_to_files_of_the_project_are_valid(path: Path):
    targets = ["".join(parts) for parts in LINK.findall(read(path))]
    inside = [
        target.split("#")[0] for target in targets if "://" not in target and not target.startswith(("#", "mailto:"))
    ]
    assert [target for target in inside if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative_path)
def test_files_named_in_documents_exist(path: Path):
    named = set(OUR_PATH.findall(read(path)))
    assert sorted(name for name in named if not _exists(name)) == []


def _exists(name: str) -> bool:
    return (ROOT / name).exists() or name.startswith("translations/de/")


def test_architecture_document_has_the_enforced_import_table():
    text = read(ROOT / "docs/ARCHITECTURE.md")
    documented = {}
    for row in re.finditer(r"^\| ((?:`\w+`(?:, )?)+) \| (.+) \|$", text, re.MULTILINE):
        for part in re.findall(r"\w+", row[1]):
            documented[part] = set(re.findall(r"`(\w+)`", row[2]))
    assert documented == {part: set(allowed) for part, allowed in MAY_IMPORT.items()}


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("| `PORT` | `8000` | port |", ("PORT", "8000", "port")),
        ("| `OAUTH_CLIENT_ID` |  | a consumer |", ("OAUTH_CLIENT_ID", "", "a consumer")),
    ],
)
def test_table_rows_are_parsed_with_and_without_a_default(text: str, row: tuple[str, str, str]):
    assert table_rows(text) == [row]


# Every command of a block that is not marked (```sh toolforge, wikimedia, docker) -> the test that runs it.
RUN_BY = {
    r"script/(setup|test|demo|screenshots|i18n|mariadb) --help": "tests/test_scripts.py::test_help_prints_the_usage",
    r"script/setup --dev": "tests/test_demo.py::test_demo_writes_only_correct_statements",
    r"script/demo( --check)?": "tests/test_demo.py::test_demo_writes_only_correct_statements",
    r"script/test.*": "tests/test_documents.py::test_documented_options_of_the_test_script_exist",
    r"script/i18n( --check)?": "tests/web/site/test_translations.py::",
    r"eval \"\$\(script/mariadb (start|env)\)\"": "tests/test_documents.py::test_documented_parts_start",
    r"eval \"\$\(.venv/bin/python -m sandbox.environment .*\)\"": "tests/test_documents.py::test_documented_parts_start",
    r".venv/bin/python -m (sandbox.photos|vision.weights).*": "tests/test_demo.py::test_demo_writes_only_correct_statements",
    r".venv/bin/python -m sandbox --port 8181 --photos .local/photos": "tests/test_documents.py::test_documented_parts_start",
    r".venv/bin/python (migrate|app).py": "tests/test_documents.py::test_documented_parts_start",
    r".venv/bin/python worker.py --.*": "tests/test_documents.py::test_documented_parts_start",
    r".venv/bin/python -c \".*\"": "tests/test_documents.py::test_keys_made_with_the_documented_commands_are_valid",
    r"curl -s .*": "tests/test_documents.py::test_documented_parts_start",
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative_path)
def test_every_unmarked_command_is_run_by_a_test(path: Path):
    assert [line for line in commands(path) if not any(re.fullmatch(pattern, line) for pattern in RUN_BY)] == []


def test_tests_that_run_the_commands_exist():
    for named in RUN_BY.values():
        path, _, name = named.partition("::")
        assert f"def {name}" in read(ROOT / path)


def test_marks_of_shell_blocks_are_known():
    marks = {mark for path in DOCUMENTS for mark in re.findall(r"^```sh (\w+)$", read(path), re.MULTILINE)}
    assert marks <= {"toolforge", "wikimedia", "docker"}


def test_keys_made_with_the_documented_commands_are_valid():
    made = []
    for line in commands(ROOT / "how-to-run-it.md"):
        code = re.fullmatch(r'.venv/bin/python -c "(.*)"', line)
        if code:
            made.append(
                subprocess.run(
                    [sys.executable, "-c", code[1]], capture_output=True, text=True, check=True
                ).stdout.strip()
            )
    assert len(made[0]) == 64
    assert TokenBox([made[1]]).seals


def test_documented_options_of_the_test_script_exist():
    """Check only that the options exist: running the commands would run this test again."""
    asked = {line for path in DOCUMENTS for line in commands(path) if line.startswith("script/test")}
    known = subprocess.run(["script/test", "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    options = {word for line in asked for word in line.split()[1:] if word.startswith("--")}
    assert [option for option in options if option not in known] == []


@pytest.mark.integration
def test_documented_parts_start(server: dict[str, str], tmp_path: Path):
    """Run the commands of the three terminals of test-local.md with the ports and the database of this test run."""
    sandbox, app = servers.free_port(), servers.free_port()
    name = f"{server['TOOL_TOOLSDB_USER']}__by_hand"
    photos = next((folder for folder in PHOTOGRAPHS if folder.is_dir()), None)
    if photos is None:
        pytest.skip("no photographs")
    ports = {"8181": str(sandbox), "8000": str(app), ".local/photos": str(photos)}
    with servers.empty_database(server, name) as settings, ExitStack() as stack:
        env = servers.environment(settings)

        def run(line: str) -> servers.Process:
            for old, new in ports.items():
                line = line.replace(old, new)
            line = line.replace(".venv/bin/python", f"exec {sys.executable}")
            log = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
            return stack.enter_context(servers.running(["bash", "-c", line], env, log))

        lines = list(dict.fromkeys(commands(ROOT / "test-local.md")))
        wiki = run(next(line for line in lines if "-m sandbox --port" in line))
        servers.wait_for_http(f"http://127.0.0.1:{sandbox}/", wiki)
        made = run(next(line for line in lines if "sandbox.environment" in line)[len('eval "$(') : -len(')"')])
        assert made.popen.wait(PATIENCE) == 0
        env |= dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in made.output().splitlines())
        env["PORT"] = str(app)
        migrated = run(".venv/bin/python migrate.py")
        assert migrated.popen.wait(PATIENCE) == 0, migrated.output()
        servers.wait_for_http(f"http://127.0.0.1:{app}/health", run(".venv/bin/python app.py"))
        worker = run(next(line for line in lines if "--worker-id dev-1" in line))
        until(lambda: "started" in worker.output() or not worker.runs())
        status = run(".venv/bin/python worker.py --status")
        assert status.popen.wait(PATIENCE) == 0
        assert "dev-1  alive" in status.output()
        for line in lines:
            if line.startswith("curl"):
                asked = run(line.replace("curl -s", "curl -sf"))
                assert asked.popen.wait(PATIENCE) == 0, line
