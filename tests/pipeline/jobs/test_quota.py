"""The number of children by CPU quota and memory limit, with simulated control groups of versions 1 and 2."""

import logging
from pathlib import Path

import pytest

from pipeline.jobs import quota
from pipeline.jobs.quota import CHILD_BYTES, LARGE_PICTURE_BYTES, MIB, WORKER_BYTES, Limits, fitting, limits

FOR_ONE = WORKER_BYTES + LARGE_PICTURE_BYTES + CHILD_BYTES
NO_LIMIT_IN_VERSION_1 = "9223372036854771712\n"


def tree(root: Path, memberships: str, **files: str) -> Path:
    """Create control group files of a process: `memberships` is its /proc/self/cgroup, `files` maps paths to texts."""
    written = {"proc/self/cgroup": memberships} | files
    for name, text in written.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def version_2(root: Path, path: str = "/", **of_folders: dict[str, str]) -> Path:
    """Create a version 2 hierarchy; `of_folders`: the files of each folder below the mount; `top`: of the mount."""
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
def test_cpu_quota_limits_the_children(tmp_path: Path, cpu_max: str, cpus: float | None, children: int):
    found = limits(version_2(tmp_path, top={"cpu.max": cpu_max}))
    assert found == Limits(cpus, None)
    assert fitting(64, found)[0] == children


def test_reason_for_the_number_of_children_is_given():
    count, why = fitting(64, Limits(2.0, FOR_ONE + 8 * CHILD_BYTES))
    assert count == 2
    assert (
        why == f"2 detector children: CPU quota 2, memory for 9 in {(FOR_ONE + 8 * CHILD_BYTES) // MIB} MiB, 64 cores"
    )
    assert fitting(1, Limits())[1] == "1 detector child: 1 core"
    assert fitting(4, Limits(), 3) == (3, "3 detector children: 3 by WIKIVISAGE_DETECTOR_CHILDREN, 4 cores")


@pytest.mark.parametrize(("memory", "children"), [(FOR_ONE, 1), (FOR_ONE + CHILD_BYTES, 2), (FOR_ONE // 4, 1)])
def test_memory_limits_the_children_but_leaves_at_least_one(tmp_path: Path, memory: int, children: int):
    found = limits(version_2(tmp_path, top={"memory.max": f"{memory}\n"}))
    assert found.memory == memory
    assert fitting(64, found)[0] == children


def test_setting_can_only_reduce_the_number_of_children():
    assert fitting(4, Limits(2.0), asked=1)[0] == 1
    assert fitting(4, Limits(2.0), asked=8)[0] == 2


def test_lowest_limit_of_nested_groups_is_used(tmp_path: Path):
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


def test_limits_of_the_mount_are_used_if_the_path_of_the_group_is_not_visible(tmp_path: Path):
    root = version_2(tmp_path, "/kubepods/pod1", top={"cpu.max": "200000 100000\n", "memory.max": "3221225472\n"})
    assert limits(root) == Limits(2.0, 3 * 1024 * MIB)


@pytest.mark.parametrize("mounted", ["cpu,cpuacct", "cpu"])
def test_limits_of_version_1_are_read(tmp_path: Path, mounted: str):
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


def test_version_1_without_limits_sets_none(tmp_path: Path):
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


def test_no_limit_is_set_without_control_groups(tmp_path: Path):
    assert limits(tmp_path) == Limits()
    assert limits(version_2(tmp_path)) == Limits()


@pytest.mark.parametrize(
    "text",
    ["", "many 100000", "100000", "100000 0", "-1 100000", "0 100000", "1 2 3"],
    ids=lambda text: text or "empty",
)
def test_unreadable_quota_is_ignored_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str):
    root = version_2(tmp_path, top={"cpu.max": text, "memory.max": "lots"})
    with caplog.at_level(logging.WARNING, quota.__name__):
        assert limits(root) == Limits()
    assert "cpu.max cannot be read and is ignored" in caplog.text
    assert "memory.max cannot be read and is ignored" in caplog.text


def test_malformed_lines_are_skipped(tmp_path: Path):
    root = version_2(tmp_path, top={"cpu.max": "100000 100000"})
    (root / "proc/self/cgroup").write_text("nonsense\n\n0::/\n")
    assert limits(root).cpus == 1.0


def test_quota_of_the_current_process_can_be_read():
    assert fitting(1, limits())[0] == 1
