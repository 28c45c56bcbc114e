"""Texts about a batch: its state, why it is paused or waiting, the results of its edits, and the permitted actions."""

from dataclasses import dataclass

from store.publishing.batches import Batch
from store.publishing.edits import Edit
from web.site import reasons
from web.site.formats import number
from web.site.text import LazyText, gettext, lazy_gettext, ngettext

# In the order in which a page lists them.
STATES = ("failed", "skipped", "reverted", "sending", "queued", "done", "already", "undone", "cancelled")


_STATE_NAMES: dict[str, LazyText] = {
    "queued": lazy_gettext("waiting"),
    "sending": lazy_gettext("being sent"),
    "done": lazy_gettext("written"),
    "already": lazy_gettext("was so already"),
    "failed": lazy_gettext("failed"),
    "skipped": lazy_gettext("left alone"),
    "cancelled": lazy_gettext("cancelled"),
    "undone": lazy_gettext("undone"),
    "reverted": lazy_gettext("taken back on Commons"),
}


def edit_state(name: str) -> str:
    """Return the name of an edit's state."""
    return str(_STATE_NAMES.get(name, name))


def batch_kind(batch: Batch) -> str:
    """Return a description of what the batch does."""
    texts = {
        "send": gettext("Statements added"),
        "undo": gettext("Statements undone"),
        "removal": gettext("Statements removed"),
        "positions": gettext("Positions added"),
    }
    return texts[batch.kind]


def batch_state(batch: Batch) -> str:
    """Return the batch's state in one or a few words."""
    if batch.state == "running":
        return gettext("waiting for Commons") if batch.waiting_seconds else gettext("running")
    texts = {"paused": gettext("paused"), "stopped": gettext("stopped"), "done": gettext("done")}
    return texts[batch.state]


def pause_explanation(batch: Batch) -> str:
    """Explain why the batch is paused and what to do; "" if it is not paused."""
    if batch.state != "paused":
        return ""
    name = batch.user_name
    texts = {
        "human": gettext("You or another owner paused it. Resume it when you like."),
        "reverted": gettext(
            "Several of these edits were taken back by others on Commons. Look at them, and at your talk page there, before you "
            "go on."
        ),
        "wiki_says_no": gettext(
            "Commons refused one edit after the other. Look at the reasons below; once the cause is gone, try the failed ones "
            "again or resume."
        ),
        "sign_in": gettext(
            "The sign-in of %(name)s has expired. After signing in again it goes on by itself.", name=name
        ),
        "blocked": gettext(
            "The account %(name)s is blocked on Commons. Resume it once the block has ended.", name=name
        ),
    }
    return texts.get(batch.pause_reason or "", reasons.reason(batch.pause_reason))


def wait_explanation(batch: Batch) -> str:
    """Explain why and how long Commons makes the batch wait; "" if it does not."""
    if batch.state != "running" or not batch.waiting_seconds:
        return ""
    parts = [reasons.reason(batch.waiting_why)] if batch.waiting_why else []
    if batch.waiting_lag:
        parts.append(gettext("They lag by %(seconds)s seconds.", seconds=number(round(batch.waiting_lag, 1))))
    parts.append(ngettext("Goes on in %(num)d second.", "Goes on in %(num)d seconds.", batch.waiting_seconds))
    return " ".join(parts)


def edit_explanation(edit: Edit) -> str:
    """Explain why an edit failed, was skipped or still waits; "" if there is nothing to explain."""
    if edit.error == "asked_again":  # it is undone, and planned anew
        return reasons.reason(edit.error)
    if edit.state in {"done", "already", "undone"} or not edit.error:
        return gettext("Somebody took it back on Commons.") if edit.state == "reverted" else ""
    return reasons.reason(edit.error)


@dataclass(frozen=True)
class PermittedActions:
    """The actions on a batch that are open to the current user."""

    pause: bool
    resume: bool
    stop: bool
    retry: bool
    undo: bool


def permitted_actions(batch: Batch, user_id: int, *, owner: bool) -> PermittedActions:
    """Return the permitted actions.

    Every owner may pause, stop and undo a batch; only the user under whose account it is sent may resume or retry it.
    """
    is_sender = owner and batch.user_id == user_id
    return PermittedActions(
        pause=owner and batch.state == "running" and batch.open > 0,
        resume=is_sender and batch.state == "paused",
        stop=owner and batch.state in {"running", "paused"} and batch.open > 0,
        retry=is_sender and batch.counts.get("failed", 0) > 0,
        undo=owner and batch.kind == "send" and batch.counts.get("done", 0) > 0,
    )
