"""CPU time and memory of a process tree, read from Linux's /proc; zero on other systems."""

from pathlib import Path


def known() -> bool:
    """Return whether this system has the /proc files that are read here."""
    return Path("/proc/self/smaps_rollup").exists()


def family(pid: int) -> list[int]:
    """Return the process ids of a process and all its living descendants."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, _read(path).split())
    return found


def megabytes(pid: int) -> float:
    """Return the proportional set size (PSS) of the process in MB: its private memory and its part of what is shared."""
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def busy_ms(pid: int) -> float:
    """Return the CPU time of the process's living threads in milliseconds. Waiting for a core is not included."""
    spent = (_read(path).split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(words[0]) for words in spent if words) / 1e6


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # The process has ended meanwhile.
        return ""
