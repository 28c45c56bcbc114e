"""Signing out ends the session, and nothing private is left in the browser."""

import pytest

from tests.attacks.site import Site
from tests.attacks.verdict import Succeeded, repelled


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="The cookie itself is the session, and stays true for 30 days."
)
def test_a_copied_cookie_is_used_after_sign_out(site: Site):
    person = site.new_browser("Judith")
    copied = person.copy()
    assert "Judith" in copied.look("/account").text()
    person.submit("/auth/sign-out")
    assert "Judith" not in person.look("/account").text()
    repelled("Judith" not in copied.look("/account").text(), "the copy is still signed in")


def test_a_copied_cookie_is_used_after_sign_out_everywhere(site: Site):
    person = site.new_browser("Judith")
    copied = person.copy()
    person.submit("/auth/sign-out-everywhere")
    repelled("Judith" not in copied.look("/account").text(), "the copy is still signed in")


@pytest.mark.xfail(strict=True, raises=Succeeded, reason="Private pages may be kept by the browser and shown by Back.")
@pytest.mark.parametrize(
    "path", ["/projects", "/account", "{project}", "{project}/review?show=rejected", "{project}/send"]
)
def test_back_shows_private_pages_after_sign_out(site: Site, path: str):
    project = site.private_project()
    page = site.volunteer("Alice").look(path.format(project=project.url))
    assert page.status == 200
    repelled("no-store" in page.headers.get("Cache-Control", ""), page.headers.get("Cache-Control", "no header"))


@pytest.mark.xfail(
    strict=True, raises=Succeeded, reason="Small pictures of faces stay in the browser's cache for 30 days."
)
def test_the_cache_shows_faces_after_sign_out(site: Site):
    person = site.new_browser("Judith")
    answer = person.browser.post(
        f"{site.address}/auth/sign-out", data={"csrf_token": person.csrf}, allow_redirects=False, timeout=30
    )
    assert answer.status_code in {302, 303}
    repelled("cache" in answer.headers.get("Clear-Site-Data", ""), "nothing tells the browser to forget them")


def test_a_form_is_sent_without_the_pages_token(site: Site):
    person = site.new_browser("Judith")
    answer = person.browser.post(f"{site.address}/auth/sign-out-everywhere", data={}, timeout=30)
    repelled(answer.status_code == 400, f"it was done: {answer.status_code}")
