"""Authorization to edit as a user: access token, its refresh by one process at a time, CSRF token, account checks."""

import time
from collections.abc import Callable

from pipeline.jobs.outcome import Stopped
from pipeline.jobs.tools import Tools, Value
from store.accounts import users
from store.accounts.tokens import TokenBox, Unreadable
from wiki import depicts
from wiki.depicts import UserInfo
from wiki.errors import AuthorizationLost, Reason, RefreshDead, StopBatch, WikiError
from wiki.oauth import OAuth

SPARE_SECONDS = 300  # an access token that expires sooner is refreshed before it is used
LOOK_AGAIN_SECONDS = 0.5  # between two reads of the tokens while another process refreshes them
LONGEST_REFRESH_SECONDS = users.REFRESH_SECONDS + 30


class SignInNeeded(Exception):
    """No token of the user is valid any more: nothing can be sent until they sign in again."""


class Authorization:
    """The access token (bearer) and CSRF token of one user during one run."""

    def __init__(self, tools: Tools, user_id: int, now: Callable[[], float] = time.time) -> None:
        settings = tools.settings
        self._tools = tools
        self._user_id = user_id
        self._box = TokenBox(settings.token_keys)
        self._now = now
        self._oauth = OAuth(
            tools.wiki, settings.oauth_client_id, settings.oauth_client_secret, settings.oauth_redirect_uri, now
        )
        self._bearer = ""
        self._csrf = ""
        self.version: int | None = None  # version of the tokens last read

    def check_account(self) -> UserInfo:
        """Return the account of the access token. Raises SignInNeeded, StopBatch, WikiError.

        It must be the account that signed in, compared by central id because names change, and it must be neither
        blocked on the wiki nor excluded by the settings.
        """
        info = self.call(lambda bearer: depicts.user_info(self._tools.wiki, bearer))
        user = self._tools.run(lambda db: users.get(db, self._user_id))
        if user is None or user.subject != str(info.central_id):
            raise StopBatch(Reason.WRONG_ACCOUNT, "other-account", info.name)
        if not self._tools.settings.admits(user.name, user.subject):
            raise SignInNeeded
        if info.blocked:
            raise StopBatch(Reason.BLOCKED, "blocked", info.block_reason)
        return info

    def call(self, request: Callable[[str], Value]) -> Value:
        """Call `request` with the access token; repeat it once with a new token if that is invalid.

        Raises SignInNeeded, WikiError.
        """
        try:
            return request(self.bearer())
        except AuthorizationLost as error:
            if not error.refreshable:
                raise
            self.renew()
            return request(self.bearer())

    def bearer(self) -> str:
        """Return a valid access token. Raises SignInNeeded, WikiError."""
        if not self._bearer:
            self._bearer = self._current(rejected=None)
        return self._bearer

    def csrf(self) -> str:
        """Return the CSRF token, which is requested anew after every refresh. Raises SignInNeeded, WikiError."""
        if not self._csrf:
            self._csrf = self.call(lambda bearer: depicts.csrf_token(self._tools.wiki, bearer))
        return self._csrf

    def new_csrf(self) -> None:
        """Discard the CSRF token, which the wiki rejected."""
        self._csrf = ""

    def renew(self) -> None:
        """Replace an access token that the wiki rejected. Raises SignInNeeded, WikiError."""
        rejected, self._bearer, self._csrf = self._bearer, "", ""
        self._bearer = self._current(rejected=rejected)

    def _current(self, rejected: str | None) -> str:
        """Return the stored access token; refresh it if it expires soon or was rejected, and no other process does."""
        give_up = self._tools.clock() + LONGEST_REFRESH_SECONDS
        while True:
            stored = self._stored()
            self.version = stored.version
            if stored.access != rejected and stored.expires_in > SPARE_SECONDS:
                return stored.access
            if stored.refresh is None:
                raise SignInNeeded
            if self._may_refresh(stored.version):
                self._refresh(stored.refresh, stored.version)
                rejected = None
            elif self._tools.clock() > give_up:
                raise SignInNeeded
            elif self._tools.stop.wait(LOOK_AGAIN_SECONDS):
                raise Stopped

    def _may_refresh(self, version: int) -> bool:
        return self._tools.run(lambda db: users.begin_refresh(db, self._user_id, version))

    def _stored(self) -> users.Tokens:
        try:
            stored = self._tools.run(lambda db: users.tokens(db, self._box, self._user_id))
        except Unreadable:
            raise SignInNeeded from None
        if stored is None:
            raise SignInNeeded
        return stored

    def _refresh(self, refresh_token: str, version: int) -> None:
        """Exchange the refresh token and store the new tokens, unless the user has signed in again meanwhile.

        No lock is held during the request; the version of the stored tokens shows whether they were replaced.
        """
        try:
            tokens = self._oauth.refresh(refresh_token)
        except WikiError as error:
            dead = isinstance(error, RefreshDead)
            self._tools.run(lambda db: users.refresh_failed(db, self._user_id, version, dead=dead))
            if not dead:
                raise
            return
        seconds = int(tokens.expires_at - self._now())
        self._tools.run(
            lambda db: users.end_refresh(
                db,
                self._box,
                self._user_id,
                version,
                access=tokens.access,
                refresh=tokens.refresh,
                expires_in=seconds,
            )
        )
