"""The deployment files agree with each other, and the processes that they start exist and do the main job."""

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

import config
from database import Database
from pipeline.jobs import quota, status
from sandbox import environment as sandbox_environment
from sandbox.server import Sandbox
from testing import https_front, processes, servers
from testing.waiting import PATIENCE
from tests import deployment
from vision import weights
from vision.detection.settings import DETECTOR_VERSIONS, ENCODER_VERSIONS, HOG_CENTERFACE, SFACE, SearchSettings

ROOT = servers.ROOT
MEMORY_OF_WEB, MEMORY_OF_WORKER = 150, 3 * 1024  # MB
CONNECTIONS = 20
SECONDS = 1500
KNOWN_IN_JOBS = {
    *(
        "name",
        "command",
        "image",
        "continuous",
        "schedule",
        "mem",
        "cpu",
        "replicas",
        "emails",
        "no-filelog",
        "filelog",
    ),
    *("retry", "port", "health-check-script", "health-check-http", "mount", "publish"),
}

# Accepted by components-api (openapi/tool-config-schema.json, and the files of deployed tools).
KNOWN_IN_BUILD = {"repository", "ref", "use_latest_versions", "reuse_from"}
KNOWN_IN_RUN = {
    *("command", "cpu", "memory", "mount", "emails", "filelog", "filelog_stdout", "filelog_stderr", "replicas"),
    *("port", "publish", "health_check_script", "health_check_http"),
}


def test_commands_of_the_procfile_exist():
    for process in deployment.procfile().values():
        if process.words[0] == "python":
            assert (ROOT / process.words[1]).is_file(), process
        else:
            assert process.words[:2] == ("gunicorn", "app:app"), process


def test_gunicorn_listens_on_the_given_port_without_a_control_socket():
    web = deployment.procfile(port="1234")["web"]
    assert web.option("--bind") == "0.0.0.0:1234"
    assert "--no-control-socket" in web.words


def test_each_job_is_a_procfile_process_with_its_own_id_and_health_check():
    started = deployment.procfile()
    ids = []
    for job in deployment.jobs():
        assert set(job) <= KNOWN_IN_JOBS
        worker = started[job["command"]]
        ids.append(worker.option("--worker-id"))
        assert job["health-check-script"] == f"python worker.py --check --worker-id {ids[-1]}"
        assert job["continuous"] is True
        assert job["mem"] == "3Gi"
    assert len(set(ids)) == 2
    assert ids == status.workers_of_jobs()


def test_memory_of_a_job_is_sufficient_for_a_detector_child_per_cpu():
    """On a node with many cores; and with the largest picture in each child at the same time."""
    for job in deployment.jobs():
        assert job["mem"].endswith("Gi")
        cpus, memory = float(job["cpu"]), int(job["mem"].removesuffix("Gi")) * 1024 * quota.MIB
        assert quota.fitting(64, quota.Limits(cpus, memory))[0] == cpus
        most = quota.WORKER_BYTES + cpus * (quota.CHILD_BYTES + quota.LARGE_PICTURE_BYTES)
        assert most <= memory


def test_components_are_procfile_processes_with_one_image():
    started = deployment.procfile()
    found = deployment.components()
    for name, component in found.items():
        assert set(component) == {"component_type", "build", "run"}
        assert set(component["build"]) <= KNOWN_IN_BUILD
        assert set(component["run"]) <= KNOWN_IN_RUN
        assert component["component_type"] == "continuous"
        assert component["run"]["command"] in started
        assert re.fullmatch(r"[a-z0-9-]+", name), "a job's name"
    assert [name for name, one in found.items() if "repository" in one["build"]] == ["web"]
    assert {one["build"].get("reuse_from", "web") for one in found.values()} == {"web"}


def test_health_check_of_the_published_component_needs_no_database():
    published = {name: one["run"] for name, one in deployment.components().items() if "publish" in one["run"]}
    assert list(published) == ["web"]
    assert published["web"]["health_check_http"] == "/alive"
    assert "health_check_script" not in published["web"]
    assert deployment.procfile(str(published["web"]["port"]))["web"] == deployment.procfile()["web"]


