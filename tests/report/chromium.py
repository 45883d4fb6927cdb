"""Headless Chromium, told what to do over a pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=1280,800"),
    "--remote-debugging-pipe",
)


class Page:
    """One open page."""

    def __init__(self, out: int, into: int) -> None:
        self._out, self._into = os.fdopen(out, "wb"), os.fdopen(into, "rb")
        self._number, self._session, self.errors = 0, "", list[str]()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; complaints on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            told = self._read()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return dict(told["result"])
            self._note(told)

    def open(self, page: Path) -> None:
        """Load a file and wait until it has drawn itself."""
        self.ask("Page.navigate", url=page.as_uri())
        self.run(
            "new Promise(done => { const look = () => document.readyState === 'complete'"
            " ? setTimeout(done, 300) : setTimeout(look, 20); look(); })"
        )

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, element: str) -> NDArray[np.uint8]:
        """What an element looks like, ``uint8 [300, 400, 3]`` whatever its size."""
        box = self.run(
            f"(e => {{ e.scrollIntoView(); const b = e.getBoundingClientRect();"
            " return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })"
            f"(document.querySelector({json.dumps(element)}))"
        )
        clip = {**dict(zip(("x", "y", "width", "height"), box, strict=True)), "scale": 1}
        shot = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        return np.array(image.resize((400, 300), Image.Resampling.BOX))

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._into.read(1)) != b"\0":
            assert byte, "the browser has gone"
            message += byte
        return dict(json.loads(message))

    def _note(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif told.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(str(params["entry"]))


@contextmanager
def browsing(profile: Path) -> Iterator[Page]:
    """A page of a browser of its own; ``profile`` is a new folder."""
    assert BROWSER is not None
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()

    def wire() -> None:  # the protocol wants descriptors 3 and 4
        commands, answers = os.dup(read_commands), os.dup(write_answers)
        os.dup2(commands, 3)
        os.dup2(answers, 4)

    browser = subprocess.Popen(
        [BROWSER, *FLAGS, f"--user-data-dir={profile}"],
        preexec_fn=wire,  # noqa: PLW1509 - between fork and exec it only moves descriptors
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Page(write_commands, read_answers)
    finally:
        browser.kill()
        browser.wait()
