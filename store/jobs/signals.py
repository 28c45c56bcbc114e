"""The one-row signal that wakes workers, which share nothing but the database with the web processes."""

from database import Connection


def wake(db: Connection) -> None:
    """Wake waiting workers when this transaction commits."""
    db.at_the_end("UPDATE signals SET counter = counter + 1 WHERE id = 1")


def read(db: Connection) -> int:
    """Return the signal's counter, which every committed wake() raises."""
    return int(db.value("SELECT counter FROM signals WHERE id = 1") or 0)
