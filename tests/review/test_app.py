"""The review over HTTP: what is let in, what is refused, and how it is told."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scenekeeper.errors import DatasetError
from scenekeeper.review.access import Access, rules
from scenekeeper.review.app import make_app, page_version
from scenekeeper.review.asked import MAX_POST
from tests.review import tiny
from tests.review.browser import OURS, PORT, Browser
from tests.review.made_desk import MadeDesk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("app")
    tiny.labelled(path)
    static = path / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "app.js").write_text("0;")
    (static / "app.css").write_text("p{}")
    (path / "secret").write_text("secret")
    return path


@pytest.fixture
def desk(folder: Path) -> MadeDesk:
    return MadeDesk(tiny.Dataset.open(folder / "tiny.sk"))


@pytest.fixture
def access() -> Access:
    return rules("127.0.0.1", PORT, None)


@pytest.fixture
def stranger(desk: MadeDesk, folder: Path, access: Access) -> Iterator[Browser]:
    """A browser that has not signed in."""
    with Browser(make_app(desk, access, "ann", folder / "static")) as browser:
        yield browser


@pytest.fixture
def client(stranger: Browser, access: Access) -> Browser:
    """A browser that has signed in and sends what our page sends."""
    stranger.get(f"/?token={access.new_token()}")
    stranger.headers.update(OURS)
    return stranger


def decision(n: int, card: str = "t-walk-0", **more: Any) -> dict[str, Any]:
    subject = {"kind": "track", "session": "walk", "id": 0}
    return {"id": f"decision-{n}", "op": "accept", "subject": subject, "card": card, **more}


# --- coming in ------------------------------------------------------------------------------------


def test_without_a_link_the_page_says_how_to_start(stranger: Browser) -> None:
    answer = stranger.get("/")
    assert answer.status_code == 401 and "scenekeeper review" in answer.text
    assert "page" not in answer.text.split("<title>")[1].split("</title>")[0]


def test_a_link_becomes_a_strict_cookie_and_leaves_the_address(
    stranger: Browser, access: Access
) -> None:
    link = f"/?token={access.new_token()}"
    answer = stranger.get(link, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and f"-{PORT}=" in cookie
    assert stranger.get("/").text.endswith("<title>page</title>")
    again = stranger.get(link, follow_redirects=False)
    assert again.status_code == 303  # whoever is in may open the old link
    stranger.cookies.clear()
    assert stranger.get(link).status_code == 401


def test_who_follows_a_link_from_another_site_comes_in_at_the_second_step(
    stranger: Browser,
) -> None:
    # Browsers withhold a strict cookie on a way that began at another site.
    page = stranger.get("/", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 401 and 'http-equiv="refresh"' in page.text
    page = stranger.get("/", headers={"Sec-Fetch-Site": "same-origin"})
    assert page.status_code == 401 and "refresh" not in page.text


ADDRESSES = (
    "/api/state",
    "/api/card/t-walk-0",
    "/api/frame/walk/0",
    "/media/frame/walk/0.webp",
    "/media/crop/walk/0/0,0,9,9.webp",
    "/media/strip/t-walk-0.webp",
    "/static/app.js",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_shown_to_who_is_not_signed_in(stranger: Browser, address: str) -> None:
    answer = stranger.get(address)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "place", "remedy"} and answer.json()["remedy"]


@pytest.mark.parametrize("address", [*ADDRESSES, "/", "/nowhere"])
@pytest.mark.parametrize("signed_in", [False, True])
def test_every_answer_carries_the_headers_that_keep_others_out(
    stranger: Browser, access: Access, address: str, signed_in: bool
) -> None:
    if signed_in:
        stranger.get(f"/?token={access.new_token()}")
    headers = stranger.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "private" in headers["cache-control"] or re.match("no-", headers["cache-control"])


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1.nip.io", ""])
def test_a_rebound_name_sees_nothing_even_with_the_cookie(client: Browser, host: str) -> None:
    answer = client.get("/api/state", headers={"Host": host})
    assert answer.status_code == 400 and "127.0.0.1" in answer.json()["remedy"]


POSTS = ("/api/cards", "/api/decisions", "/api/release", "/api/reviewer", "/api/mask")


@pytest.mark.parametrize("address", POSTS)
@pytest.mark.parametrize(
    "change",
    [
        {"X-Scenekeeper": "0"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9"},
    ],
)
def test_another_page_changes_nothing(
    client: Browser, desk: MadeDesk, address: str, change: dict[str, str]
) -> None:
    answer = client.post(address, json=[decision(1)], headers=change)
    assert answer.status_code == 403 and not desk.decisions


def test_a_change_cannot_be_made_by_following_an_address(client: Browser) -> None:
    assert {client.get(address).status_code for address in POSTS} == {405}


# --- the page -------------------------------------------------------------------------------------


def test_the_state_names_the_reviewer_and_the_version_of_the_page(
    client: Browser, folder: Path
) -> None:
    state = client.get("/api/state").json()
    assert state["reviewer"] == "ann" and state["dataset"] == "tiny.sk"
    assert state["page"] == page_version(folder / "static") != ""


def test_the_pages_version_changes_with_its_script(folder: Path, tmp_path: Path) -> None:
    for name in ("app.js", "app.css"):
        (tmp_path / name).write_bytes((folder / "static" / name).read_bytes())
    before = page_version(tmp_path)
    (tmp_path / "app.js").write_text("1;")
    assert page_version(tmp_path) != before == page_version(folder / "static")


def test_static_files_are_kept_under_their_version_only(client: Browser) -> None:
    version = client.get("/api/state").json()["page"]
    kept = client.get(f"/static/app.js?v={version}")
    assert kept.text == "0;" and "immutable" in kept.headers["cache-control"]
    assert "javascript" in kept.headers["content-type"]
    assert "immutable" not in client.get("/static/app.js?v=old").headers["cache-control"]


def test_a_missing_page_says_how_to_build_it(desk: MadeDesk, tmp_path: Path) -> None:
    access = rules("127.0.0.1", PORT, None)
    with Browser(make_app(desk, access, "ann", tmp_path / "none")) as client:
        answer = client.get(f"/?token={access.new_token()}")
    assert answer.status_code == 404 and "npm run build" in answer.json()["remedy"]


def test_a_reviewer_is_who_they_say(client: Browser, desk: MadeDesk) -> None:
    assert client.post("/api/reviewer", json={"name": "  Bob  Ray "}).json()["reviewer"] == (
        "Bob Ray"
    )
    client.post("/api/decisions", json=[decision(1)])
    assert desk.actors == {"decision-1": "Bob Ray"}


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\0b", None, 7.5, ["a"]])
def test_a_name_that_is_none_is_refused(client: Browser, name: Any) -> None:
    assert client.post("/api/reviewer", json={"name": name}).status_code == 400
    assert client.get("/api/state").json()["reviewer"] == "ann"


# --- cards and decisions --------------------------------------------------------------------------


def test_a_card_tells_nothing_of_why_it_is_shown(client: Browser) -> None:
    answer = client.post("/api/cards", json={"n": 100}).json()
    assert len(answer["cards"]) >= 4
    for card in answer["cards"]:
        assert not {"sample", "seconds", "stream", "pi"} & set(card)
        assert client.get(f"/api/card/{card['id']}").json() == card
    assert "audit" not in json.dumps(answer) and "repair" not in json.dumps(answer)


def test_two_browsers_never_hold_one_card(
    client: Browser, desk: MadeDesk, folder: Path, access: Access
) -> None:
    def ids(browser: Browser, n: int) -> set[str]:
        return {c["id"] for c in browser.post("/api/cards", json={"n": n}).json()["cards"]}

    mine = ids(client, 2)
    with Browser(make_app(desk, access, "bob", folder / "static"), OURS) as other:
        other.get(f"/?token={access.new_token()}")
        theirs = ids(other, 40)
        assert len(mine) == 2 and theirs and not mine & theirs
        other.post("/api/release", json={"cards": list(mine)})
        assert not ids(other, 40)  # one cannot give back what others hold
        client.post("/api/release", json={"cards": list(mine)})
        assert ids(other, 40) == mine


def test_a_page_that_was_loaded_again_gets_its_cards_again(client: Browser) -> None:
    mine = [c["id"] for c in client.post("/api/cards", json={"n": 2}).json()["cards"]]
    more = client.post("/api/cards", json={"n": 2, "have": mine}).json()["cards"]
    again = client.post("/api/cards", json={"n": 2, "have": []}).json()["cards"]
    assert [c["id"] for c in again] == mine and not {c["id"] for c in more} & set(mine)


def test_a_decision_that_is_none_does_not_hold_up_the_others(client: Browser) -> None:
    sent = [decision(1), {"id": "decision-2", "op": "steal"}, 7, decision(3)]
    receipts = client.post("/api/decisions", json=sent).json()
    assert [r["status"] for r in receipts] == ["saved", "refused", "refused", "saved"]
    assert receipts[1]["id"] == "decision-2" and receipts[1]["reason"]


def test_a_decision_sent_twice_is_told_so(client: Browser) -> None:
    client.post("/api/decisions", json=[decision(1)])
    assert client.post("/api/decisions", json=[decision(1)]).json()[0]["status"] == "already"


def test_ten_megabytes_are_too_much_and_the_next_request_is_well(client: Browser) -> None:
    big = decision(1, body={"phrase": "x" * 10_000_000})
    answer = client.post("/api/decisions", json=[big])
    assert answer.status_code == 413 and f"{MAX_POST:,}" in answer.json()["error"]
    assert client.post("/api/decisions", json=[decision(2)]).json()[0]["status"] == "saved"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000, b'{"n": 1e999}']
)
@pytest.mark.parametrize("address", POSTS)
def test_what_is_not_json_is_refused(client: Browser, address: str, body: bytes) -> None:
    assert client.post(address, content=body).status_code == 400


@pytest.mark.parametrize("body", [[], "x", 1, None, {"n": -1}, {"n": "2"}, {"n": True}])
def test_cards_are_asked_for_in_the_right_way(client: Browser, body: Any) -> None:
    assert client.post("/api/cards", json=body).status_code == 400


def test_too_many_decisions_at_once_are_refused(client: Browser, desk: MadeDesk) -> None:
    answer = client.post("/api/decisions", json=[decision(n) for n in range(501)])
    assert answer.status_code == 400 and not desk.decisions


def test_a_full_disk_is_told_and_the_same_can_be_sent_again(
    client: Browser, desk: MadeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise DatasetError("cannot be written: no space left", remedy="Free some space.")

    monkeypatch.setattr(desk, "decide", full)
    answer = client.post("/api/decisions", json=[decision(1)])
    assert answer.status_code == 507 and answer.json()["remedy"] == "Free some space."
    monkeypatch.undo()
    assert client.post("/api/decisions", json=[decision(1)]).json()[0]["status"] == "saved"


def test_a_fault_is_told_without_its_inside(
    client: Browser, desk: MadeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "state", lambda _: 1 / 0)
    answer = client.get("/api/state")
    assert answer.status_code == 500 and "Traceback" not in answer.text


def test_a_mask_without_a_segmenter_says_how_to_have_one(client: Browser) -> None:
    asked = {"session": "walk", "frame_id": 1, "clicks": [[10, 10, 1]]}
    answer = client.post("/api/mask", json=asked)
    assert answer.status_code == 501 and "--segmenter" in answer.json()["remedy"]


@pytest.mark.parametrize(
    "change",
    [
        {"clicks": []},
        {"clicks": [[1, 2]]},
        {"clicks": [[1, 2, "x"]]},
        {"clicks": "x"},
        {"clicks": [[1e9, 2, 1]]},
        {"box_xyxy": [0, 0, 1]},
        {"frame_id": "1"},
        {"session": 3},
    ],
)
def test_a_mask_is_asked_for_in_the_right_way(client: Browser, change: Any) -> None:
    asked = {"session": "walk", "frame_id": 1, "clicks": [[10, 10, 1]], **change}
    assert client.post("/api/mask", json=asked).status_code == 400


# --- pictures -------------------------------------------------------------------------------------


def test_a_strip_is_laid_out_as_its_card_says_and_kept_under_its_version(
    client: Browser,
) -> None:
    card = client.post("/api/cards", json={"n": 1}).json()["cards"][0]
    answer = client.get(f"/media/strip/{card['id']}.webp?v={card['v']}")
    assert list(Image.open(io.BytesIO(answer.content)).size) == card["strip"]["size"]
    assert len(card["strip"]["tiles"]) == len(card["views"])
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    other = client.get(f"/media/strip/{card['id']}.webp?v=other")
    assert other.headers["cache-control"] == "no-store"


def test_frames_and_crops_have_the_size_asked_for(client: Browser) -> None:
    version = client.post("/api/cards", json={"n": 1}).json()["cards"][0]["contents"]["walk"]
    frame = client.get(f"/media/frame/walk/3.webp?width=32&v={version}")
    assert Image.open(io.BytesIO(frame.content)).size == (32, 24)
    assert "immutable" in frame.headers["cache-control"]
    crop = client.get("/media/crop/walk/3/-4,0,12,16.webp?height=64")
    assert Image.open(io.BytesIO(crop.content)).size == (64, 64)


@pytest.mark.parametrize(
    "address",
    [
        "/media/frame/../../secret/0.webp",
        "/media/frame/..%2f..%2fsecret/0.webp",
        "/media/frame/%2e%2e/0.webp",
        "/media/frame/nowhere/0.webp",
        "/media/frame/walk/..%2f0.webp",
        "/media/frame/walk/-1.webp",
        "/media/frame/walk/99999.webp",
        "/media/frame/walk/" + "9" * 5000 + ".webp",
        "/media/frame/walk/0%00.webp",
        "/media/frame/walk/\u0661.webp",
        "/media/strip/nowhere.webp",
        "/media/strip/..%2f..%2fsecret.webp",
        "/api/card/..%2f..%2fsecret",
        "/api/frame/..%2f..%2fsecret/0",
        "/api/frame/nowhere/0",
        "/static/../secret",
        "/static/..%2fsecret",
        "/static/%2e%2e%2fsecret",
        "/static/index.html",
        "/secret",
    ],
)
def test_no_address_leads_out_of_the_dataset(client: Browser, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404 and "secret" not in answer.text.replace(address, "")[:40]


@pytest.mark.parametrize(
    "address",
    [
        "/media/frame/walk/0.webp?width=0",
        "/media/frame/walk/0.webp?width=x",
        "/media/frame/walk/0.webp?width=99999999",
        "/media/crop/walk/0/0,0,9,9.webp?height=5000",
        "/media/crop/walk/0/0,0,9.webp",
        "/media/crop/walk/0/9,0,0,9.webp",
        "/media/crop/walk/0/a,b,c,d.webp",
        "/media/crop/walk/0/0,0,9,99999999999.webp",
        "/media/strip/t-walk-0.webp?height=-1",
    ],
)
def test_a_picture_is_asked_for_in_the_right_way(client: Browser, address: str) -> None:
    assert client.get(address).status_code == 400


def test_a_recording_that_moved_is_told_and_its_card_can_still_be_answered(
    tmp_path: Path, folder: Path
) -> None:
    desk, access = MadeDesk(tiny.labelled(tmp_path)), rules("127.0.0.1", PORT, None)
    (tmp_path / "walk.mp4").unlink()
    app = make_app(desk, access, "ann", folder / "static")
    client = Browser(app, OURS)
    client.get(f"/?token={access.new_token()}")
    card = client.post("/api/cards", json={"n": 1}).json()["cards"][0]
    for address in (f"/media/strip/{card['id']}.webp", "/media/frame/walk/0.webp"):
        answer = client.get(f"{address}?v={card['v']}")
        assert answer.status_code == 404 and answer.headers["cache-control"] == "no-store"
        assert "no longer here" in answer.json()["error"]
        assert "Put the recording back" in answer.json()["remedy"]
    receipt = client.post("/api/decisions", json=[decision(1, card["id"])]).json()[0]
    assert receipt["status"] == "saved"
