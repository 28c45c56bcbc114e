"""The publish stage: write a user's approved edits to Commons, one at a time, and read additions back.

The row in the ledger, with a new statement id, is committed before the request is sent. After any fault, reading the
file shows whether the edit was stored. Edits that cannot be written now wait; those that never can be are settled with
a reason.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from database import Connection
from pipeline.jobs.outcome import Done, Failed, Outcome, Waiting, of_wiki
from pipeline.jobs.tools import Tools, Value
from pipeline.projects import stated_depicts
from pipeline.publishing.authorization import Authorization, SignInNeeded
from pipeline.publishing.decisions import Leave, Seen, Write, decide, position, surplus
from pipeline.publishing.merged_items import Items
from pipeline.publishing.read_ahead import AHEAD, FRESH_SECONDS, Round, Rounds
from pipeline.publishing.waits import Patience
from store.detection import files
from store.jobs.tasks import Task
from store.publishing import batches, edits, reverts
from store.publishing.edits import Edit
from wiki import depicts, history
from wiki.client import BATCH
from wiki.depicts import Entity, Written
from wiki.errors import AuthorizationLost, GiveUp, Reread, RetryWithNewToken, StopBatch, Wait, WikiError
from wiki.files import FileInfo, MissingFile

log = logging.getLogger(__name__)

MOST_TRIES = 6  # requests for one edit in succession; then the other edits come first
LATER_SECONDS = 120.0  # until an edit is retried after MOST_TRIES requests
BUSY_SECONDS = 3.0  # until the next attempt while an edit of another project holds the lock of the file
TURN_SECONDS = 60.0  # length of a turn; then the edits of other users are sent
MOST_DOUBLINGS = 4  # of the pause while the wiki is not available, so that it is at most 8 minutes
MOST_REFUSALS = 5  # edits of a batch refused in succession until the batch is paused


def run(task: Task, tools: Tools) -> Outcome:
    """Send the edits of the user's running batches."""
    sender = Sender(task, tools)
    try:
        outcome = sender.work()
    except SignInNeeded:
        return sender.pause_for_sign_in()
    except AuthorizationLost as error:
        return sender.pause_for_sign_in() if error.refreshable else sender.pause(error)
    except StopBatch as error:
        return sender.pause(error)
    except WikiError as error:
        passing = of_wiki(error, 0 if sender.settled else min(task.attempts, MOST_DOUBLINGS))
        if isinstance(passing, Failed):  # a pause shows the user on the pages why nothing is sent
            return sender.pause(error)
        sender.patience.tell(passing.seconds, error.reason.value, error.lag if isinstance(error, Wait) else None)
        return passing
    tools.run(lambda db: batches.finish_empty(db, task.subject_id))
    return outcome


