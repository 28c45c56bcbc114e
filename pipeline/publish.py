"""The stage that writes a user's approved edits to Commons, one at a time, and reports only what it has read back.

The ledger's row, with a statement id of ours, is committed before the request; whatever happens then, the next look at the
wiki tells whether it was stored. What cannot be written now waits; what cannot be written at all is reported with its reason.
"""

import logging
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from database import Connection
from pipeline.authorization import Authorization, SignInNeeded
from pipeline.outcome import Done, Failed, Outcome, Waiting, of_wiki
from pipeline.tools import Tools
from pipeline.verdicts import Leave, Write, decide, position, surplus
from store import batches, edits, files, tasks
from store.edits import Edit
from store.tasks import Task
from wiki import depicts, history
from wiki.client import BATCH, backoff
from wiki.depicts import Entity, Written
from wiki.errors import AuthorizationLost, GiveUp, Reread, RetryWithNewToken, StopBatch, Wait, WikiError
from wiki.files import FileInfo, MissingFile, image_info

log = logging.getLogger(__name__)

MOST_TRIES = 6  # requests for one edit in one go; then the others have their turn
LATER_SECONDS = 120.0  # when an edit that had its tries comes again
BUSY_SECONDS = 3.0  # when another project's edit of the same file is out
LONGEST_WAIT_HERE = 60.0  # what the wiki asks for beyond this is waited for without holding the claim
SPARE_SHARE = 0.9  # of the account's rate limit, so that the volunteer can still edit by hand


def run(task: Task, tools: Tools) -> Outcome:
    """Send what the user's running batches hold."""
    sender = Sender(task, tools)
    try:
        outcome = sender.work()
    except SignInNeeded:
        return sender.pause("sign_in")
    except AuthorizationLost as error:
        return sender.pause("sign_in" if error.refreshable else error.reason.value)
    except StopBatch as error:
        log.warning("batches paused", extra={"user": task.subject_id, "reason": error.reason.value, "code": error.code})
        return sender.pause(error.reason.value)
    except Wait as error:
        sender.tell_waiting(error.seconds, error)
        return of_wiki(error, task.attempts)
    except WikiError as error:
        outcome = of_wiki(error, task.attempts)
        if isinstance(outcome, Failed):  # without a pause nobody would know that nothing goes on
            return sender.pause(error.reason.value)
        return outcome
    tools.run(lambda db: batches.finish_empty(db, task.subject_id))
    return outcome


