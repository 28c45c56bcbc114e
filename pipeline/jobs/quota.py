"""Number of detector processes that fit into the CPU and memory limits of this process.

The limits are those of Linux control groups (cgroups, version 2 and 1), which containers set. A process in a pod sees
all cores of its node: `os.cpu_count`, `os.process_cpu_count` and the CPU affinity ignore the quota. `cpu_count` of
loky reads it, but rounds up, reads no memory limit and no nested groups, and fails on a file that it cannot parse.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

Number = TypeVar("Number", int, float)

MIB = 1024 * 1024
# Measured by bench/memory.py (see bench/RESULTS.md), with a margin. WORKER_BYTES: the worker's process while it runs
# the model of a project of 9,000 files, with 100 MB of pictures that wait. CHILD_BYTES: one child.
# LARGE_PICTURE_BYTES: what the largest picture adds to a child.
WORKER_BYTES = 300 * MIB
CHILD_BYTES = 200 * MIB
LARGE_PICTURE_BYTES = 900 * MIB
UNLIMITED_BYTES = 1 << 60  # version 1 represents "no limit" by a number near 2^63


@dataclass(frozen=True)
class Limits:
    """The strictest limits that apply to this process, in cores and bytes; None: no limit."""

    cpus: float | None = None
    memory: int | None = None


def limits(root: Path = Path("/")) -> Limits:
    """Read the limits of the control groups of this process. `root`: the folder that holds `proc` and `sys`."""
    cpus: list[float | None] = []
    memory: list[int | None] = []
    for folder in _groups(root, ""):
        cpus.append(_read(folder / "cpu.max", _cpu_max))
        memory.append(_read(folder / "memory.max", _memory))
    for folder in _groups(root, "cpu"):
        quota, period = (_read(folder / f"cpu.cfs_{name}_us", int) for name in ("quota", "period"))
        cpus.append(quota / period if quota and quota > 0 and period and period > 0 else None)
    for folder in _groups(root, "memory"):
        memory.append(_read(folder / "memory.limit_in_bytes", _memory))
    return Limits(_least(cpus), _least(memory))


def fitting(cores: int, found: Limits, asked: int = 0) -> tuple[int, str]:
    """Return the number of children, at least one, and the reason in words. `asked`: their maximum, 0 for none."""
    bounds = {f"{cores} core{'s' if cores > 1 else ''}": cores}
    if asked:
        bounds[f"{asked} by WIKIVISAGE_DETECTOR_CHILDREN"] = asked
    if found.cpus is not None:
        bounds[f"CPU quota {found.cpus:g}"] = int(found.cpus)
    if found.memory is not None:
        most = _by_memory(found.memory)
        bounds[f"memory for {most} in {found.memory // MIB} MiB"] = most
    words = sorted(bounds, key=lambda word: bounds[word])
    count = max(1, min(bounds.values()))
    return count, f"{count} detector child{'ren' if count > 1 else ''}: {', '.join(words)}"


def _by_memory(limit: int) -> int:
    """Return how many children fit into `limit` bytes, with room for one large picture at a time, as these are rare."""
    return max(0, limit - WORKER_BYTES - LARGE_PICTURE_BYTES) // CHILD_BYTES


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of its parents. `controller`: of version 1; empty for version 2.

    In a container the path of the group may name folders that only the host sees; the container's limits are then in
    the topmost mounted folder. Folders that do not exist set no limit.
    """
    for names, path in _memberships(root):
        if controller not in names.split(","):
            continue
        for mounted in dict.fromkeys((names, controller)):
            folder = root / "sys/fs/cgroup" / mounted
            yield folder
            for part in Path(path.lstrip("/")).parts:
                folder /= part
                yield folder


def _memberships(root: Path) -> list[tuple[str, str]]:
    """Return (controllers, path) of each line of /proc/self/cgroup; the controllers are empty for version 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(part[1], part[2]) for part in parts if len(part) == 3]


def _read(path: Path, parse: Callable[[str], Number | None]) -> Number | None:
    """Return the limit in a file; None without a file, or with one that cannot be parsed, which is logged."""
    try:
        return parse(path.read_text().strip())
    except OSError:
        return None
    except (ValueError, ZeroDivisionError) as error:
        log.warning("the limit in %s cannot be read and is ignored: %s", path, error)
        return None


def _cpu_max(text: str) -> float | None:
    """Parse `cpu.max` of version 2, quota and period in microseconds. Raises ValueError, ZeroDivisionError."""
    quota, period = text.split()
    if quota == "max":
        return None
    if int(quota) <= 0:
        raise ValueError(f"the quota is {quota}")
    return int(quota) / int(period)


def _memory(text: str) -> int | None:
    """Parse a memory limit in bytes. Raises ValueError."""
    if text in ("max", "-1"):
        return None
    limit = int(text)
    if limit < 0:
        raise ValueError(f"the limit is {limit}")
    return limit if limit < UNLIMITED_BYTES else None


def _least(values: list[Number | None]) -> Number | None:
    return min((value for value in values if value is not None), default=None)
