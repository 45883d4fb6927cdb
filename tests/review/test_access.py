"""Who may talk to the review server."""

from __future__ import annotations

import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.review.access import Access, AccessError, Visitor, host_name, rules

TOKEN = "a-token-nobody-guesses"


def test_localhost_needs_no_token_of_a_persons_choosing() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        rules(host, 8640, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "robot.lab"])
def test_any_other_host_demands_a_token(host: str) -> None:
    with pytest.raises(ReviewError, match="--token"):
        rules(host, 8640, None)
    rules(host, 8640, TOKEN)


@pytest.mark.parametrize("token", ["short", "", "ünïcödé-is-no-token"])
def test_a_token_that_is_easily_guessed_is_refused(token: str) -> None:
    with pytest.raises(ReviewError, match="16 or more"):
        rules("0.0.0.0", 8640, token)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8640", "localhost"),
        ("LOCALHOST", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]:8640", "::1"),
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0"]
)
def test_a_name_that_was_made_to_point_here_is_not_answered(host: str | None) -> None:
    with pytest.raises(AccessError) as caught:
        rules("127.0.0.1", 8640, None).check_host(host)
    assert caught.value.status == 400


def test_a_link_opens_once_and_the_next_is_told() -> None:
    told: list[str] = []
    access = Access(frozenset({"localhost"}), 1, None, told.append)
    token = access.new_token()
    access.opened(token, "ann")
    with pytest.raises(AccessError, match="used before"):
        access.opened(token, "ann")
    [other] = told
    assert access.visitor(access.opened(other, "bob")).name == "bob"


def test_a_chosen_token_opens_as_often_as_wanted_and_its_cookies_outlive_a_restart() -> None:
    before, after = (rules("0.0.0.0", 8640, TOKEN) for _ in range(2))
    cookie = before.opened(TOKEN, "ann")
    before.opened(TOKEN, "bob")
    assert after.visitor(cookie) == before.visitor(cookie)
    with pytest.raises(AccessError):
        before.opened(TOKEN + "x", "ann")


def test_a_cookie_says_who_it_is_and_cannot_be_made_by_others() -> None:
    access, other = rules("localhost", 1, None), rules("localhost", 1, None)
    cookie = access.seal(Visitor("id", "Ann Ørsted"))
    assert access.visitor(cookie) == Visitor("id", "Ann Ørsted")
    forged = other.seal(Visitor("id", "Ann Ørsted"))
    changed = cookie.replace("id.", "ie.", 1)
    for bad in (None, "", ".", "..", "x.y.z", forged, changed, cookie[:-1], "ü.ü.ü"):
        with pytest.raises(AccessError, match="not signed in"):
            access.visitor(bad)


@pytest.mark.parametrize(
    ("origin", "site", "ours", "good"),
    [
        ("http://localhost:8640", "same-origin", True, True),
        (None, None, True, True),  # a program
        ("http://localhost:8640", "same-origin", False, False),  # no header of ours: a form
        ("http://evil.example", "cross-site", True, False),
        ("http://localhost:9999", "same-site", True, False),  # another server of this machine
        ("null", None, True, False),
        (None, "cross-site", True, False),
    ],
)
def test_a_change_comes_from_our_own_page(
    origin: str | None, site: str | None, ours: bool, good: bool
) -> None:
    access = rules("localhost", 8640, None)
    if good:
        access.check_change("localhost:8640", origin, site, ours)
        return
    with pytest.raises(AccessError) as caught:
        access.check_change("localhost:8640", origin, site, ours)
    assert caught.value.status == 403
