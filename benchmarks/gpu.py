"""Models of real size on a GPU: frames per second, share of the card's peak, and the plain loop.

``python -m benchmarks.gpu`` writes checkpoints of real size with random weights, opens them as a
user's are opened, and measures them on made pictures of 1920x1080 against what transformers' own
pages show. It needs a GPU, so it is none of those that ``python -m benchmarks`` lists.

The share of the peak (MFU) is the card's floating-point operations of a frame times frames per
second over the dense bfloat16 peak of the device. With ``--tiny`` the same code runs anywhere with
the tests' tiny models, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.gpu_measures import MEASURES, Bench, Measure, give_back
from benchmarks.harness import NotHereError, need
from benchmarks.real_size import KINDS
from scenekeeper.models import Device

PEAKS: Mapping[str, float] = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "RTX 5090": 210e12,
}
"""Dense bfloat16 operations per second, by what is in the device's name."""


def main(arguments: Sequence[str] | None = None) -> int:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=summary)
    parser.add_argument("--tiny", action="store_true", help="tiny models, on whatever is here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", choices=KINDS, help="measure this one")
    parser.add_argument("--folder", type=Path, help="keep the checkpoints there (20 GB)")
    parser.add_argument("--peak", type=float, help="dense bfloat16 operations/s, e.g. 989e12")
    chosen = parser.parse_args(arguments)
    try:
        device = find_device(chosen.tiny)
        peak = chosen.peak or peak_of(device_name(device), chosen.tiny)
    except NotHereError as error:
        print(f"benchmarks.gpu {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as made:
        bench = Bench(device, peak, chosen.folder or Path(made), chosen.tiny)
        measures = list(_measure(bench, chosen.only, quiet=chosen.json))
    if chosen.json:
        facts = {"device": device_name(device), "peak": peak, "tiny": chosen.tiny}
        told = [measure.as_dict() for measure in measures]
        print(json.dumps({**facts, "versions": versions(), "measures": told}))
    return 1 if any(measure.holds is False for measure in measures) else 0


def _measure(bench: Bench, only: str | None, quiet: bool) -> Iterator[Measure]:
    """Measures, each printed as soon as it is there."""
    if not quiet:
        print(f"{device_name(bench.device)}; {', '.join(versions().values())}")
        print(line("measure", "unit", "ours", "peer", "ratio", "claimed", "", "on"))
    for kind in [only] if only else KINDS:
        for measure in MEASURES[kind](bench):
            if not quiet:
                print(row(measure), flush=True)
            yield measure
        give_back()


def row(m: Measure) -> str:
    """A measure as a row of the table."""
    claimed = "" if m.target is None else f">= {m.target:g}{'' if m.ratio is None else 'x'}"
    verdict = {None: "", True: "holds", False: "MISSED"}[m.holds]
    peer = "" if m.peer is None else f"{m.peer:.3g}"
    ratio = "" if m.ratio is None else f"{m.ratio:.2f}x"
    return line(m.name, m.unit, f"{m.ours:.3g}", peer, ratio, claimed, verdict, m.note)


def line(name: str, unit: str, *cells: str) -> str:
    *figures, note = cells
    told = " ".join(f"{cell:>8}" for cell in figures)
    return f"{name:24} {unit:12} {told}  {note}".rstrip()


def find_device(tiny: bool) -> Device:
    """The GPU; with tiny models, whatever is here.

    Raises:
        NotHereError: torch or a GPU is not here.
    """
    need("torch", "torchvision", "transformers")
    import torch

    from scenekeeper.models import pick_device

    device = pick_device()
    if device.name == "cpu" and not tiny:
        raise NotHereError(
            f"needs a GPU, and torch {torch.__version__} sees none here."
            " Run it on a machine with one; --tiny tries the code on this one."
        )
    return device


def device_name(device: Device) -> str:
    """As its maker calls it."""
    import torch

    return "CPU" if device.name == "cpu" else str(torch.cuda.get_device_name(device.name))


def peak_of(name: str, tiny: bool) -> float | None:
    """Dense bfloat16 operations per second of a device.

    Raises:
        NotHereError: it is not known.
    """
    for part, peak in PEAKS.items():
        if part in name:
            return peak
    if tiny:
        return None
    raise NotHereError(f"does not know the peak of {name}: say it with --peak, e.g. --peak 989e12")


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    from importlib.metadata import version

    return {name: f"{name} {version(name)}" for name in ("torch", "transformers")}


if __name__ == "__main__":
    sys.exit(main())