class Sender:
    """One run of one user's sending."""

    def __init__(self, task: Task, tools: Tools) -> None:
        self._task = task
        self._tools = tools
        self._user_id = task.subject_id
        self._authorization = Authorization(tools, self._user_id)
        self._name = ""
        self._limit: tuple[int, float] | None = None
        self._sent: deque[float] = deque()  # when the last edits went out, for the rate limit
        self._unverified: list[Edit] = []  # written in the last round, to be read back with the next
        self._hexes: dict[int, tuple[str, str]] = {}  # batch -> (hex, label)

    def work(self) -> Outcome:
        """Round after round of up to 50 edits, read together and written one by one."""
        checked = False
        while not self._tools.stop.is_set():
            todo = self._tools.run(lambda db: edits.next_open(db, self._user_id, BATCH))
            if not todo:
                if self._unverified:
                    self._round([])
                due = self._tools.run(lambda db: edits.due_in(db, self._user_id))
                return Done() if due is None else Done(again_in=max(0.2, due))
            if not checked:
                self._check_account()
                checked = True
            self._round(todo)
        return Waiting()

    def pause(self, reason: str) -> Outcome:
        """Pause the user's batches until somebody mends the reason."""
        self._tools.run(lambda db: batches.pause_all(db, self._user_id, reason))
        return Done()

    def tell_waiting(self, seconds: float | None, error: Wait | None = None) -> None:
        """Let the pages say what holds the batches up."""
        why, lag = (error.reason.value, error.lag) if error else (None, None)
        self._tools.run(lambda db: batches.waiting(db, self._user_id, seconds, why, lag))

    def _check_account(self) -> None:
        info = self._authorization.check_account()
        self._name = info.name
        if info.edit_limit:
            hits, seconds = info.edit_limit
            self._limit = (max(1, int(hits * SPARE_SHARE)), float(seconds))

    def _round(self, todo: list[Edit]) -> None:
        pages = sorted({edit.page_id for edit in [*todo, *self._unverified]})
        entities = depicts.read_statements(self._tools.wiki, pages)
        self._notice_reverts(entities)
        infos = image_info(self._tools.wiki, [edit.page_id for edit in todo])
        self._learn_labels(todo)
        for edit in todo:
            if self._tools.stop.is_set():
                return
            entity = self._edit(edit, entities[edit.page_id], infos.get(edit.page_id))
            entities[edit.page_id] = entity

    def _notice_reverts(self, entities: Mapping[int, Entity]) -> None:
        """Read back what was written in the round before; statements that somebody took back are not sent again."""
        gone = [edit for edit in self._unverified if not depicts.ours(entities[edit.page_id], edit.statement_id or "")]
        self._unverified.clear()
        if not gone:
            return

        def note(db: Connection) -> None:
            edits.reverted(db, [edit.id for edit in gone])
            for batch_id in {edit.batch_id for edit in gone}:
                batches.pause_reverted(db, batch_id)

        self._tools.run(note)

    def _learn_labels(self, todo: list[Edit]) -> None:
        new = {edit.batch_id: edit.project_id for edit in todo if edit.batch_id not in self._hexes}
        known = self._tools.run(lambda db: [batches.get(db, batch_id, project) for batch_id, project in new.items()])
        self._hexes |= {batch.id: (batch.hex, batch.label) for batch in known}

    def _edit(self, edit: Edit, entity: Entity, file: FileInfo | MissingFile | None) -> Entity:
        """Settle one edit, or put it back; returns the entity as last seen."""
        # The request of a dead worker, or one whose outcome was never learnt: what was read just now is newer than it.
        if edit.state == "sending" and self._taken_back_meanwhile(edit, entity):
            return self._leave(edit, entity, Leave("reverted"))
        for attempt in range(1, MOST_TRIES + 1):
            verdict = decide(edit, entity, file)
            if isinstance(verdict, Leave):
                return self._leave(edit, entity, verdict)
            if not self._wanted(edit):
                return entity
            edit = _about_to_send(edit, verdict)
            if not self._begin(edit):
                return entity
            entity, settled = self._attempt(edit, entity, verdict, attempt)
            if settled:
                return entity
        self._put_back(edit, LATER_SECONDS, "tried_often")
        return entity

    def _attempt(self, edit: Edit, entity: Entity, verdict: Write, attempt: int) -> tuple[Entity, bool]:
        """One request; returns the entity as last seen, and whether the edit is settled or put back."""
        try:
            return self._wrote(edit, entity, self._send(edit, verdict)), True
        except Reread as error:
            self._pause_for(error.seconds)
            entity = self._read(edit)
            if self._taken_back_meanwhile(edit, entity):
                return self._leave(edit, entity, Leave("reverted")), True
            return entity, False
        except RetryWithNewToken:
            self._authorization.new_csrf()
            return entity, False
        except Wait as error:
            return entity, not self._wait(edit, error, attempt)
        except GiveUp as error:
            self._fail(edit, error)
            return entity, True
        except AuthorizationLost as error:
            self._put_back(edit, 0.0)
            if not error.refreshable:
                raise
            self._authorization.renew()
            return entity, False
        except (SignInNeeded, WikiError):
            self._put_back(edit, 0.0)  # known not to be written
            raise

    def _wanted(self, edit: Edit) -> bool:
        """Look once more, right before sending, whether a human still wants it."""
        wanted = self._tools.run(lambda db: edits.still_wanted(db, edit))
        if wanted == "yes":
            return True
        if wanted == "overwritten":
            self._settle(edit, Leave("skipped", "overwritten"))
            self._look_again(edit)
        elif wanted in {"paused", "done"}:
            self._put_back(edit, 0.0)
        else:
            self._tools.run(lambda db: edits.cancel(db, self._task, edit, wanted))
        return False

    def _begin(self, edit: Edit) -> bool:
        begun = self._tools.run(lambda db: edits.begin(db, self._task, edit, self._tools.worker))
        if not begun:
            self._put_back(edit, BUSY_SECONDS, "file_busy")
        return begun

    def _send(self, edit: Edit, verdict: Write) -> Written:
        self._pace()
        hex_, label = self._hexes[edit.batch_id]
        words = depicts.summary(depicts.summary_words(edit.action, edit.item, label), hex_)
        bearer, csrf = self._authorization.bearer(), self._authorization.csrf()
        wiki = self._tools.wiki
        self._sent.append(self._tools.clock())
        if edit.action == "add":
            assert edit.statement_id is not None
            rank = "preferred" if edit.prominent else "normal"
            return depicts.add_statement(
                wiki,
                bearer,
                csrf,
                edit.page_id,
                edit.item,
                edit.statement_id,
                verdict.base_revision,
                words,
                box=position(edit),
                rank=rank,
            )
        assert verdict.statement_id is not None
        if edit.action == "remove":
            return depicts.remove_statement(wiki, bearer, csrf, verdict.statement_id, verdict.base_revision, words)
        box = position(edit)
        assert box is not None
        return depicts.add_qualifier(wiki, bearer, csrf, verdict.statement_id, box, verdict.base_revision, words)

    def _wrote(self, edit: Edit, entity: Entity, written: Written) -> Entity:
        if written.patched:  # somebody else wrote at the same time, and the answer does not show what is stored
            entity = self._read(edit)
            verdict = decide(edit, entity, None)
            return self._leave(edit, entity, verdict if isinstance(verdict, Leave) else Leave("reverted"))
        state: Literal["already", "done"] = "already" if written.nothing and edit.action != "add" else "done"
        return self._leave(
            edit, entity, Leave(state, statement_id=edit.statement_id, revision=written.revision or None)
        )

    def _leave(self, edit: Edit, entity: Entity, leave: Leave) -> Entity:
        extra = surplus(edit, entity) if leave.state == "done" else None
        if extra is not None:
            return self._remove_surplus(edit, entity, extra.id)
        self._settle(edit, leave)
        if leave.state == "skipped" and edit.action == "add":
            self._look_again(edit)
        return entity

    def _remove_surplus(self, edit: Edit, entity: Entity, statement_id: str) -> Entity:
        """Take back our copy of a value that somebody wrote at the same time; the edit is settled when that is done."""
        for attempt in range(1, MOST_TRIES + 1):
            try:
                self._request_removal(edit, entity, statement_id)
            except RetryWithNewToken:
                self._authorization.new_csrf()
            except Wait as error:
                if not self._wait(edit, error, attempt):
                    return entity
            except Reread as error:
                self._pause_for(error.seconds)
            entity = self._read(edit)
            if surplus(edit, entity) is None:
                stated = depicts.stating(entity, edit.item)
                own = stated[0].id if stated else None
                self._settle(edit, Leave("done" if own == statement_id else "already", statement_id=own))
                return entity
        self._put_back(edit, LATER_SECONDS, "tried_often")
        return entity

    def _request_removal(self, edit: Edit, entity: Entity, statement_id: str) -> None:
        hex_, label = self._hexes[edit.batch_id]
        words = depicts.summary(f"removing a duplicate of [[d:{edit.item}|{label}]]", hex_)
        self._pace()
        self._authorization.call(
            lambda bearer: depicts.remove_statement(
                self._tools.wiki, bearer, self._authorization.csrf(), statement_id, entity.last_revision, words
            )
        )

    def _taken_back_meanwhile(self, edit: Edit, entity: Entity) -> bool:
        """Whether an addition was stored and then removed by somebody: it must not be brought back by a repeat."""
        if edit.action != "add" or not edit.statement_id or edit.base_revision is None:
            return False
        if depicts.ours(entity, edit.statement_id) or entity.last_revision == edit.base_revision or not entity.exists:
            return False
        hex_, _ = self._hexes[edit.batch_id]
        return bool(history.written_since(self._tools.wiki, edit.page_id, edit.base_revision, self._name, hex_))

    def _settle(self, edit: Edit, leave: Leave) -> None:
        self._tools.run(
            lambda db: edits.settle(
                db,
                self._task,
                edit,
                leave.state,
                revision=leave.revision,
                statement_id=leave.statement_id,
                error=leave.reason,
            )
        )
        if edit.action == "add" and leave.state == "done":
            self._unverified.append(replace(edit, statement_id=leave.statement_id or edit.statement_id))

    def _look_again(self, edit: Edit) -> None:
        """The file is not what was approved any more: it is searched anew, which suspends what was said of the old bytes."""
        self._tools.run(lambda db: files.search_again(db, [edit.page_id]))

    def _fail(self, edit: Edit, error: GiveUp) -> None:
        detail = ": ".join(part for part in (error.code, error.text) if part)
        self._tools.run(
            lambda db: edits.settle(db, self._task, edit, "failed", error=error.reason.value, detail=detail)
        )

    def _put_back(self, edit: Edit, seconds: float, reason: str | None = None) -> None:
        self._tools.run(lambda db: edits.put_back(db, self._task, edit, seconds, error=reason))

    def _read(self, edit: Edit) -> Entity:
        return depicts.read_statements(self._tools.wiki, [edit.page_id])[edit.page_id]

    def _wait(self, edit: Edit, error: Wait, attempt: int) -> bool:
        """Wait as long as the wiki wants; False (and the edit put back) where that is too long to hold the claim."""
        seconds = error.seconds if error.asked else backoff(attempt, self._tools.rng, error.seconds) + error.seconds
        if seconds > LONGEST_WAIT_HERE:
            self._put_back(edit, 0.0, error.reason.value)
            raise Wait(error.reason, error.code, error.text, seconds=seconds, asked=True, lag=error.lag)
        self.tell_waiting(seconds, error)
        self._pause_for(seconds)
        self.tell_waiting(None)
        return True

    def _pace(self) -> None:
        """Keep under the account's own rate limit."""
        if self._limit is None:
            return
        hits, seconds = self._limit
        while len(self._sent) >= hits:
            wait = self._sent[0] + seconds - self._tools.clock()
            if wait <= 0:
                self._sent.popleft()
            else:
                self._pause_for(wait)

    def _pause_for(self, seconds: float) -> None:
        """Wait, keeping the claim alive; raises Stopped when the worker is to end."""
        left = seconds
        while left > 0:
            if self._tools.stop.wait(min(left, 30.0)):
                break
            left -= 30.0
            self._tools.run(lambda db: tasks.hold(db, self._task))
        self._tools.check()


def _about_to_send(edit: Edit, verdict: Write) -> Edit:
    """The row as it stands while its request is out. An addition that has no statement id yet gets a new random one."""
    statement_id = verdict.statement_id or edit.statement_id or depicts.new_statement_id(edit.page_id, uuid.uuid4())
    return replace(edit, state="sending", statement_id=statement_id, base_revision=verdict.base_revision)
