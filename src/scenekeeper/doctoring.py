"""What this machine can run, what is missing, and the command that gets it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        what: what was looked at.
        ok: whether it is there and good enough.
        found: what was found.
        remedy: the command or act that mends it; empty when fine.
    """

    what: str
    ok: bool
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


_EXTRAS = (
    ("rerun", "rerun", "export to Rerun", "pip install 'scenekeeper[rerun]'"),
    ("h5py", "h5py", "HDF5 recordings (ALOHA, ACT)", "pip install 'scenekeeper[hdf5]'"),
)


def doctor() -> list[Check]:
    """Look at this machine."""
    return [
        _python(),
        _memory(),
        _disk(),
        *_libraries(),
        _video(),
        *(_extra(*extra) for extra in _EXTRAS),
    ]


def _python() -> Check:
    fine = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} on {os.cpu_count()} cores"
    return Check("python", fine, found, "" if fine else "Install Python 3.11 or newer.")


def _memory() -> Check:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return Check("memory", True, "unknown")
    fine = total > 1.5
    return Check("memory", fine, f"{total:.1f} GiB", "" if fine else "Labelling needs 1 GiB free.")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    fine = free > 1
    return Check("disk here", fine, f"{free:.1f} GiB free", "" if fine else "Free some space.")


def _libraries() -> list[Check]:
    checks = []
    for package in ("numpy", "scipy", "pyarrow", "duckdb", "av", "mcap", "rosbags"):
        try:
            checks.append(Check(package, True, version(package)))
        except PackageNotFoundError:
            checks.append(Check(package, False, "missing", f"pip install {package}"))
    return checks


def _video() -> Check:
    import av

    wanted = {"h264": "H.264", "hevc": "H.265", "av1": "AV1", "vp9": "VP9"}
    here = av.codecs_available
    aliases = {"av1": {"av1", "libdav1d", "libaom-av1"}}
    missing = [name for codec, name in wanted.items() if not aliases.get(codec, {codec}) & here]
    if missing:
        return Check("video decoding", False, f"no {', '.join(missing)}", "pip install -U av")
    return Check("video decoding", True, ", ".join(wanted.values()))


def _extra(what: str, module: str, purpose: str, command: str) -> Check:
    there = importlib.util.find_spec(module) is not None
    return Check(
        what, there, purpose if there else f"not installed ({purpose})", "" if there else command
    )
