"""The world as a page, a table, a tree and JSON: all is there, nothing is obeyed or fetched."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from scenekeeper.errors import DatasetError
from scenekeeper.report.world_page import world_page, write_world_page
from scenekeeper.report.world_points import outline, plan_picture, scene_points
from scenekeeper.report.world_table import world_json, world_table, world_tree
from scenekeeper.report.world_words import ago, class_colors, holders
from scenekeeper.schema import Relation
from scenekeeper.world.scene import Scene
from tests.report.chromium import BROWSER, Page, browsing
from tests.world.made_scene import HOSTILE, NOW_NS, made_scene, renamed, thing


def jpeg(color: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(buffer, "JPEG")
    return buffer.getvalue()


def payload(page: str) -> dict[str, Any]:
    found = re.search(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, re.S)
    assert found is not None
    return dict(json.loads(found[1]))


def said(renderable: Any) -> str:
    console = Console(file=io.StringIO(), width=220, color_system="truecolor", force_terminal=True)
    console.print(renderable)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --- the page -------------------------------------------------------------------------------------


def test_the_page_holds_every_thing_and_relation_of_the_scene() -> None:
    scene = made_scene()
    shown = payload(world_page(scene, name="home"))
    assert [t["id"] for t in shown["things"]] == [t.object for t in scene]
    assert [t["status"] for t in shown["things"]] == [t.status for t in scene]
    assert [r[:3] for r in shown["relations"]] == [
        [r.subject - 1, r.predicate, r.object - 1] for r in scene.relations
    ]
    mug = shown["things"][2]
    assert mug["center"] == [0.4, 0.1, 0.75] and mug["std"] == [0.01, 0.02, 0.03]
    assert mug["names"] == [["white mug", 0.8], ["other", 0.1]]
    assert mug["holder"] == ["on", 1] and mug["ago"] == "1.0 min"


def test_what_no_longer_holds_is_not_on_the_page() -> None:
    scene = made_scene()
    past = Relation(3, "on", 1, 0.9, until_t_ns=5)
    shown = payload(world_page(replace(scene, relations=(past,))))
    assert shown["relations"] == [] and shown["things"][2]["holder"] is None


def test_pictures_are_in_the_page_and_at_most_four_a_thing() -> None:
    page = world_page(made_scene(), pictures={3: [jpeg((k, 0, 0)) for k in range(6)]})
    assert [len(t["pictures"]) for t in payload(page)["things"]] == [0, 0, 4, 0, 0, 0, 0]


def test_it_asks_the_network_for_nothing_and_has_no_inline_handlers(tmp_path: Path) -> None:
    text = write_world_page(made_scene(), tmp_path / "w.html").read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not outside and "innerHTML" not in text
    assert not re.findall(r"<[^>]+\son\w+\s*=", text.split("</style>")[1].split("<script")[0])


def test_a_hostile_name_stays_a_name() -> None:
    page = world_page(renamed(made_scene(), 3, HOSTILE), name="<img src=x onerror=alert(1)>")
    assert "<script>alert" not in page
    assert "<img" not in re.sub(
        r'<script type="application/json".*?</script>', "", page, flags=re.S
    )
    assert payload(page)["things"][2]["phrase"] == HOSTILE


def test_numbers_that_are_not_finite_are_shown_as_unknown() -> None:
    scene = made_scene()
    odd = replace(scene.things[2], position_std=np.full(3, np.inf), center=np.full(3, np.nan))
    scene = replace(scene, things=(*scene.things[:2], odd))
    shown = payload(world_page(scene))["things"][2]
    assert shown["box"] is None and shown["std"] == [None] * 3
    json.dumps(world_json(scene), allow_nan=False)


def test_an_empty_world_has_a_page_too() -> None:
    shown = payload(world_page(Scene(())))
    assert shown["things"] == [] and shown["points"] is None and shown["plan"] is None


def test_a_page_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"file.w\.html.*Choose another file"):
        write_world_page(made_scene(), tmp_path / "file" / "w.html")


# --- its points and plan --------------------------------------------------------------------------


def test_points_lie_on_their_things_and_the_missing_has_none() -> None:
    scene = made_scene()
    points = scene_points(scene, np.eye(3))
    assert set(points.owner.tolist()) == {0, 1, 2, 3, 4, 6}
    for k in set(points.owner.tolist()):
        t = scene.things[k]
        local = (points.position[points.owner == k] - t.center) @ t.R_world_box
        assert (np.abs(local) <= t.extent / 2 + 0.03).all()


def test_a_large_world_is_drawn_with_fewer_points() -> None:
    scene = made_scene()
    points = scene_points(scene, np.eye(3), limit=2000)
    assert 300 < len(points.position) <= 2600 and points.size > 0.025
    for k in (0, 1, 3):
        middle = points.position[points.owner == k].mean(0)
        np.testing.assert_allclose(middle, scene.things[k].center, atol=points.size)


def test_walls_face_the_middle_of_the_scene() -> None:
    wall = thing(9, "wall", (0, 1, 1), (3, 0.06, 2), kind="wall")
    points = scene_points(Scene((wall, thing(2, "table", (0, 0, 0.4), (1, 1, 0.8)))), np.eye(3))
    normal = points.normal[points.owner == 0]
    np.testing.assert_allclose(normal, np.broadcast_to([0, -1, 0], normal.shape), atol=1e-6)


def test_the_plan_shows_the_highest_from_above_at_its_place() -> None:
    low = thing(1, "rug", (0, 0, 0), (1, 1, 0.04), rgb=np.array([0, 0, 250], np.uint8))
    high = thing(2, "box", (0.3, 0.2, 0.3), (0.2, 0.2, 0.2), rgb=np.array([250, 0, 0], np.uint8))
    plan = plan_picture(scene_points(Scene((low, high)), np.eye(3)))
    assert plan is not None
    x0, y0, x1, y1 = plan["box"]
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(plan["png"]))))
    for (x, y), channel in (((0.3, 0.2), 0), ((-0.3, -0.2), 2)):
        row = int((y1 - y) / (y1 - y0) * len(picture))
        pixel = picture[row, int((x - x0) / (x1 - x0) * picture.shape[1])]
        assert pixel[3] == 255 and pixel[:3].argmax() == channel


@pytest.mark.parametrize("extent", [(0.4, 0.2, 0.1), (0.3, 0.0, 0.2), (0.0, 0.0, 0.0)])
def test_an_outline_is_the_box_from_above(extent: tuple[float, float, float]) -> None:
    t = thing(1, "x", (1, 2, 3), extent, angle=0.6, solid=False)
    corners = np.array(outline(t, np.eye(3)))
    local = (np.c_[corners, np.full(4, 3)] - t.center) @ t.R_world_box
    np.testing.assert_allclose(np.abs(local[:, :2]), [np.array(extent[:2]) / 2] * 4, atol=2e-3)
    x, y = corners.T
    assert x @ np.roll(y, -1) - y @ np.roll(x, -1) >= -1e-9


# --- words, table, tree, JSON ---------------------------------------------------------------------


def test_a_thing_in_a_box_on_a_table_is_in_the_box() -> None:
    held = holders(made_scene())
    assert {a: (r.predicate, r.object) for a, r in held.items()} == {
        2: ("on", 1),
        3: ("on", 2),
        4: ("on", 2),
        5: ("in", 4),
        6: ("on", 1),
    }


def test_things_that_hold_each_other_make_no_circle() -> None:
    circle = tuple(Relation(a, "on", b, 0.5 + a / 10) for a, b in ((2, 3), (3, 4), (4, 2)))
    scene = replace(made_scene(), relations=circle)
    assert {a: r.object for a, r in holders(scene).items()} == {3: 4, 4: 2}
    assert "white mug o3" in said(world_tree(scene))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "now"), (0.4, "now"), (12, "12 s"), (90, "1.5 min"), (7200, "2.0 h"), (3e6, "35 d")],
)
def test_ages_are_short(seconds: float, words: str) -> None:
    assert ago(NOW_NS - int(seconds * 1e9), NOW_NS) == words


def test_classes_differ_in_colour_and_the_unnamed_is_grey() -> None:
    colors = class_colors(made_scene())
    assert colors["object"] == colors["floor"] == "#8b929d"
    named = [colors[n] for n in ("table", "white mug", "box", "chair", "lamp")]
    assert len({*named, colors["object"]}) == 6


def test_the_table_says_what_and_where_each_thing_is() -> None:
    rows = {line.split()[0]: line for line in said(world_table(made_scene())).splitlines()}
    assert list(rows) == ["id", "o1", "o2", "o3", "o4", "o5", "o6", "o7"]
    for word in ("white mug 80 %", "90 %", "moved", "0.40   0.10   0.75", "8.0 x 12 x 10 cm"):
        assert word in rows["o3"]
    assert "1.0 min ago" in rows["o3"] and "on table o2" in rows["o3"]
    assert "no name yet" in rows["o5"] and "in box o4" in rows["o5"] and "\u2713" in rows["o7"]
    assert "floor o1" in rows["o2"]
    shorter = said(world_table(made_scene(), structure=False)).splitlines()
    assert [line.split()[0] for line in shorter] == ["id", *list(rows)[2:]]


def test_the_tree_goes_from_the_floor_up() -> None:
    lines = said(world_tree(made_scene())).splitlines()
    at = {word: next(k for k, t in enumerate(lines) if word in t) for word in ("o1", "o4", "o5")}
    assert at["o1"] < at["o4"] < at["o5"] == at["o4"] + 1
    assert lines[at["o5"]].index("in ") > lines[at["o4"]].index("on ")
    assert "on nothing that is known" in lines[-2] and "lamp o7" in lines[-1]


def test_a_terminal_does_not_obey_a_name() -> None:
    scene = renamed(made_scene(), 3, HOSTILE)
    for text in (said(world_table(scene)), said(world_tree(scene))):
        assert "\x1b" not in text and "[red]" in text


def test_json_says_it_in_full() -> None:
    told = json.loads(json.dumps(world_json(made_scene())))
    mug = told["things"][2]
    assert mug["name"] == "white mug" and mug["holder"] == ["on", 2] and mug["status"] == "moved"
    assert told["things"][4]["name"] is None and len(told["relations"]) == 7


# --- in a browser ---------------------------------------------------------------------------------

in_browser = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("world")
    scene = renamed(made_scene(), 7, HOSTILE)
    page = write_world_page(scene, folder / "w.html", pictures={3: [jpeg((250, 0, 0))]})
    with browsing(folder / "profile") as browser:
        browser.open(page)
        yield browser
        assert browser.errors == []


def text_of(page: Page, element: str) -> str:
    return str(page.run(f"document.querySelector('{element}').textContent"))


def colours(picture: np.ndarray) -> int:  # type: ignore[type-arg]
    return len(np.unique(picture.reshape(-1, 3) // 16, axis=0))


@pytest.mark.usefixtures("opened")
class TestInABrowser:
    pytestmark = in_browser

    def test_it_draws_plan_scene_list_and_legend(self, opened: Page) -> None:
        assert colours(opened.picture("#plan")) > 30 and colours(opened.picture("#scene")) > 30
        assert opened.run("document.querySelectorAll('#list button').length") == 6
        assert opened.run("document.querySelectorAll('#plan [data-thing]').length") == 7
        for status in ("stale", "missing", "moved", "conflicted", "tentative"):
            assert status in text_of(opened, "#legend")
        assert "alert(1)" in text_of(opened, "#list")

    def test_search_finds_by_name_place_and_status(self, opened: Page) -> None:
        def found(words: str) -> str:
            opened.run(
                f"(s => {{ s.value = {json.dumps(words)}; s.dispatchEvent(new Event('input')); }})"
                "(document.querySelector('#search'))"
            )
            return text_of(opened, "#list")

        assert "o3" in found("MUG") and "o4" not in found("MUG")
        assert "o5" in found("in box") and "o6" in found("missing") and found("zebra") == ""
        found("")

    @pytest.mark.parametrize("where", ["#list", "#plan"])
    def test_a_click_shows_what_is_known(self, opened: Page, where: str) -> None:
        event = "new PointerEvent(kind, {bubbles: true, pointerId: 1})"
        opened.run(
            f"(e => {{ for (const kind of ['pointerdown', 'pointerup']) e.dispatchEvent({event});"
            " if (e.click) e.click(); })"
            f'(document.querySelector(\'{where} [data-thing="2"] polygon, #list{where[5:]}'
            ' [data-thing="2"]\'))'
        )
        details = text_of(opened, "#details")
        opened.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
        for words in ("white mug", "moved", "80 %", "0.40, 0.10, 0.75 m", "± 1.0, 2.0, 3.0 cm"):
            assert words in details
        assert "next to" in details and "monday/7" in details
        assert "What is where" in text_of(opened, "#details")

    def test_the_list_is_walked_with_arrow_keys_and_enter(self, opened: Page) -> None:
        opened.run("document.querySelector('#list button').focus()")
        key = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {0}))"
        opened.run(key.format("{key: 'ArrowDown', bubbles: true}"))
        assert opened.run("document.activeElement === document.querySelectorAll('#list button')[1]")

    def test_a_thing_clicked_in_the_scene_is_chosen(self, opened: Page) -> None:
        opened.run(
            "(c => { const r = c.getBoundingClientRect(), n = 40; for (let k = 0; k < n * n; k++) {"
            " const at = {bubbles: true, pointerId: 1, clientX: r.x + r.width * (k % n) / n,"
            " clientY: r.y + r.height * Math.floor(k / n) / n};"
            " if (document.querySelector('#list [aria-pressed=true]')) break;"
            " c.setPointerCapture = () => {};"
            " for (const kind of ['pointerdown', 'pointerup'])"
            " c.dispatchEvent(new PointerEvent(kind, at)); } })(document.querySelector('#scene'))"
        )
        assert "Belief" in text_of(opened, "#details")
        opened.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")

    def test_dark_and_light_follow_the_system(self, opened: Page) -> None:
        seen = set()
        for scheme in ("dark", "light"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            opened.ask("Emulation.setEmulatedMedia", features=features)
            seen.add(opened.run("getComputedStyle(document.body).backgroundColor"))
        assert len(seen) == 2

    @pytest.mark.parametrize("width", [1280, 800])
    def test_nothing_sticks_out(self, opened: Page, width: int) -> None:
        opened.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        opened.run("new Promise(done => setTimeout(done, 200))")
        assert opened.run("document.documentElement.scrollWidth") <= width
        if width == 1280:
            assert opened.run("document.documentElement.scrollHeight") <= 800
