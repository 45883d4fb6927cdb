"""A bounded cache for several threads."""

from __future__ import annotations

import threading

import pytest

from scenekeeper.review.recent import Recent


def test_what_was_used_last_stays_and_the_bound_holds() -> None:
    cache: Recent[str, bytes] = Recent(10, len)
    for key in "abc":
        cache.put(key, key.encode() * 3)
    assert cache.get("a") == b"aaa"
    cache.put("d", b"dddd")
    assert (cache.held, len(cache)) == (10, 3)
    assert cache.get("b") is None and cache.get("a") and cache.get("c") and cache.get("d")


def test_a_thing_larger_than_the_bound_is_made_but_not_kept() -> None:
    cache: Recent[str, bytes] = Recent(4, len)
    cache.put("small", b"1")
    assert cache.made("big", lambda: b"12345") == b"12345"
    assert cache.get("big") is None and cache.get("small") == b"1"


def test_replacing_and_forgetting_give_the_room_back() -> None:
    cache: Recent[str, bytes] = Recent(10, len)
    cache.put("a", b"123456")
    cache.put("a", b"12")
    assert cache.held == 2
    cache.forget("a")
    assert cache.held == 0 and cache.get("a") is None


def test_threads_that_want_the_same_share_its_making() -> None:
    cache: Recent[str, str] = Recent(10)
    begun, go, made = threading.Event(), threading.Event(), []

    def make() -> str:
        begun.set()
        go.wait(5)
        made.append(1)
        return "thing"

    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.made("k", make))) for _ in range(4)
    ]
    threads[0].start()
    assert begun.wait(5)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(5)
    assert found == ["thing"] * 4 and len(made) == 1


def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    cache: Recent[str, str] = Recent(10)

    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.made("k", fail)
    assert cache.made("k", lambda: "now") == "now"
