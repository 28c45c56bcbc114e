"""Download pictures: only from allowed hosts, with limits on bytes and seconds, completely or not at all."""

from urllib.parse import urljoin, urlsplit

import requests

from wiki import addresses
from wiki.answers import Answer
from wiki.client import Client
from wiki.errors import DownloadRefused, DownloadTooLarge, GiveUp, Reason, Wait
from wiki.meaning import meaning_of_status

MOST_BYTES = 50 * 1024 * 1024
_SECONDS = 120.0
_MOST_HOPS = 3


def download(client: Client, url: str, *, most_bytes: int = MOST_BYTES, seconds: float = _SECONDS) -> bytes:
    """Return all bytes at `url`. Temporary errors are retried within the client's limits.

    Raises DownloadTooLarge, DownloadRefused (host not allowed, also after a redirect), GiveUp `missing` (404, 410) or
    `refused` (other 4xx), Wait (429, 5xx, a broken or slow connection, an HTML page instead of a picture).
    """
    return client.patiently(lambda: _download(client, url, most_bytes, seconds))


def _download(client: Client, url: str, most_bytes: int, seconds: float) -> bytes:
    client.stop.wait(client.next_download_in())
    for _ in range(_MOST_HOPS + 1):
        answer = _fetch(client, allowed(client, url), most_bytes, seconds)
        if answer.status not in (301, 302, 303, 307, 308):
            return _picture(answer)
        url = urljoin(answer.url, _location(answer))
    raise DownloadRefused("too many redirects")


def _fetch(client: Client, url: str, most_bytes: int, seconds: float) -> Answer:
    # Pictures are already compressed; without a further encoding, Content-Length is the size of the picture.
    request = requests.Request("GET", url, headers={"Accept-Encoding": "identity"})
    try:
        return client.exchange(request, most_bytes=most_bytes, seconds=seconds)
    except GiveUp as error:
        if error.reason is Reason.TOO_LARGE:
            raise DownloadTooLarge(error.text) from None
        raise


def allowed(client: Client, url: str) -> str:
    """Return the complete URL if it may be downloaded. Raises DownloadRefused.

    Only the scheme of the wiki's own API is allowed, so that a redirect cannot lead from https to http.
    """
    scheme = urlsplit(client.endpoints.commons_api).scheme
    url = f"{scheme}:{url}" if url.startswith("//") else url
    host = addresses.netloc(url)
    if not host:
        raise DownloadRefused("not a URL")
    if urlsplit(url).scheme != scheme or host not in client.media_hosts:
        raise DownloadRefused(f"{urlsplit(url).scheme}://{host}"[:200])
    return url


def _location(answer: Answer) -> str:
    """Return the target of a redirect. Servers send unencoded letters as UTF-8, but headers are read as Latin-1."""
    location = answer.headers.get("Location", "")
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _picture(answer: Answer) -> bytes:
    if answer.status in (404, 410):
        raise GiveUp(Reason.MISSING, f"http-{answer.status}")
    if answer.status != 200:
        error = meaning_of_status(answer)
        raise error if isinstance(error, Wait) else GiveUp(Reason.REFUSED, error.code, error.text)
    if answer.content_type in ("text/html", "application/json"):
        raise Wait(Reason.NOT_JSON, "http-200", f"{answer.content_type} instead of a picture")
    return answer.body
