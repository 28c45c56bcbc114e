"""The right to edit in a user's name: the bearer, its refresh by one process at a time, the CSRF token, the account."""

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

SPARE_SECONDS = 300  # a bearer that ends sooner is refreshed before a request is sent with it
LOOK_AGAIN_SECONDS = 0.5
LONGEST_REFRESH_SECONDS = users.REFRESH_SECONDS + 30


class SignInNeeded(Exception):
    """No token of the user works any more: nothing can be sent until they sign in again."""


class Authorization:
    """The bearer and CSRF token of one user, for one run."""

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
        self.version: int | None = None  # of the tokens last read

    def check_account(self) -> UserInfo:
        """Whom the wiki takes the bearer for; it must be the user who signed in, by central id, for names change.

        Raises SignInNeeded, StopBatch, WikiError.
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
        """What `request` gives with the bearer; a dead bearer is refreshed once. Raises SignInNeeded, WikiError."""
        try:
            return request(self.bearer())
        except AuthorizationLost as error:
            if not error.refreshable:
                raise
            self.renew()
            return request(self.bearer())

    def bearer(self) -> str:
        """The access token. Raises SignInNeeded, WikiError."""
        if not self._bearer:
            self._bearer = self._current(rejected=None)
        return self._bearer

    def csrf(self) -> str:
        """The token for writing, read anew after every refresh. Raises SignInNeeded, WikiError."""
        if not self._csrf:
            self._csrf = self.call(lambda bearer: depicts.csrf_token(self._tools.wiki, bearer))
        return self._csrf

    def new_csrf(self) -> None:
        """Forget the CSRF token: the wiki did not accept it."""
        self._csrf = ""

    def renew(self) -> None:
        """Replace a bearer that the wiki did not accept. Raises SignInNeeded, WikiError."""
        rejected, self._bearer, self._csrf = self._bearer, "", ""
        self._bearer = self._current(rejected=rejected)

    def _current(self, rejected: str | None) -> str:
        """The stored access token, refreshed where it is about to end or was rejected; waits while another refreshes."""
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
        """Exchange the refresh token; no lock is held meanwhile, the version tells whether somebody signed in anew."""
        try:
            tokens = self._oauth.refresh(refresh_token)
        except WikiError as error:
            dead = isinstance(error, RefreshDead)
            self._tools.run(lambda db: users.refresh_failed(db, self._user_id, version, dead=dead))
            if not dead:
                raise
            return
        life = int(tokens.expires_at - self._now())
        self._tools.run(
            lambda db: users.end_refresh(
                db,
                self._box,
                self._user_id,
                version,
                access=tokens.access,
                refresh=tokens.refresh,
                expires_in=life,
            )
        )
