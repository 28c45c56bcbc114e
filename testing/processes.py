"""What a process and its children take, as Linux tells it in /proc; nothing elsewhere."""

from pathlib import Path


def known() -> bool:
    """Whether this system tells."""
    return Path("/proc/self/smaps_rollup").exists()


def family(pid: int) -> list[int]:
    """The process and all below it that run now."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, _read(path).split())
    return found


def megabytes(pid: int) -> float:
    """Memory that the process alone holds, and its part of what it shares (PSS)."""
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def busy_ms(pid: int) -> float:
    """Milliseconds that the threads which run now have spent on a core, ever. Waiting for a core is not in it."""
    spent = (_read(path).split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(words[0]) for words in spent if words) / 1e6


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""