class Sender:
    """One turn of sending for one user, without new rounds after TURN_SECONDS; `settled`: edits settled in it."""

    def __init__(self, task: Task, tools: Tools) -> None:
        self.patience = Patience(task, tools)
        self.settled = 0
        self._task = task
        self._tools = tools
        self._user_id = task.subject_id
        self._authorization = Authorization(tools, self._user_id)
        self._items = Items(tools)
        self._rounds = Rounds(tools, self._user_id)
        self._pending_settlement: Callable[[Connection], None] | None = None  # stores the result of the last edit
        self._name = ""
        self._unverified: dict[int, int] = {}  # page id -> revision of the edit, to be read back with the next round
        self._refusals: Counter[int] = Counter()  # batch id -> edits refused in succession
        self._links: dict[int, tuple[str, str]] = {}  # batch id -> hexadecimal id and label, for the edit summaries

    def work(self) -> Outcome:
        """Process rounds of up to 50 edits, which are read together and written one by one."""
        end: float | None = None
        while not self._tools.stop.is_set():
            ready = self._rounds.take()
            todo = ready.todo if ready else self._rounds.todo()
            if not todo or (end is not None and self._tools.clock() > end):
                return self._finish(over=not todo)
            if end is None:
                self._check_account()
                end = self._tools.clock() + TURN_SECONDS
            try:
                self._round(ready or self._rounds.read(todo, list(self._unverified)))
            except Exception:
                self._flush()
                raise
            self._flush()
        return Waiting()

    def _finish(self, *, over: bool) -> Outcome:
        """Read back the last edits and return the outcome. `over`: no edit is due; otherwise the turn has ended."""
        if self._unverified:
            self._verify(depicts.read_statements(self._tools.wiki, sorted(self._unverified)))
        due = self._tools.run(lambda db: edits.due_in(db, self._user_id))
        return Done() if due is None else Done(again_in=max(0.2, due) if over else due)

    def pause(self, error: WikiError) -> Outcome:
        """Pause the user's batches for the reason of an error that only a human can resolve."""
        reason = error.reason.value
        log.warning("batches paused", extra={"user": self._user_id, "reason": reason, "code": error.code})
        self._tools.run(lambda db: batches.pause_all(db, self._user_id, reason))
        return Done()

    def pause_for_sign_in(self) -> Outcome:
        """Pause the user's batches until they sign in, unless they have done so since the invalid tokens were read."""
        version = self._authorization.version
        paused = self._tools.run(lambda db: batches.pause_for_sign_in(db, self._user_id, version))
        return Done() if paused else Done(again_in=0.0)

    def _check_account(self) -> None:
        info = self._authorization.check_account()
        self._name = info.name
        self.patience.keep_under(info.edit_limit)
        self.patience.tell(None)

    def _round(self, read: Round) -> None:
        self._verify(read.written)
        todo = self._items.follow(read.todo)
        self._learn_links(todo)
        for number, edit in enumerate(todo):
            if self._tools.stop.is_set() or (number and self._tools.clock() - read.read_at > FRESH_SECONDS):
                return
            if len(read.todo) == BATCH and number == len(todo) - AHEAD:
                self._rounds.begin(read.todo, todo[number:], list(self._unverified))
            seen = self._read(edit) if edit.page_id in read.stale else self._state(edit, *read.found[edit.page_id])
            self._edit(edit, seen)

    def _run(self, work: Callable[[Connection], Value]) -> Value:
        """Run SQL, and the pending settlement in the same transaction, which saves a commit."""
        settle, self._pending_settlement = self._pending_settlement or _no_sql, None

        def both(db: Connection) -> Value:
            settle(db)
            return work(db)

        return self._tools.run(both)

    def _flush(self) -> None:
        """Store the pending settlement, if there is one."""
        if self._pending_settlement is not None:
            self._run(_no_sql)

    def _verify(self, entities: Mapping[int, Entity]) -> None:
        """Notice reverts among edits read back; pages at a revision older than the edit are read again later."""
        waiting = self._unverified
        seen = [one for page_id, one in entities.items() if one.last_revision >= waiting.get(page_id, 0)]
        if seen:
            self._run(lambda db: reverts.notice(db, stated_depicts.readings(seen)))
        for one in seen:
            waiting.pop(one.page_id, None)

    def _learn_links(self, todo: list[Edit]) -> None:
        new = {edit.batch_id: edit.project_id for edit in todo if edit.batch_id not in self._links}
        if not new:
            return
        known = self._tools.run(lambda db: [batches.get(db, batch_id, project) for batch_id, project in new.items()])
        self._links |= {batch.id: (batch.hex, batch.label) for batch in known}

    def _read(self, edit: Edit) -> Seen:
        """Read the current state of one file."""
        self._flush()
        return self._state(edit, *depicts.read_files(self._tools.wiki, [edit.page_id])[edit.page_id])

    def _state(self, edit: Edit, entity: Entity, file: FileInfo | MissingFile) -> Seen:
        return Seen(entity, file, self._stored_revision(edit, entity), self._items.same(edit.item))

    def _stored_revision(self, edit: Edit, entity: Entity) -> int:
        """Return the revision made by an earlier request of this edit whose answer may be lost; 0 for none.

        Otherwise a repetition could restore a statement that an editor has removed since.
        """
        if edit.base_revision is None or entity.last_revision == edit.base_revision or not entity.exists:
            return 0
        hex_, _ = self._links[edit.batch_id]
        return history.written_since(self._tools.wiki, edit.page_id, edit.base_revision, self._name, hex_)

    def _edit(self, edit: Edit, seen: Seen) -> None:
        """Send one edit and settle it, or queue it again."""
        if edit.action == "remove":  # read again, so that a change by another editor is not removed with it
            seen = self._read(edit)
        for attempt in range(1, MOST_TRIES + 1):
            verdict = decide(edit, seen)
            if isinstance(verdict, Leave):
                return self._leave(edit, seen, verdict)
            edit = _about_to_send(edit, verdict)
            if not self._begin(edit):
                return None
            after = self._attempt(edit, seen, verdict, attempt)
            if after is None:
                return None
            seen = after
        return self._put_back(edit, LATER_SECONDS, "tried_often")

    def _attempt(self, edit: Edit, seen: Seen, verdict: Write, attempt: int) -> Seen | None:
        """Send one request; return the state for the next decision, None once the edit is settled or queued again."""
        try:
            written = self._request(partial(self._send, edit, verdict), attempt)
        except GiveUp as error:
            self._refused(edit, error)
            return None
        except (SignInNeeded, WikiError):
            self._put_back(edit, 0.0)  # it is certain that nothing was written
            raise
        if written is None or written.patched:  # merged with another edit: the answer does not show what is stored
            return self._read(edit)
        leave = Leave("done", statement_id=edit.statement_id, revision=written.revision or None)
        states = edit.statement_id if edit.action != "remove" else _other(edit, seen)
        self._settle(edit, replace(leave, states=states))
        return None

    def _request(self, send: Callable[[str, str], Written], attempt: int) -> Written | None:
        """Send a request with both tokens; return None if the file has to be read before the next decision.

        Raises GiveUp, WikiError and SignInNeeded, all of which mean that nothing was written.
        """
        authorization = self._authorization
        try:
            bearer, csrf = authorization.bearer(), authorization.csrf()
            self.patience.before_edit()
            return send(bearer, csrf)
        except Reread as error:
            self.patience.pause(error.seconds)
        except RetryWithNewToken:
            authorization.new_csrf()
        except Wait as error:
            self.patience.wait(error, attempt)
        except AuthorizationLost as error:
            if not error.refreshable:
                raise
            authorization.renew()
        return None

    def _send(self, edit: Edit, verdict: Write, bearer: str, csrf: str) -> Written:
        wiki, base, words = self._tools.wiki, verdict.base_revision, self._summary(edit)
        if edit.action == "add":
            assert edit.statement_id is not None
            rank = "preferred" if edit.prominent else "normal"
            page, item, guid, box = edit.page_id, edit.item, edit.statement_id, position(edit)
            return depicts.add_statement(wiki, bearer, csrf, page, item, guid, base, words, box=box, rank=rank)
        assert verdict.statement_id is not None
        if edit.action == "remove":
            return depicts.remove_statement(wiki, bearer, csrf, verdict.statement_id, base, words)
        box = position(edit)
        assert box is not None
        return depicts.add_qualifier(wiki, bearer, csrf, verdict.statement_id, box, base, words)

    def _summary(self, edit: Edit) -> str:
        hex_, label = self._links[edit.batch_id]
        return depicts.summary(depicts.summary_words(edit.action, edit.item, label), hex_)

    def _begin(self, edit: Edit) -> bool:
        """Store what is about to be sent if the edit is still approved; return whether it may be sent."""
        answer = self._run(lambda db: edits.begin(db, self._task, edit, self._tools.worker))
        if answer == "busy":
            self._put_back(edit, BUSY_SECONDS, "file_busy")
        elif answer == "overwritten":
            self._skip(edit, Leave("skipped", "overwritten"))
        elif answer in {"paused", "done"}:
            self._put_back(edit, 0.0)
        elif answer != "yes":
            self._run(lambda db: edits.cancel(db, self._task, edit, answer))
        return answer == "yes"

    def _leave(self, edit: Edit, seen: Seen, leave: Leave) -> None:
        if leave.state == "done" and surplus(edit, seen) is not None:
            self._remove_duplicate(edit)
        elif leave.state == "skipped":
            self._skip(edit, leave)
        else:
            self._settle(edit, leave)

    def _skip(self, edit: Edit, leave: Leave) -> None:
        """Settle an edit whose file is not as it was approved, and search the file again, which suspends its labels."""
        self._settle(edit, leave)
        if edit.action == "add":
            self._flush()  # in a transaction of its own, because `files` is locked before all other tables
            self._run(lambda db: files.search_again(db, [edit.page_id]))

    def _remove_duplicate(self, edit: Edit) -> None:
        """Remove this edit's statement, which duplicates one written at the same time, and settle the edit.

        The file is locked and read again, so that of two senders of duplicates only one removes its own.
        """
        for attempt in range(1, MOST_TRIES + 1):
            if not self._run(lambda db: edits.lock(db, self._task, edit, self._tools.worker)):
                return self._later(edit, BUSY_SECONDS)
            seen = self._read(edit)
            extra, verdict = surplus(edit, seen), decide(edit, seen)
            if isinstance(verdict, Write):  # both statements were removed since the file was read
                return self._later(edit, 0.0)
            if extra is None:
                return self._settle(edit, verdict)
            try:
                self._request(partial(self._send_removal, edit, extra.id, seen.entity.last_revision), attempt)
            except GiveUp as error:
                log.warning("a duplicate statement was not removed", extra={"user": self._user_id, "code": error.code})
                return self._settle(edit, verdict)
        return self._later(edit, LATER_SECONDS)

    def _send_removal(self, edit: Edit, statement_id: str, base: int, bearer: str, csrf: str) -> Written:
        hex_, label = self._links[edit.batch_id]
        words = depicts.summary(depicts.summary_words("duplicate", edit.item, label), hex_)
        return depicts.remove_statement(self._tools.wiki, bearer, csrf, statement_id, base, words)

    def _later(self, edit: Edit, seconds: float) -> None:
        """Check an edit that may be on the wiki again in `seconds`."""
        self._run(lambda db: edits.later(db, self._task, edit, seconds))

    def _settle(self, edit: Edit, leave: Leave) -> None:
        """Settle an edit in the next transaction, which comes before the next request or wait."""
        self._flush()
        self._pending_settlement = partial(_settled, task=self._task, edit=edit, leave=leave)
        self.settled += 1
        self._refusals.pop(edit.batch_id, None)
        if edit.action == "add" and leave.state == "done":
            self._unverified[edit.page_id] = leave.revision or 0

    def _refused(self, edit: Edit, error: GiveUp) -> None:
        """Settle an edit that the wiki refused; pause its batch after MOST_REFUSALS refusals in succession."""
        detail = ": ".join(part for part in (error.code, error.text) if part)
        self._run(lambda db: edits.settle(db, self._task, edit, "failed", error=error.reason.value, detail=detail))
        self._refusals[edit.batch_id] += 1
        if self._refusals[edit.batch_id] >= MOST_REFUSALS:
            self._refusals.pop(edit.batch_id)
            self._run(lambda db: batches.pause(db, edit.batch_id, "wiki_says_no"))

    def _put_back(self, edit: Edit, seconds: float, reason: str | None = None) -> None:
        """Queue an edit that is known not to be written, due in `seconds`."""
        self._run(lambda db: edits.put_back(db, self._task, edit, seconds, error=reason))


def _no_sql(_db: Connection) -> None:
    """Run no SQL, for a transaction that only stores the pending settlement."""


def _settled(db: Connection, task: Task, edit: Edit, leave: Leave) -> None:
    edits.settle(
        db,
        task,
        edit,
        leave.state,
        revision=leave.revision,
        statement_id=leave.statement_id,
        states=leave.states,
        error=leave.reason,
    )
    if leave.state == "reverted":
        batches.pause_reverted(db, edit.project_id)


def _about_to_send(edit: Edit, verdict: Write) -> Edit:
    """Return the row to store before its request is sent; an addition without a statement id gets a new random one."""
    statement_id = verdict.statement_id or edit.statement_id or depicts.new_statement_id(edit.page_id, uuid.uuid4())
    return replace(edit, state="sending", statement_id=statement_id, base_revision=verdict.base_revision)


def _other(edit: Edit, seen: Seen) -> str | None:
    """Return the GUID of another statement that names the item, or None."""
    left = [found.id for found in depicts.stating(seen.entity, *seen.names(edit)) if found.id != edit.statement_id]
    return left[0] if left else None
