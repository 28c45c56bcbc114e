"""Run the scripts' unit tests with node's test runner; the browser tests use the same scripts on real pages."""

import re
import subprocess

import pytest
from playwright._impl._driver import compute_driver_executable

from testing import servers


@pytest.mark.timeout(120)
def test_javascript_unit_tests_pass():
    node, _ = compute_driver_executable()  # Playwright contains its own node.
    command = [node, "--no-warnings", "--test", "--test-reporter=tap", "tests/js/"]
    done = subprocess.run(command, cwd=servers.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE), done.stdout
    assert "# fail 0" in done.stdout
