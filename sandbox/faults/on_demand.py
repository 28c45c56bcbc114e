"""A queue of injected faults, which each layer queries at its own point of a request."""

import random
import re
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.faults.hostile import SPOILERS

POINTS = {
    "slow": "delay",
    "too_many_requests": "request",
    "unavailable": "request",
    "html": "request",
    "drop_before": "request",
    "drop_after": "answer",
    "slow_after": "delay_answer",
    "truncate": "answer",
    "cut_short": "answer",
    "corrupt": "answer",
    "authorization": "authorization",
    "badtoken": "token",
    "readonly": "readonly",
    "maxlag": "maxlag",
    "blocked": "permission",
    "protected": "permission",
    "no_right": "permission",
    "ratelimited": "save",
    "abusefilter_disallowed": "save",
    "abusefilter_warning": "save",
    "editconflict": "save",
    "lost_race": "save",
    "internal_error": "save",
    "refresh": "refresh",
    **dict.fromkeys(SPOILERS, "answer"),
}
"""Kind of fault -> point of a request at which it is injected."""

MATCHES = ("path", "action", "module", "title", "user", "method")


class BadFault(ValueError):
    """The description of a fault is invalid; the text names the wrong field."""


@dataclass
class Fault:
    """A pending fault.

    It is injected into matching requests: the first `skip` of them are spared, then it is injected `count` times (None:
    until it is cleared), each time with the given probability.

    `seconds`: length of a delay. `retry_after`: the header Retry-After. `status`: HTTP status of `unavailable`. `lag`:
    seconds reported by `maxlag`. `reason`: text of a block, filter or read-only mode. `to`: target of `redirect`.
    `struck`: number of injections so far.
    """

    id: int
    kind: str
    match: dict[str, str] = field(default_factory=dict)
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seconds: float = 1.0
    retry_after: str | None = None
    status: int = 503
    lag: float = 7.4
    lag_type: str = "db"
    reason: str = ""
    to: str = "http://elsewhere.invalid/"
    struck: int = 0

    def fits(self, facts: dict[str, str]) -> bool:
        """Return whether every pattern of `match`, a regular expression, is found in the request's property."""
        return all(re.search(pattern, facts.get(name, "")) for name, pattern in self.match.items())


@dataclass
class Faults:
    """The pending faults, oldest first; `struck` counts the injections by kind."""

    waiting: list[Fault] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    warned: set[str] = field(default_factory=set)
    _next: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, given: dict[str, Any]) -> Fault:
        """Queue a fault given as JSON. Raises BadFault."""
        match = given.get("match") or {}
        if given.get("kind") not in POINTS:
            raise BadFault(f"kind must be one of {', '.join(POINTS)}")
        if not isinstance(match, dict) or set(match) - set(MATCHES):
            raise BadFault(f"match may have {', '.join(MATCHES)}")
        unknown = set(given) - set(Fault.__dataclass_fields__)
        if unknown:
            raise BadFault(f"unknown: {', '.join(sorted(unknown))}")
        try:
            for pattern in match.values():
                re.compile(pattern)
        except (re.error, TypeError) as error:
            raise BadFault(f"match: {error}") from error
        with self._lock:
            fault = Fault(**{**given, "id": self._next})
            fault.retry_after = None if fault.retry_after is None else str(fault.retry_after)
            self._next += 1
            self.waiting.append(fault)
        return fault

    def clear(self, kind: str = "") -> None:
        """Remove all faults, or all of one kind."""
        with self._lock:
            self.waiting = [fault for fault in self.waiting if kind and fault.kind != kind]
            if not kind:
                self.warned.clear()

    def take(self, point: str, facts: dict[str, str]) -> Fault | None:
        """Return the oldest fault to inject into this request at that point, or None; count it as injected."""
        if not self.waiting:
            return None
        with self._lock:
            here = (fault for fault in list(self.waiting) if POINTS[fault.kind] == point)
            return next((fault for fault in here if self._strikes(fault, facts)), None)

    def _strikes(self, fault: Fault, facts: dict[str, str]) -> bool:
        if not fault.fits(facts):
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.probability < 1 and self.dice.random() >= fault.probability:
            return False
        fault.struck += 1
        self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
        if fault.count is not None and fault.struck >= fault.count:
            self.waiting.remove(fault)
        return True

    def as_json(self) -> dict[str, Any]:
        """Return the pending faults and the number of injections by kind."""
        with self._lock:
            return {"waiting": [asdict(fault) for fault in self.waiting], "struck": dict(self.struck)}
