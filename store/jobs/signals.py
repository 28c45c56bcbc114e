"""The one-row signal that wakes workers: the database is all that they share with the web."""

from database import Connection


def wake(db: Connection) -> None:
    """Tell waiting workers that there is something to do, once this transaction is through."""
    db.at_the_end("UPDATE signals SET counter = counter + 1 WHERE id = 1")


def read(db: Connection) -> int:
    """The signal's counter; it has changed when somebody called wake()."""
    return int(db.value("SELECT counter FROM signals WHERE id = 1") or 0)
