"""The scripts' own tests, by node's test runner; the browser tests try the same scripts on real pages."""

import re
import subprocess

import pytest
from playwright._impl._driver import compute_driver_executable

from testing import servers


@pytest.mark.timeout(120)
def test_the_scripts_pass_their_own_tests():
    node, _ = compute_driver_executable()  # Playwright brings a node of its own
    command = [node, "--no-warnings", "--test", "--test-reporter=tap", "tests/js/"]
    done = subprocess.run(command, cwd=servers.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE), done.stdout
    assert "# fail 0" in done.stdout
