"""Exceptions of the store; the web turns each into an error page, a worker into an outcome of its stage."""


class NotFound(Exception):
    """The object does not exist, or the user may not see it."""


class Gone(Exception):
    """The object existed and was deleted."""


class Stale(Exception):
    """The data on which a request is based has changed since it was shown; `reason` is a key that the pages translate."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLost(Exception):
    """The caller no longer holds the lease; nothing was changed."""
