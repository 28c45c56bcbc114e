"""A wiki with one file that gives recorded responses of a real MediaWiki where a test wants them, else default ones."""

import json
from collections import Counter
from http.server import ThreadingHTTPServer
from typing import Any

from tests.wiki.replay import Replay, Reply, Sent, answered, recorded

PAGE, SHA1, ITEM, SUBJECT = 7, "a" * 40, "Q42", 3
FIRST_REVISION = 100
THEIRS = f"M{PAGE}$99999999-2222-4333-8444-555555555555"


def statement(guid: str, item: str = ITEM) -> dict[str, Any]:
    value = {"entity-type": "item", "id": item}
    return {
        "id": guid,
        "type": "statement",
        "rank": "normal",
        "mainsnak": {
            "snaktype": "value",
            "property": "P180",
            "datavalue": {"type": "wikibase-entityid", "value": value},
        },
    }


class RecordedWiki(Replay):
    """`write`, `account`, `refresh`: the recording for the first such request; empty: a default response.

    `stores`: whether the first write is stored despite its response. `asked`: the number of requests of each kind.
    """

    def __init__(
        self,
        server: ThreadingHTTPServer,
        write: str = "",
        account: str = "",
        refresh: str = "",
        *,
        stores: bool = False,
    ) -> None:
        super().__init__(server, ())
        self.first = {"write": write, "account": account, "refresh": refresh}
        self.stores = stores
        self.stated: list[str] = []
        self.revisions: list[tuple[int, str]] = [(FIRST_REVISION, "")]
        self.asked: Counter[str] = Counter()
        self.writes: list[dict[str, str]] = []

    def take(self, sent: Sent) -> Reply:
        with self._lock:
            self._open += 1
            kind = self._kind(sent)
            self.asked[kind] += 1
            case, self.first[kind] = self.first.get(kind, ""), ""
            return self._recorded(case, kind, sent) if case else self._plain(kind, sent)

    def _kind(self, sent: Sent) -> str:
        params = sent.params
        if sent.path.endswith("access_token"):
            return "refresh"
        if params.get("action", "").startswith("wb") and params["action"] != "wbgetentities":
            self.writes.append(params)
            return "write"
        if "meta" in params:
            return "account" if params["meta"] == "userinfo" else "token"
        return params["action"] if params["action"] == "wbgetentities" else params.get("prop", "")

    def _recorded(self, case: str, kind: str, sent: Sent) -> Reply:
        reply = recorded(case)
        if kind != "write":
            return reply
        if self.stores:
            self._store(sent.params)
        return _with_ours(reply, sent.params)

    def _plain(self, kind: str, sent: Sent) -> Reply:
        if kind == "wbgetentities" and sent.params["ids"].startswith("Q"):
            return answered({"entities": {item: {"id": item} for item in sent.params["ids"].split("|")}, "success": 1})
        if kind == "write":
            return self._store(sent.params)
        answers: dict[str, Any] = {
            "refresh": {"token_type": "Bearer", "expires_in": 14400, "access_token": "new", "refresh_token": "new-r"},
            "account": {"query": {"userinfo": {"id": SUBJECT, "name": "Alice", "rights": ["edit"]}}},
            "token": {"query": {"tokens": {"csrftoken": f"token-{self.asked['token']}+\\"}}},
            "info": {"query": {"pages": [self._page()]}},
            "info|imageinfo": {"query": {"pages": [self._page() | {"imageinfo": [{"sha1": SHA1, "url": "u"}]}]}},
            "revisions": {"query": {"pages": [{"pageid": PAGE, "revisions": self._written()}]}},
            "wbgetentities": {"entities": {f"M{PAGE}": self._entity()}, "success": 1},
        }
        return answered(answers[kind])

    def _page(self) -> dict[str, Any]:
        return {"pageid": PAGE, "ns": 6, "title": "File:7.jpg", "lastrevid": self.revisions[-1][0]}

    def _entity(self) -> dict[str, Any]:
        if not self.stated and len(self.revisions) == 1:
            return {"id": f"M{PAGE}", "missing": ""}
        found = [statement(guid) for guid in self.stated]
        return {"id": f"M{PAGE}", "lastrevid": self.revisions[-1][0], "statements": {"P180": found} if found else []}

    def _written(self) -> list[dict[str, Any]]:
        return [{"revid": number, "user": "Alice", "comment": text} for number, text in reversed(self.revisions[1:])]

    def _store(self, params: dict[str, str]) -> Reply:
        self.revisions.append((self.revisions[-1][0] + 1, params["summary"]))
        number = self.revisions[-1][0]
        if params["action"] == "wbremoveclaims":
            self.stated.remove(params["claim"])
            return answered({"pageinfo": {"lastrevid": number}, "success": 1, "claims": [params["claim"]]})
        (claim,) = json.loads(params["data"])["claims"]
        self.stated.append(claim["id"])
        return answered({"entity": self._entity(), "success": 1})


def _with_ours(reply: Reply, params: dict[str, str]) -> Reply:
    """Adapt a recorded success about another statement to ours: the last statement is the one written."""
    body = json.loads(reply.body) if reply.body.startswith(b"{") else {}
    found = (body.get("entity") or {}).get("statements") or {}
    if not found or params["action"] != "wbeditentity":
        return reply
    (claim,) = json.loads(params["data"])["claims"]
    found["P180"][-1] = statement(claim["id"])
    return Reply(reply.status, reply.headers, json.dumps(body).encode())
