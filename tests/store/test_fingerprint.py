"""A run's name changes with everything its output depends on, and with nothing else."""

from __future__ import annotations

import pytest

from scenekeeper.store import fingerprint

FACTS = {"stage": "fuse", "version": 1, "config": {"size": 0.012, "far": 3.5}, "reads": {"a": "b"}}


def test_the_order_of_facts_does_not_matter() -> None:
    assert fingerprint(dict(reversed(FACTS.items()))) == fingerprint(FACTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"config": {"size": 0.0121, "far": 3.5}},
        {"reads": {"a": "c"}},
        {"new": None},
    ],
)
def test_every_fact_matters(changed: dict[str, object]) -> None:
    assert fingerprint({**FACTS, **changed}) != fingerprint(FACTS)


def test_it_is_the_same_on_every_machine_and_day() -> None:
    assert fingerprint({"stage": "fuse"}) == "28cf8c7d263d"


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan")])
def test_what_is_not_plain_json_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        fingerprint({"stage": value})
