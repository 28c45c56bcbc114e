"""Write the copies in this folder again, and add copies of further cases: python -m tests.recordings [CASE ...]."""

import sys

from tests.recordings import COPIES, ORIGINALS, named
from tests.recordings.reduction import reduced, written


def main(further: list[str]) -> None:
    """Write the copy of each case that has one, and of those in `further`."""
    originals = named(ORIGINALS)
    for case in sorted({*named(COPIES), *further}):
        copy = COPIES / f"{case}.json"
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(written(reduced(case, originals[case].read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
