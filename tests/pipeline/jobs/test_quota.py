"""Children by quota: control group files of our own, as version 1 and 2 write them."""

import logging
from pathlib import Path

import pytest

from pipeline.jobs import quota
from pipeline.jobs.quota import CHILD_BYTES, LARGE_PICTURE_BYTES, MIB, WORKER_BYTES, Limits, fitting, limits

FOR_ONE = WORKER_BYTES + LARGE_PICTURE_BYTES + CHILD_BYTES
NO_LIMIT_IN_VERSION_1 = "9223372036854771712\n"


def tree(root: Path, memberships: str, **files: str) -> Path:
    """A file system with the control groups of a process: `memberships` is its /proc/self/cgroup, `files` texts by path."""
    written = {"proc/self/cgroup": memberships} | files
    for name, text in written.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def version_2(root: Path, path: str = "/", **of_folders: dict[str, str]) -> Path:
    """`of_folders`: the files of each folder below the mount; `top` is the mount itself."""
    files = {
        f"sys/fs/cgroup/{'' if folder == 'top' else folder + '/'}{name}": text
        for folder, named in of_folders.items()
        for name, text in named.items()
    }
    return tree(root, f"0::{path}\n", **files)


@pytest.mark.parametrize(
    ("cpu_max", "cpus", "children"),
    [
        ("100000 100000\n", 1.0, 1),
        ("200000 100000\n", 2.0, 2),
        ("150000 100000\n", 1.5, 1),
        ("50000 100000\n", 0.5, 1),
        ("max 100000\n", None, 64),
    ],
)
def test_a_cpu_quota_bounds_the_children(tmp_path: Path, cpu_max: str, cpus: float | None, children: int):
    found = limits(version_2(tmp_path, top={"cpu.max": cpu_max}))
    assert found == Limits(cpus, None)
    assert fitting(64, found)[0] == children


def test_the_reason_is_said():
    count, why = fitting(64, Limits(2.0, FOR_ONE + 8 * CHILD_BYTES))
    assert count == 2
    assert (
        why == f"2 detector children: CPU quota 2, memory for 9 in {(FOR_ONE + 8 * CHILD_BYTES) // MIB} MiB, 64 cores"
    )
    assert fitting(1, Limits())[1] == "1 detector child: 1 core"
    assert fitting(4, Limits(), 3) == (3, "3 detector children: 3 by WIKIVISAGE_DETECTOR_CHILDREN, 4 cores")


@pytest.mark.parametrize(("memory", "children"), [(FOR_ONE, 1), (FOR_ONE + CHILD_BYTES, 2), (FOR_ONE // 4, 1)])
def test_memory_bounds_the_children_and_there_is_always_one(tmp_path: Path, memory: int, children: int):
    found = limits(version_2(tmp_path, top={"memory.max": f"{memory}\n"}))
    assert found.memory == memory
    assert fitting(64, found)[0] == children


def test_the_setting_may_only_lower_the_number():
    assert fitting(4, Limits(2.0), asked=1)[0] == 1
    assert fitting(4, Limits(2.0), asked=8)[0] == 2


def test_the_tightest_of_nested_groups_holds(tmp_path: Path):
    root = version_2(
        tmp_path,
        "/kubepods/pod1/worker",
        **{
            "kubepods": {"cpu.max": "max 100000\n", "memory.max": "8000000000\n"},
            "kubepods/pod1": {"cpu.max": "200000 100000\n", "memory.max": "3000000000\n"},
            "kubepods/pod1/worker": {"cpu.max": "400000 100000\n", "memory.max": "max\n"},
            "kubepods/pod2": {"cpu.max": "10000 100000\n", "memory.max": "1\n"},
        },
    )
    assert limits(root) == Limits(2.0, 3_000_000_000)


def test_a_path_that_only_the_host_sees_leaves_the_limits_of_the_mount(tmp_path: Path):
    root = version_2(tmp_path, "/kubepods/pod1", top={"cpu.max": "200000 100000\n", "memory.max": "3221225472\n"})
    assert limits(root) == Limits(2.0, 3 * 1024 * MIB)


@pytest.mark.parametrize("mounted", ["cpu,cpuacct", "cpu"])
def test_version_1(tmp_path: Path, mounted: str):
    root = tree(
        tmp_path,
        "4:memory:/docker/1\n3:cpuset:/docker/1\n2:cpu,cpuacct:/docker/1\n",
        **{
            f"sys/fs/cgroup/{mounted}/cpu.cfs_quota_us": "-1\n",
            f"sys/fs/cgroup/{mounted}/cpu.cfs_period_us": "100000\n",
            f"sys/fs/cgroup/{mounted}/docker/1/cpu.cfs_quota_us": "200000\n",
            f"sys/fs/cgroup/{mounted}/docker/1/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_IN_VERSION_1,
            "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "3221225472\n",
        },
    )
    assert limits(root) == Limits(2.0, 3 * 1024 * MIB)


def test_version_1_without_limits(tmp_path: Path):
    root = tree(
        tmp_path,
        "4:memory:/\n2:cpu,cpuacct:/\n",
        **{
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_IN_VERSION_1,
        },
    )
    assert limits(root) == Limits()


def test_without_control_groups_there_is_no_limit(tmp_path: Path):
    assert limits(tmp_path) == Limits()
    assert limits(version_2(tmp_path)) == Limits()


@pytest.mark.parametrize(
    "text",
    ["", "many 100000", "100000", "100000 0", "-1 100000", "0 100000", "1 2 3"],
    ids=lambda text: text or "empty",
)
def test_a_quota_that_cannot_be_read_is_ignored_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str):
    root = version_2(tmp_path, top={"cpu.max": text, "memory.max": "lots"})
    with caplog.at_level(logging.WARNING, quota.__name__):
        assert limits(root) == Limits()
    assert "cpu.max cannot be read and is ignored" in caplog.text
    assert "memory.max cannot be read and is ignored" in caplog.text


def test_lines_that_are_none_are_passed_over(tmp_path: Path):
    root = version_2(tmp_path, top={"cpu.max": "100000 100000"})
    (root / "proc/self/cgroup").write_text("nonsense\n\n0::/\n")
    assert limits(root).cpus == 1.0


def test_this_process_can_be_asked():
    assert fitting(1, limits())[0] == 1
