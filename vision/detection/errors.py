"""Why a picture was not searched. Each message is a sentence a volunteer can read."""

from __future__ import annotations


class SearchError(Exception):
    """The picture was not searched. `lasting` tells whether another try with the same bytes would end the same way."""

    lasting = False

    @property
    def reason(self) -> str:
        return str(self)


class ImageError(SearchError):
    """The file itself cannot be searched: broken, too large, or no photograph."""

    lasting = True


class SearchTimedOut(SearchError):
    """The search of this picture took too long and was broken off."""


class SearchCrashed(SearchError):
    """The process that searched this picture ended, or failed in a way nobody foresaw."""


class NotTaken(SearchCrashed):
    """The process had ended before it took a picture, which is not to blame: another process may have it."""


class DetectorUnavailable(SearchError):
    """No process can be started that searches pictures. It says nothing about the picture: leave the whole batch."""


class PoolStopped(SearchError):
    """The pool was stopped before this picture was done."""