def test_components_and_jobs_start_the_same_workers():
    """The jobs have the same names, so that one way can replace the other."""
    jobs = {job["name"]: job for job in deployment.jobs()}
    runs = {name: one["run"] for name, one in deployment.components().items() if name != "web"}
    assert set(runs) == set(jobs)
    for name, run in runs.items():
        job = jobs[name]
        same = [("command", "command"), ("memory", "mem"), ("cpu", "cpu"), ("mount", "mount"), ("emails", "emails")]
        same.append(("health_check_script", "health-check-script"))
        assert {here: run[here] for here, _ in same} == {here: job[there] for here, there in same}


def test_images_in_the_guide_are_those_that_are_built():
    named = set(re.findall(r"tool-wikivisage/[\w-]+", (ROOT / "how-to-run-it.md").read_text()))
    assert named == {"tool-wikivisage/web", "tool-wikivisage/tool-wikivisage"}
    assert {job["image"] for job in deployment.jobs()} == {"tool-wikivisage/tool-wikivisage:latest"}


def test_docker_starts_the_same_commands_as_toolforge():
    started = deployment.procfile()
    services = deployment.compose()
    for name in ("migrate", "worker-1", "worker-2"):
        assert tuple(services[name]["command"]) == started[name].words
    line = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("CMD "))
    assert tuple(yaml.safe_load(line.removeprefix("CMD "))) == started["web"].words


def test_docker_sets_only_existing_variables():
    known = {variable for variable, _, _ in config.variables()}
    for service in deployment.compose().values():
        named = {name for name in service.get("environment", {}) if not name.startswith("MARIADB_")}
        assert named <= known


def test_guide_sets_exactly_the_variables_that_production_needs():
    set_there = deployment.toolforge_variables()
    known = {found.metadata["variable"]: found.name for found in fields(config.Settings)}
    assert set(set_there) <= set(known)
    needed = {variable for variable, name in known.items() if name in config.NEEDED_IN_PRODUCTION}
    assert needed | {"WIKIVISAGE_PRODUCTION", "OAUTH_REDIRECT_URI"} <= set(set_there)


def test_continuous_integration_runs_the_test_script():
    job = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert any(step.get("run", "").startswith("script/test") for step in job["steps"])


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / ".github").rglob("*.y*ml")))
def test_files_for_github_are_valid(name: str):
    path = next((ROOT / ".github").rglob(name))
    assert isinstance(yaml.safe_load(path.read_text()), dict)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "FLASK_SECRET_KEY is not set"),
        (
            {"FLASK_SECRET_KEY": "x", "WIKIVISAGE_TOKEN_KEY": "short"},
            "WIKIVISAGE_TOKEN_KEY holds something that is not",
        ),
        (
            {"FLASK_SECRET_KEY": "x", "WIKIVISAGE_PRODUCTION": "1"},
            "these are not: OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET",
        ),
    ],
)
def test_gunicorn_prints_one_sentence_if_a_setting_is_missing(given: dict[str, str], sentence: str):
    words = deployment.procfile(port=str(servers.free_port()))["web"].words
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=servers.environment() | given, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert sentence in done.stderr
    assert 'app.py", line' not in done.stderr, "a trace"


