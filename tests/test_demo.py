"""The main job from end to end with the README's first command: real server, workers, HTTP requests and photographs."""

import os
import re
import subprocess

import pytest

from testing import servers

SECONDS = 1800
SCENES = servers.SHARED / "photos" / "scenes"


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**servers.environment(), **{name: os.environ[name] for name in servers.OWN_DATABASE if name in os.environ}}
    return subprocess.run(
        ["bash", "script/demo", "--check", *arguments],
        cwd=servers.ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


@pytest.mark.integration
@pytest.mark.timeout(SECONDS)
def test_demo_writes_only_correct_statements():
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every approved file states the person exactly once, and nothing else does." in done.stdout
    fetched = dict(
        re.findall(r"^(renderings fetched|originals fetched|of these, wider than 960 px) +(\d+)$", done.stdout, re.M)
    )
    assert int(fetched["renderings fetched"]) > 0
    assert int(fetched["of these, wider than 960 px"]) == 0


@pytest.mark.integration
@pytest.mark.full
@pytest.mark.timeout(SECONDS)
@pytest.mark.skipif(not SCENES.is_dir(), reason=f"no photographs in {SCENES}")
def test_demo_writes_only_correct_statements_with_other_photographs():
    done = check("--photos", str(SCENES), "--person", "roger_federer")
    assert done.returncode == 0, done.stdout + done.stderr
