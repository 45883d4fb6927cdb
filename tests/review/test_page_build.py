"""The committed page is what its source builds, and its logic does what this package does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scenekeeper.review.app import STATIC, page_version
from tests.review.page_shared import shared

WEB = Path(__file__).parents[2] / "web"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None or not (WEB / "node_modules").is_dir(),
    reason="needs Node 20 and the page's packages: cd web && npm ci",
)


def test_what_both_sides_share_is_written_down() -> None:
    """To write it anew: SCENEKEEPER_WRITE=1 pytest tests/review/test_page_build.py."""
    file, text = WEB / "test" / "shared.json", json.dumps(shared()) + "\n"
    if os.environ.get("SCENEKEEPER_WRITE"):
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


def test_the_page_names_its_own_version() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert f'name="scenekeeper-page" content="{page_version()}"' in text
    assert set(re.findall(r"\?v=(\w+)", text)) == {page_version()}


def test_the_page_asks_nobody_else_and_holds_no_inline_code() -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
    for name in ("index.html", "app.js", "app.css"):
        text = (STATIC / name).read_text(encoding="utf-8")
        outside = set(re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z0-9.-]+[^\s\"'`)]*", text))
        # Names of XML, which nothing is fetched from.
        assert {u for u in outside if "www.w3.org" not in u} == set(), name
        assert "eval(" not in text and "new Function" not in text


@needs_node
@pytest.mark.slow
def test_the_committed_page_is_what_its_source_builds(tmp_path: Path) -> None:
    subprocess.run([str(NODE), "build.mjs", str(tmp_path)], cwd=WEB, check=True)
    built = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    committed = {p.name: p.read_bytes() for p in STATIC.iterdir()}
    assert built == committed, "cd web && npm run build, then commit the result"


@needs_node
@pytest.mark.slow
def test_the_source_is_sound() -> None:
    for script in ("tsc --noEmit", "build.mjs --test"):
        program, *arguments = script.split()
        path = WEB / "node_modules" / ".bin" / program if program == "tsc" else program
        subprocess.run([str(NODE), str(path), *arguments], cwd=WEB, check=True)
    done = subprocess.run(
        [str(NODE), "--test", "build/"], cwd=WEB, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