# The dry run: a clean virtual environment, only the variables of the guide, the commands of Procfile and jobs.yaml.


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment that contains only requirements.txt; pip installs it from outside."""
    folder = tmp_path_factory.mktemp("production") / "venv"
    python = str(folder / "bin/python")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "-r", "requirements.txt"]
    subprocess.run(command, cwd=ROOT, check=True)
    without = subprocess.run([python, "-c", "import pip"], capture_output=True, text=True, check=False)
    assert "No module named 'pip'" in without.stderr
    return folder / "bin"


@contextmanager
def limited_server(folder: Path) -> Iterator[config.Settings]:
    """A server like ToolsDB: 20 connections, and a database that migrate.py has to create."""
    with servers.mariadb(folder, f"--max-connections={CONNECTIONS}") as server:
        yield config.Settings.from_env(server)


def guide(server: config.Settings, sandbox: Sandbox, app: str, cache: Path) -> dict[str, str]:
    """Return the variables of how-to-run-it.md and of the platform, with values for the sandbox, and its address."""
    wiki = sandbox_environment.variables(sandbox.base, app)
    own = {"WIKIVISAGE_PROXIES": "1", "WIKIVISAGE_CACHE_DIR": str(cache)}
    named = {name: (wiki | own)[name] for name in deployment.toolforge_variables()}
    endpoints = {name: value for name, value in wiki.items() if value.startswith(sandbox.base)}
    elsewhere = endpoints | {"WIKIVISAGE_MEDIA_HOSTS": wiki["WIKIVISAGE_MEDIA_HOSTS"]}
    platform = {name: servers.variables(server)[name] for name in servers.OWN_DATABASE}
    return named | elsewhere | platform


class Memory:
    """Peak memory of processes and their children in MB by name: private memory plus their part of shared memory."""

    def __init__(self, watched: dict[str, int]) -> None:
        self._watched = watched
        self._end = threading.Event()
        self.most: dict[str, float] = dict.fromkeys(watched, 0.0)
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            for name, pid in self._watched.items():
                self.most[name] = max(self.most[name], sum(map(processes.megabytes, processes.family(pid))))


def check(app: str, sandbox: str, trusted: Path) -> subprocess.CompletedProcess[str]:
    """Run the main job over HTTP, as the demo's check does."""
    command = [sys.executable, "-m", "sandbox.check", "--app", app, "--sandbox", sandbox]
    env = servers.environment() | {"REQUESTS_CA_BUNDLE": str(trusted)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.full
@pytest.mark.integration
@pytest.mark.timeout(SECONDS)
@pytest.mark.skipif(not processes.known(), reason="memory is measured by Linux's /proc")
def test_toolforge_installation_does_the_main_job(
    production: Path, running_sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    inside, outside = servers.free_port(), servers.free_port()
    app = f"https://localhost:{outside}"
    both = https_front.certificate(tmp_path / "both.pem")
    started = deployment.procfile(str(inside))
    with ExitStack() as stack:
        server = stack.enter_context(limited_server(tmp_path / "mariadb"))
        env = servers.environment(TMPDIR=str(tmp_path)) | guide(server, running_sandbox, app, tmp_path / "cache")
        env |= {"PATH": f"{production}:{env['PATH']}", "PORT": str(inside)}

        def run(name: str) -> servers.Process:
            command = [str(production / started[name].words[0]), *started[name].words[1:]]
            return stack.enter_context(servers.running(command, env, tmp_path / f"{name}.log"))

        migrate = run("migrate")
        assert migrate.popen.wait(PATIENCE) == 0, migrate.output()
        running = {"web": run("web")}
        servers.wait_for_http(f"http://127.0.0.1:{inside}/health", running["web"])
        stack.enter_context(https_front.https(outside, inside, both))
        running |= {job["command"]: run(job["command"]) for job in deployment.jobs()}
        with Memory({name: process.pid for name, process in running.items()}) as memory:
            done = check(app, running_sandbox.base, both)
        healthy = [
            subprocess.run(
                shlex.split(job["health-check-script"]), cwd=ROOT, env=env, capture_output=True, text=True, check=False
            )
            for job in deployment.jobs()
        ]
        with closing(Database(server, size=1)) as database, database.transaction() as db:
            detectors = db.column("SELECT DISTINCT detector FROM files WHERE state = 'searched'")
            encoders = db.column("SELECT DISTINCT encoder FROM faces WHERE state = 'encoded'")
        outputs = {job["command"]: running[job["command"]].output() for job in deployment.jobs()}
        logs = "".join(process.output() for process in running.values())
    with capsys.disabled():
        print(
            "\n" + done.stdout,
            *(each.stdout for each in healthy),
            {name: f"{most:.0f} MB" for name, most in memory.most.items()},
        )
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert [each.returncode for each in healthy] == [0, 0]
    assert detectors == [DETECTOR_VERSIONS[HOG_CENTERFACE]]
    assert encoders == [ENCODER_VERSIONS[SFACE]]
    ready = ", ".join(f"{network.name} ready" for network in weights.wanted(SearchSettings()))
    assert all(f"networks: {ready}\n" in log for log in outputs.values()), outputs
    assert all(each.stdout.endswith(f"networks: {ready}\n") for each in healthy), [each.stdout for each in healthy]
    assert 0 < memory.most.pop("web") < MEMORY_OF_WEB
    assert all(0 < most < MEMORY_OF_WORKER for most in memory.most.values())
