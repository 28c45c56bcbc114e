"""Errors of a search. Each message is a sentence for volunteers."""

from __future__ import annotations


class SearchError(Exception):
    """The picture was not searched. `lasting`: another attempt with the same bytes would fail in the same way."""

    lasting = False

    @property
    def reason(self) -> str:
        return str(self)


class ImageError(SearchError):
    """The file itself cannot be searched: broken, too large, or no photograph."""

    lasting = True


class SearchTimedOut(SearchError):
    """The search of this picture exceeded its time limit."""


class SearchCrashed(SearchError):
    """The process that searched this picture ended or raised an unexpected error."""


class NotTaken(SearchCrashed):
    """The process ended before it accepted the picture, which is not the cause: another process may search it."""


class DetectorUnavailable(SearchError):
    """No search process can be started. The picture is not the cause: skip the whole batch."""


class PoolStopped(SearchError):
    """The pool was stopped before this picture was done."""
