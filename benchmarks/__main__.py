"""``python -m benchmarks``: list, run one, or run all and rewrite ``docs/performance.md``."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

import benchmarks
from benchmarks.harness import NotHereError, Result
from scenekeeper.store import atomic

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NOT_BENCHMARKS = {"__main__", "harness", "moving_boxes", "byte_track", "peer_trackers"}
NOT_BENCHMARKS |= {"doubtful_rooms", "confused_names", "placed_things", "revisited"}
NOT_BENCHMARKS |= {"looked_at", "lookalikes"}
NOT_BENCHMARKS |= {"concept_graphs", "mapping_input", "mapping_quality", "our_map", "peer_map"}
NOT_BENCHMARKS |= {
    "tiny_sam",
    "long_review",
    "reviewed_rooms",
    "doubtful_tracks",
    "simulated_reviewer",
}
NOT_BENCHMARKS |= {"gpu", "gpu_measures", "plain_loop", "real_size"}  # a GPU is not everywhere
VERSIONS = ("numpy", "scipy", "pyarrow", "duckdb", "av")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help="what to run; without any they are listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--all", action="store_true", help=f"run all and rewrite docs/{PAGE.name}")
    parser.add_argument("--write", action="store_true", help=f"put them on docs/{PAGE.name}")
    chosen = parser.parse_args(arguments)
    if chosen.all:
        return _run_all(chosen.json)
    if not chosen.name:
        for name in names():
            print(f"{name:20} {_claim(name)}")
        return 0
    if unknown := set(chosen.name) - set(names()):
        parser.error(f"no benchmark {sorted(unknown)[0]!r}; there are: {', '.join(names())}")
    try:
        results = [_run(name, chosen.json) for name in chosen.name]
    except NotHereError as error:
        print(f"{' '.join(chosen.name)} {error}", file=sys.stderr)
        return 2
    if chosen.write:
        atomic.write_text(PAGE, page(results, PAGE.read_text(encoding="utf-8")))
    return 0 if all(result.ok for result in results) else 1


def names() -> list[str]:
    """Names of all benchmarks."""
    found = {module.name for module in iter_modules(benchmarks.__path__)}
    return sorted(found - NOT_BENCHMARKS)


def page(results: Sequence[Result], before: str = "") -> str:
    """The page of measured claims as Markdown.

    Args:
        results: new ones.
        before: the page as it was; what is not measured anew stays on it.
    """
    rows = {m[1]: m[0] for m in re.finditer(r"^\| (\w+) \|.*$", before, re.M) if m[1] in names()}
    texts = {t.partition("\n")[0]: t.rstrip() for t in before.split("\n## ")[1:]}
    rows |= {r.name: _row(r) for r in results}
    texts |= {r.name: "\n".join(_text(r)) for r in results}
    lines = [
        "# Performance",
        "",
        "Each line is a claim that `python -m benchmarks NAME` measures, ours and the peer in turn"
        " in the same run, medians. Written by `python -m benchmarks --all`, or `NAME --write`;"
        " edit the benchmarks, not this page.",
        "",
        f"Last measured {_today()} on {_machine()}.",
        "",
        "| benchmark | unit | ours | peer | ratio | limit | claimed | |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [rows[name] for name in sorted(rows)]
    for name in sorted(rows.keys() & texts.keys()):
        lines += ["", f"## {texts[name]}"]
    return "\n".join(lines) + "\n"


def _row(r: Result) -> str:
    numbers = (_number(r.ours), _number(r.peer), _number(r.ratio, "x"), _number(r.limit))
    verdict = "holds" if r.ok else "**missed**"
    return f"| {r.name} | {r.unit} | {' | '.join(numbers)} | {claimed(r)} | {verdict} |"


def _text(r: Result) -> Iterator[str]:
    yield from (r.name, "", _claim(r.name), "", f"- Measured {_today()}.", f"- Input: {r.input}.")
    if r.peer_name:
        yield f"- Peer: {r.peer_name}."
    if r.limit_name:
        yield f"- Limit: {r.limit_name}."
    for said, so in r.further.items():
        yield f"- {said}: {'yes' if so else '**no**'}."
    if r.note:
        yield f"- {r.note}."


def _today() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"


def line(r: Result) -> str:
    """A result in one line."""
    parts = [f"{r.name}: {_number(r.ours)} {r.unit}"]
    if r.peer is not None:
        parts.append(f"{_number(r.ratio, 'x')} against {_number(r.peer)} ({r.peer_name})")
    parts += [f"claimed {claimed(r)}", r.note, "ok" if r.ok else "MISSED"]
    return "; ".join(part for part in parts if part)


def claimed(r: Result) -> str:
    """What is claimed of the ratio or of our own figure."""
    if r.target_of == "ratio":
        return f"≥ {r.target:g}x"
    return f"{'≤' if r.better == 'less' else '≥'} {r.target:g}"


def _number(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:.3g}{unit}"


def _run(name: str, as_json: bool) -> Result:
    result: Result = import_module(f"benchmarks.{name}").run()
    print(json.dumps(result.as_dict()) if as_json else line(result), flush=True)
    return result


def _run_all(as_json: bool) -> int:
    """Run every benchmark; one that breaks does not keep the others from the page.

    One whose libraries are not here is not on it, and is no failure.
    """
    results, broken = [], False
    for name in names():
        try:
            results.append(_run(name, as_json))
        except NotHereError as error:
            print(f"{name} {error}", file=sys.stderr)
        except Exception as error:
            print(f"{name} broke: {error!r}", file=sys.stderr)
            broken = True
    PAGE.parent.mkdir(exist_ok=True)
    atomic.write_text(PAGE, page(results))
    return 0 if not broken and all(result.ok for result in results) else 1


def _claim(name: str) -> str:
    text = import_module(f"benchmarks.{name}").__doc__ or ""
    return text.partition("\n\n")[0].replace("\n", " ").strip()


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{package} {version(package)}" for package in VERSIONS)
    return (
        f"{_processor()}, {cores} cores, {platform.system()}, Python {platform.python_version()},"
        f" {versions}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    named = [line for line in text.splitlines() if line.startswith("model name")]
    return named[0].partition(":")[2].strip() if named else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
