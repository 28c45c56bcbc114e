"""The table of all routes: the data sent to each, and the expected status for each kind of user."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.web.publishing.support import Case

PEOPLE = ("anonymous", "stranger", "admin", "labeller", "owner")
UUID = "12345678-1234-4234-8234-1234567890ab"
OTHER_UUID = "12345678-1234-4234-8234-1234567890cd"
SIGN_IN = "sign in"  # A page redirects to the sign-in page; a script gets 401.
Body = Callable[[Case], dict[str, Any]]
Expected = int | str


def nothing(_case: Case) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Row:
    """`expected`: the status for each of PEOPLE. `body`: the data sent. `script`: sent by a script, as JSON.

    `foreign`: the status for the owner if the address contains a face, file, batch or user of another project.
    """

    expected: tuple[Expected, ...]
    body: Body = nothing
    script: bool = False
    foreign: int = 404


def everybody(status: int, **more: Any) -> Row:
    return Row((status,) * 5, **more)


def signed_in(status: int, **more: Any) -> Row:
    return Row((SIGN_IN, *(status,) * 4), **more)


def members(status: int = 200, **more: Any) -> Row:
    return Row((SIGN_IN, 404, 404, status, status), **more)


def owners(status: int = 200, **more: Any) -> Row:
    return Row((SIGN_IN, 404, 404, 403, status), **more)


def admins(status: int = 200, **more: Any) -> Row:
    return Row((SIGN_IN, 403, status, 403, 403), **more)


def script(row: Row) -> Row:
    return replace(row, script=True)


def _answer(case: Case) -> dict[str, Any]:
    return {"step": UUID, "face": case.face(1), "page": case.page(1), "answer": "other"}


def _steps(case: Case) -> dict[str, Any]:
    answers = [{"client_id": UUID, "page": case.page(1), "face": case.face(1), "answer": "other"}]
    return {"steps": [{"step": UUID, "answers": answers}]}


def _box(case: Case) -> dict[str, Any]:
    return {"step": UUID, "client_id": OTHER_UUID, "page": case.page(1), "box": [0.1, 0.1, 0.2, 0.2]}


def _box_form(case: Case) -> dict[str, Any]:
    return {"step": UUID, "client_id": OTHER_UUID, "left": "10", "top": "10", "width": "20", "height": "20"}


def _face(case: Case) -> dict[str, Any]:
    return {"faces": [case.face(2)]}


SETTINGS = {"label": "D. A.", "threshold": "0.5", "confirmed": "3", "budget": "50"}

TABLE: dict[str, Row] = {
    "GET account.sign_in_page": everybody(200),
    "GET account.start": everybody(302),
    "GET account.callback": everybody(400),
    "POST account.sign_out": everybody(302),
    "POST account.sign_out_everywhere": signed_in(302),
    "GET account.page": signed_in(200),
    "GET account.data": signed_in(200),
    "GET account.ask_delete": signed_in(200),
    "POST account.delete": signed_in(400),  # without the right name; see tests/web/accounts/test_privacy.py
    "GET admin.page": admins(),
    "POST admin.block": admins(303, body=lambda case: {"item": "Q1", "reason": "objects"}),
    "POST admin.unblock": admins(303),
    "GET batches.page": members(),
    "GET batches.listed": script(members()),
    "GET batches.state": script(members()),
    "GET batches.ask_undo": owners(),
    "POST batches.pause": script(owners()),
    "POST batches.resume": script(owners()),
    "POST batches.stop": script(owners()),
    "POST batches.retry": script(owners()),
    "POST batches.undo": script(owners(body=lambda case: {"all": 1})),
    "GET classify.page": members(),
    "POST classify.answer": members(303, body=_answer),
    "GET classify.questions": script(members()),
    "GET classify.session": script(signed_in(200)),
    "POST classify.save": script(members(body=_steps)),
    "POST classify.box": script(members(body=_box)),
    "GET classify.face": script(members(foreign=200)),  # "gone", as for an unknown id
    "POST classify.undo": script(members()),
    "GET classify.steps": script(members()),
    "POST classify.clear_skips": members(303),
    "GET classify.people": script(members()),
    "GET creation.page": signed_in(200),
    "GET creation.people": signed_in(200),
    "POST creation.submit": signed_in(400),
    "GET dashboard.index": signed_in(200),
    "GET files.page": members(),
    "POST files.answer": members(303, body=lambda case: {"page": case.page(1), "answer": "again"}),
    "GET files.draw": members(),
    "POST files.save": members(303, body=_box_form),
    "GET health.alive": everybody(200),
    "GET health.page": everybody(200),
    "GET health.as_json": everybody(200, script=True),
    "GET leaderboard.index": everybody(200),
    "GET pages.landing": Row((200, 302, 302, 302, 302)),
    "GET pages.privacy": everybody(200),
    "GET pages.help_page": everybody(200),
    "POST pages.preferences": everybody(302),
    "GET pages.manifest": everybody(200),
    "GET pages.favicon": everybody(200),
    "GET pages.robots": everybody(200),
    "GET pictures.chip": members(),
    "GET project.page": members(),
    "GET project.live": script(members()),
    "GET project.numbers": script(members()),
    "POST project.retry": members(302),
    "GET publishing.page": members(),
    "POST publishing.send": script(owners()),
    "POST publishing.again": script(owners(body=lambda case: {"pages": [case.page(0)]})),
    "POST publishing.positions": script(owners()),
    "GET publishing.history": members(),
    "GET publishing.removals": members(),
    "POST publishing.remove": script(owners(body=lambda case: {"pages": [case.page(3)]})),
    "GET publishing.doubted": members(),
    "GET review.page": members(),
    "GET review.grid": script(members()),
    "GET review.listed": script(members()),
    "GET review.face": members(),
    "POST review.approve": script(members(body=_face)),
    "POST review.withdraw": script(members(body=_face)),
    "POST review.reject": script(members(body=_face)),
    "POST review.not_face": script(members(body=_face)),
    "POST review.confirm": script(members(body=_face)),
    "POST review.prominent": script(members(body=_face)),
    "GET settings.page": owners(),
    "POST settings.save": owners(302, body=lambda case: SETTINGS),
    "POST settings.threshold": owners(302, body=lambda case: {"threshold": "0.5"}),
    "POST settings.status": owners(302, body=lambda case: {"status": "paused"}),
    "POST settings.invite": owners(302, body=lambda case: {"name": "Charlie"}),
    "POST settings.remove": owners(302, foreign=302),  # No member is removed, and the response states this.
    "POST settings.leave": members(302),
    "GET settings.ask_delete": owners(),
    "POST settings.delete": owners(302, body=lambda case: {"confirm": "q42"}),
    "GET static": everybody(404),
}
