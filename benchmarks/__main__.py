"""``python -m benchmarks``: list, run one, or run all and rewrite ``docs/performance.md``."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

import benchmarks
from benchmarks.harness import Result

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NOT_BENCHMARKS = {"__main__", "harness"}
VERSIONS = ("numpy", "scipy", "pyarrow", "duckdb", "av")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="the benchmark to run; without one they are listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--all", action="store_true", help=f"run all and rewrite docs/{PAGE.name}")
    chosen = parser.parse_args(arguments)
    if chosen.all:
        results = [_run(name, chosen.json) for name in names()]
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(results), encoding="utf-8")
        return 0 if all(result.ok for result in results) else 1
    if chosen.name is None:
        for name in names():
            print(f"{name:20} {_claim(name)}")
        return 0
    if chosen.name not in names():
        parser.error(f"no benchmark {chosen.name!r}; there are: {', '.join(names())}")
    return 0 if _run(chosen.name, chosen.json).ok else 1


def names() -> list[str]:
    """Names of all benchmarks."""
    found = {module.name for module in iter_modules(benchmarks.__path__)}
    return sorted(found - NOT_BENCHMARKS)


def page(results: Sequence[Result]) -> str:
    """The page of measured claims as Markdown."""
    lines = [
        "# Performance",
        "",
        "Each line is a claim against the best known peer, measured by `python -m benchmarks`"
        " with both sides in turn in the same run: medians, CPU time. Written by"
        " `python -m benchmarks --all`; edit the benchmarks, not this page.",
        "",
        f"Measured {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {_machine()}.",
        "",
        "| benchmark | input | unit | ours | peer | ratio | target | |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    for r in results:
        numbers = f"{r.ours:.3g} | {r.peer:.3g} | {r.ratio:.1f}x | {r.target:g}x"
        verdict = "holds" if r.ok else "**missed**"
        lines.append(f"| {r.name} | {r.input} | {r.unit} | {numbers} | {verdict} |")
    lines += ["", "What each one claims, and against whom:", ""]
    lines += [f"- **{r.name}**: {_claim(r.name)} Peer: {r.peer_name}." for r in results]
    return "\n".join(lines) + "\n"


def _run(name: str, as_json: bool) -> Result:
    result: Result = import_module(f"benchmarks.{name}").run()
    if as_json:
        print(json.dumps(result.as_dict()))
    else:
        print(
            f"{result.name}: {result.ours:.3g} {result.unit}, {result.peer_name} {result.peer:.3g},"
            f" {result.ratio:.1f}x (target {result.target:g}x): {'ok' if result.ok else 'MISSED'}"
        )
    return result


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
