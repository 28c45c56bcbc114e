"""What a store function can say no with; the web turns each into a page, the worker into an outcome."""


class NotFound(Exception):
    """There is no such thing, or it is not the asker's to see."""


class Gone(Exception):
    """It was there and is deleted."""


class Stale(Exception):
    """What the request builds on has changed since it was shown; `reason` is a key the pages put into words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLost(Exception):
    """The claim of this work is no longer ours: nothing was changed."""
