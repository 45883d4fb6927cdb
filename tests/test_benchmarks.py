"""The runner of the benchmarks tells each claim, and its verdict follows from the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import __main__ as runner
from benchmarks.harness import Result, need

DESIGNED = {
    "name", "input", "unit", "ours", "peer", "peer_name", "ratio", "limit", "target", "ok",
}  # fmt: skip


def result(**fields: Any) -> Result:
    usual = {"name": "startup", "input": "i", "unit": "ms", "ours": 2.0, "target": 4.0}
    return Result(**{**usual, "peer": 10.0, "peer_name": "them 1.0", **fields})


ALONE = {"peer": None, "peer_name": "", "target_of": "ours"}


@pytest.mark.parametrize(
    ("fields", "ratio", "ok"),
    [
        ({}, 5.0, True),
        ({"target": 6.0}, 5.0, False),
        ({"better": "more", "target": 0.2}, 0.2, True),
        ({**ALONE, "target": 2.0}, None, True),
        ({**ALONE, "target": 1.9}, None, False),
        ({**ALONE, "target": 2.1, "better": "more"}, None, False),
        ({"further": {"no clip failed": False}}, 5.0, False),
    ],
)
def test_a_verdict_follows_from_the_figures(
    fields: dict[str, Any], ratio: float | None, ok: bool
) -> None:
    made = result(**fields)
    assert made.ratio == (None if ratio is None else pytest.approx(ratio)) and made.ok is ok


def test_a_ratio_needs_a_peer() -> None:
    with pytest.raises(ValueError, match="needs a peer"):
        result(peer=None)


def test_a_result_survives_as_json() -> None:
    made = result(note="n", limit=1.0)
    text = json.loads(json.dumps(made.as_dict()))
    assert set(text) >= DESIGNED and Result.from_dict(text) == made


def test_every_benchmark_is_listed_with_its_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == runner.names()
    assert all(len(line.split()) > 6 for line in lines)


def test_an_unknown_benchmark_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runner.main(["speed"])
    assert "mask_encode" in capsys.readouterr().err


def test_a_library_that_is_absent_is_named_and_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run() -> Result:
        need("no_such_library")
        return result()

    monkeypatch.setattr("benchmarks.startup.run", run)
    assert runner.main(["startup"]) == 2
    assert "startup needs no_such_library" in capsys.readouterr().err
    monkeypatch.setattr(runner, "names", lambda: ["startup"])
    monkeypatch.setattr(runner, "PAGE", tmp_path / "page.md")
    assert runner.main(["--all"]) == 0
    assert "startup" not in (tmp_path / "page.md").read_text()


def test_the_page_tells_every_kind_of_result() -> None:
    alone = result(name="memory", limit=1.0, limit_name="physics", **ALONE)
    text = runner.page([result(), alone, result(name="kitchen", further={"no clip failed": False})])
    assert "| startup | ms | 2 | 10 | 5x |  | ≥ 4x | holds |" in text
    assert "| memory | ms | 2 |  |  | 1 | ≤ 4 | holds |" in text
    assert "**missed**" in text and "no clip failed: **no**" in text and "Limit: physics." in text


def test_what_is_not_measured_anew_stays_on_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(runner, "PAGE", tmp_path / "page.md")
    runner.PAGE.write_text(runner.page([result(), result(name="memory"), result(name="kitchen")]))
    monkeypatch.setattr(runner, "_run", lambda name, as_json: result(name=name, ours=3.0))
    assert runner.main(["memory", "hota", "--write"]) == 1  # 3 is too slow
    text = runner.PAGE.read_text()
    assert "| startup | ms | 2 |" in text and "| memory | ms | 3 |" in text
    named = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert named == ["hota", "kitchen", "memory", "startup"]
    assert text.count("\n| ") == 5  # with the head


def test_a_line_tells_peer_and_verdict() -> None:
    assert runner.line(result()) == "startup: 2 ms; 5x against 10 (them 1.0); claimed ≥ 4x; ok"
    assert runner.line(result(**ALONE, note="alone")).endswith("claimed ≤ 4; alone; ok")


def test_one_benchmark_that_breaks_does_not_keep_the_others_from_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(name: str, as_json: bool) -> Result:
        if name == "kitchen":
            raise RuntimeError("no such room")
        return result(name=name)

    monkeypatch.setattr(runner, "_run", measured)
    monkeypatch.setattr(runner, "PAGE", tmp_path / "docs" / "performance.md")
    assert runner.main(["--all"]) == 1
    assert "kitchen broke" in capsys.readouterr().err
    assert "| startup |" in (tmp_path / "docs" / "performance.md").read_text()
