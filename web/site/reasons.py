"""Messages for reason keys (of the wiki, a picture, an edit, a project): what happened and what comes next."""

from web.site.text import LazyText, gettext, lazy_gettext

_SENTENCES: dict[str, LazyText] = {
    # temporary errors of the wiki
    "maxlag": lazy_gettext("Wikimedia's databases are behind. It goes on by itself once they have caught up."),
    "ratelimited": lazy_gettext("Wikimedia asks this account to go slower. It goes on by itself."),
    "readonly": lazy_gettext("The wiki is read-only for a moment. It goes on by itself."),
    "too_many_requests": lazy_gettext("Wikimedia asks us to go slower. It goes on by itself."),
    "server": lazy_gettext("Wikimedia's server had a problem. It is tried again."),
    "network": lazy_gettext("Wikimedia could not be reached. It is tried again."),
    "unreachable": lazy_gettext("Wikimedia could not be reached. It is tried again."),
    "timeout": lazy_gettext("Wikimedia took too long to answer. It is tried again."),
    "not_json": lazy_gettext("Wikimedia sent something unexpected. It is tried again."),
    "token": lazy_gettext("The edit token was out of date. It is tried again."),
    # errors about one page or file
    "conflict": lazy_gettext("Somebody edited this file at the same time. It is read again before anything is sent."),
    "outcome_unknown": lazy_gettext("The answer to our edit was lost. The page is read before anything else is sent."),
    "statement_gone": lazy_gettext("The statement is not there any more."),
    "protected": lazy_gettext("The page is protected and this account may not edit it."),
    "abusefilter": lazy_gettext("An abuse filter of the wiki refused the edit."),
    "abusefilter_warning": lazy_gettext("An abuse filter of the wiki warns about the edit. It was not sent."),
    "blocked_here": lazy_gettext("This account is blocked from editing this page."),
    "no_such_entity": lazy_gettext("There is no such file on Commons any more."),
    "no_such_item": lazy_gettext("The Wikidata item does not exist."),
    "missing": lazy_gettext("The file is not on Commons any more."),
    "invalid_title": lazy_gettext("The file's name cannot be a title on Commons."),
    "invalid_value": lazy_gettext("Commons refuses this value."),
    "invalid_request": lazy_gettext("Commons did not understand the request. Please report this."),
    "too_large": lazy_gettext("The picture is too large to be searched."),
    "host_refused": lazy_gettext("The picture is on a server that is not trusted."),
    "refused": lazy_gettext("Wikimedia refused the request."),
    "not_saved": lazy_gettext("Commons did not save the edit and gave no reason."),
    "unknown": lazy_gettext("Wikimedia answered with an error we do not know."),
    # errors about the account
    "blocked": lazy_gettext("This account is blocked on Commons. Nothing is sent until the block ends."),
    "no_right": lazy_gettext("This account, or the permission given to this tool, does not allow editing."),
    "wrong_account": lazy_gettext("Commons saw another account than expected. Sign in again to go on."),
    "authorization_lost": lazy_gettext("Wikimedia no longer accepts the sign-in. Sign in again to go on."),
    "consumer_refused": lazy_gettext(
        "Wikimedia does not accept this tool's registration. Its operator has to see to it."
    ),
    "refresh_dead": lazy_gettext("The sign-in has expired. Sign in again to go on."),
    "sign_in": lazy_gettext("The sign-in has expired. Sign in again to go on."),
    "denied": lazy_gettext("You did not give WikiVisage permission on Wikimedia's page. Nothing was changed."),
    "sign_in_stale": lazy_gettext("This sign-in was begun in another window, or too long ago. Begin it again."),
    "sign_in_refused": lazy_gettext(
        "Wikimedia did not accept the sign-in. It may have taken too long; begin it again."
    ),
    "login_wanted": lazy_gettext("The query service wants a sign-in of its own. A search is used instead."),
    "bad_tags": lazy_gettext("The wiki refuses the change tag of this tool. Its operator has to see to it."),
    # why a picture could not be searched
    "deleted": lazy_gettext("The file is not on Commons any more."),
    "redirect": lazy_gettext("The page leads to another file now."),
    "no_file": lazy_gettext("There is a page, but no file behind it."),
    "not_an_image": lazy_gettext("The file is sound, film or a document, not a picture."),
    "no_rendering": lazy_gettext("Commons has no rendering of this file that could be searched."),
    "image": lazy_gettext("The picture is damaged, too large, or in a format that cannot be searched."),
    "search_timeout": lazy_gettext("The face detector took too long on this picture."),
    "search_crashed": lazy_gettext("The face detector failed on this picture."),
    "internal": lazy_gettext("Something unforeseen happened. It is tried again."),
    # why an edit was not sent
    "overwritten": lazy_gettext("The file has a new version since it was approved: please look again."),
    "changed_by_others": lazy_gettext("Somebody else has changed this statement since. It was left alone."),
    "deprecated": lazy_gettext(
        "On Commons this statement is marked as deprecated, that is, as wrong. It can be sent once the mark is gone."
    ),
    "tried_often": lazy_gettext("It was tried several times without success. It comes again in a few minutes."),
    "file_busy": lazy_gettext("Another edit of this file is on its way. This one follows."),
    "not_approved": lazy_gettext("The approval was taken back before it was sent."),
    "item_deleted": lazy_gettext(
        "The person's item was deleted on Wikidata, so no statement can name it. Stop this, or resume it once there is an item."
    ),
    "barred": lazy_gettext("Nobody may look for this person here any more."),
    "asked_again": lazy_gettext("It was taken back; a human then asked for it to be sent once more."),
    # about a project and its source
    "account_deleted": lazy_gettext("The account under which it was sent was deleted here."),
    "project_deleted": lazy_gettext("The project was deleted."),
    "source_empty": lazy_gettext("The source holds no files at the moment. It is looked at again in an hour."),
    "category_empty": lazy_gettext("The category is empty at the moment. It is looked at again in an hour."),
    "category_missing": lazy_gettext(
        "There is no such category on Commons any more. It is looked for again in an hour."
    ),
    "invalid_pile": lazy_gettext("The number of the PagePile is not one."),
    "pile_of_another_wiki": lazy_gettext("The PagePile is not of Wikimedia Commons."),
}


KEYS = frozenset(_SENTENCES)


def reason(key: str | None) -> str:
    """Return the message for a reason key, or "" for None. The message for an unknown key contains it, for reports."""
    if not key:
        return ""
    sentence = _SENTENCES.get(key)
    return str(sentence) if sentence is not None else gettext("It failed (%(key)s).", key=key)
