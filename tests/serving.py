"""A real server of vision-language models, ``transformers serve``, while a test needs it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 240


@contextmanager
def serving(model: Path, home: Path) -> Iterator[str]:
    """Address of a server for a checkpoint.

    Args:
        model: the checkpoint's folder.
        home: an empty folder, in the place of the hub's cache.
    """
    for package in ("fastapi", "uvicorn", "openai", "pydantic"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not here; pip install 'transformers[serving]'")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    command += ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    log = home / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, env={**environment, "OMP_NUM_THREADS": "1"}, stdout=out, stderr=out
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(20)


def _wait(health: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(health, timeout=1):
                return
        except OSError:
            assert server.poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)
    pytest.fail(f"no server after {START_S} s: {log.read_text(errors='replace')[-2000:]}")
