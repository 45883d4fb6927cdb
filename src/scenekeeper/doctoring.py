"""What this machine can run, what is missing, and the command that gets it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
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


@dataclass(frozen=True)
class ModelCheck:
    """Whether a model that is known to work can be used here.

    Attributes:
        name: as ``label --models`` takes it.
        fits: whether this machine has the memory.
        here: whether its checkpoint is on this machine.
        licence: its terms, in one line.
        needs: memory it needs, and on what.
        remedy: the command that gets what is missing; empty when nothing is.
    """

    name: str
    fits: bool
    here: bool
    licence: str
    needs: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


_EXTRAS = (
    ("torch", "torch", "models of other people", "pip install 'scenekeeper[models]'"),
    ("transformers", "transformers", "models of other people", "pip install 'scenekeeper[models]'"),
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
        _gpu(),
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


def doctor_models() -> list[ModelCheck]:
    """Look at which models can be used on this machine, and on what terms."""
    from scenekeeper.models.known import known_models, licence

    gpu, memory = _gpu_gb(), _memory_gb()
    installed = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
    checks = []
    for known in known_models():
        repository = known.name.partition(":")[2]
        if "://" in repository:  # runs on a server, of whose machine we know nothing
            continue
        here, terms = _is_here(repository), licence(known.licence)
        # Without a GPU weights lie in main memory, and every frame takes seconds.
        fits = known.gpu_gb <= (gpu or memory)
        remedy = "" if here else f"hf download {repository}"
        if known.gated and not here:
            remedy = f"accept the terms on its page, hf auth login, {remedy}"
        if not installed:
            remedy = "pip install 'scenekeeper[models]'"
        about = f"{known.licence}: {terms.about}" if terms else known.licence or "unknown"
        needs = f"{known.gpu_gb:g} GB {'of the GPU' if gpu else 'of memory, slow without a GPU'}"
        checks.append(ModelCheck(known.name, fits, here, about, needs, remedy))
    return checks


def _is_here(repository: str) -> bool:
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, "config.json"), str)


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError):
        return 0.0


def _gpu_gb() -> float:
    """Memory of the largest GPU, gigabytes; 0 = there is none."""
    if shutil.which("nvidia-smi") is None:
        return 0.0
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    sizes = [float(line) for line in done.stdout.split() if line.replace(".", "").isdigit()]
    return max(sizes, default=0.0) * 2**20 / 1e9


def _gpu() -> Check:
    size = _gpu_gb()
    if size:
        return Check("GPU", True, f"{size:.0f} GB")
    return Check("GPU", False, "none: large models take seconds a frame", "Fine without models.")
