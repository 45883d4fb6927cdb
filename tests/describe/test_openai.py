"""A chat server is asked as it can be asked, borne with, and found out when it lies."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import signal
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenekeeper.describe.asking import answers
from scenekeeper.describe.openai import HttpChat, Patience, load
from scenekeeper.describe.pace import Pace
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask, Device, Reply, Source
from scenekeeper.models.wire import Address
from scenekeeper.schema import Labels
from tests.checkpoints.pictures import frame
from tests.describe.fake_server import Body, FakeServer, Trouble, is_probe, serving

PICTURE = np.full((64, 96, 3), (200, 30, 30), np.uint8)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
QUICK = Patience(tries=4, first_s=0.01, most_s=0.05, connect_s=2, answer_s=2)


def chat(where: str, patience: Patience = QUICK, key: str | None = None, most: int = 8) -> HttpChat:
    return HttpChat(Address.parse(where), "tiny", key, patience, most)


def ask(to: HttpChat, *asks: Ask) -> Sequence[Reply]:
    return asyncio.run(to.ask(asks))


def question(text: str = "and this?", schema: Any = None) -> Ask:
    return Ask((PICTURE,), "What is it?", text, schema, max_tokens=50)


def test_pictures_come_first_then_what_is_fixed_then_what_varies() -> None:
    fake = FakeServer()
    with serving(fake) as where:
        reply = ask(chat(where), question())[0]
    assert (reply.text, reply.finish) == ("blue", "stop")
    (body,) = fake.seen
    picture, fixed, varying = body["messages"][0]["content"]
    assert (fixed["text"], varying["text"]) == ("What is it?", "and this?")
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert seen.shape == PICTURE.shape and np.abs(seen.astype(int) - PICTURE).max() < 12
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("tiny", 50, 0)


@pytest.mark.parametrize(
    ("fake", "can"),
    [
        (FakeServer(), {"images", "schema", "logprobs", "top_logprobs"}),
        (FakeServer(schema=False), {"images", "logprobs", "top_logprobs"}),
        (FakeServer(logprobs=False), {"images", "schema"}),
        (FakeServer(top=0), {"images", "schema", "logprobs"}),
        (FakeServer(schema=False, logprobs=False), {"images"}),
        (FakeServer(pictures=False), {"schema", "logprobs", "top_logprobs"}),
    ],
    ids=["all", "ignores schema", "ignores logprobs", "no rivals", "ignores both", "blind"],
)
def test_what_a_server_can_is_seen_from_its_answers(fake: FakeServer, can: set[str]) -> None:
    with serving(fake) as where:
        made = chat(where)
        assert made.capabilities == can
        assert made.capabilities == can and len(fake.headers) <= 5, "it is asked once"


def test_a_schema_is_sent_where_it_is_kept_and_told_where_it_is_not() -> None:
    for kept in (True, False):
        fake = FakeServer(schema=kept)
        with serving(fake) as where:
            ask(chat(where), question(schema=SCHEMA))
        (body,) = fake.seen
        assert ("response_format" in body) == kept
        told = json.dumps(SCHEMA) in body["messages"][0]["content"][-1]["text"]
        assert told != kept


def test_probabilities_come_with_their_tokens() -> None:
    fake = FakeServer(answer=lambda body: "größer")
    with serving(fake) as where:
        reply = ask(chat(where), question())[0]
    assert "".join(token.text for token in reply.tokens) == reply.text == "größer"
    assert reply.tokens[0].logprob == pytest.approx(np.log(0.5))
    assert len(reply.tokens[0].others) == 2


def test_a_model_that_sees_nothing_is_refused() -> None:
    with (
        serving(FakeServer(pictures=False)) as where,
        pytest.raises(ModelError, match="takes no pictures"),
    ):
        ask(chat(where), question())


class Counted:
    """Answers with trouble at first."""

    def __init__(self, *troubles: Trouble) -> None:
        self.left = list(troubles)
        self.lock = threading.Lock()

    def __call__(self, body: Body) -> str:
        with self.lock:
            trouble = self.left.pop(0) if self.left else None
        if trouble is not None:
            raise trouble
        return "fine"


@pytest.mark.parametrize(
    "troubles",
    [
        (Trouble(429),),
        (Trouble(503, {"Retry-After": "0.01"}), Trouble(500), Trouble(502)),
        (Trouble(0), Trouble(0)),
        (Trouble(429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),),
    ],
    ids=["429", "5xx", "half an answer", "a date"],
)
def test_a_passing_trouble_is_borne_with(troubles: tuple[Trouble, ...]) -> None:
    with serving(FakeServer(answer=Counted(*troubles))) as where:
        assert ask(chat(where), question())[0].text == "fine"


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (Trouble(400, text="picture too large"), "picture too large"),
        (Trouble(422), "422"),
        (Trouble(500), "500"),
        (Trouble(0), ""),
    ],
)
def test_a_question_that_fails_fails_alone(trouble: Trouble, problem: str) -> None:
    def answer(body: Body) -> str:
        if "bad" in json.dumps(body):
            raise trouble
        return "fine"

    with serving(FakeServer(answer=answer)) as where:
        good, bad, last = ask(chat(where), question("1"), question("bad"), question("2"))
    assert (good.text, last.text) == ("fine", "fine")
    assert bad.finish == "failed" and bad.problem and problem in bad.problem


def test_a_slow_server_is_not_waited_for_without_end() -> None:
    done = threading.Event()

    def answer(body: Body) -> str:
        if "slow" in json.dumps(body):
            done.wait(20)
        return "fine"

    impatient = Patience(tries=2, first_s=0.01, answer_s=0.3)
    with serving(FakeServer(answer=answer)) as where:
        slow, quick = ask(chat(where, impatient), question("slow"), question())
        done.set()
    assert (slow.finish, quick.text) == ("failed", "fine")


@pytest.mark.parametrize(
    "content", [None, "", 7, {"choices": []}], ids=["nothing", "empty", "a number", "no choice"]
)
def test_an_answer_that_is_none_is_a_failed_reply(content: Any) -> None:
    class Odd(FakeServer):
        def reply(self, body: Body) -> Body:
            good = super().reply(body)
            if body["messages"][0]["content"][-1]["text"] == "odd":
                if isinstance(content, dict):
                    return content
                good["choices"][0]["message"]["content"] = content
            return good

    with serving(Odd()) as where:
        assert ask(chat(where), question("odd"))[0].finish == "failed"


def test_an_answer_that_was_cut_off_says_so() -> None:
    with serving(FakeServer(finish="length")) as where:
        assert ask(chat(where), question())[0].finish == "length"


def unused_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_an_interrupt_waits_for_no_answer() -> None:
    """The one who asks is stopped while the server still holds all questions."""
    fake = Held()
    patience = replace(QUICK, answer_s=60)
    with serving(fake) as where:
        talk = chat(where, patience)
        assert "images" in talk.capabilities
        me, stopped = threading.get_ident(), threading.Event()

        def stop() -> None:
            fake.asked.wait(30)
            while not stopped.is_set():  # Python drops one that comes while it collects garbage
                signal.pthread_kill(me, signal.SIGINT)
                stopped.wait(5)

        stopper = threading.Thread(target=stop)
        stopper.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                try:
                    answers(talk, [question(), question("and that?")])
                finally:
                    stopped.set()
            assert not fake.release.is_set()
            stopper.join()
        finally:
            fake.release.set()


class Held(FakeServer):
    """Answers nothing but the probe, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.release = threading.Event(), threading.Event()

    def reply(self, body: Body) -> Body:
        if not is_probe(body):
            self.asked.set()
            self.release.wait(60)
        return super().reply(body)


def test_a_server_that_is_down_stops_the_work() -> None:
    with pytest.raises(ModelError, match=r"127\.0\.0\.1.*does not answer"):
        ask(chat(f"http://127.0.0.1:{unused_port()}/v1"), question())


def test_a_server_that_goes_down_stops_the_work() -> None:
    with serving(FakeServer()) as where:
        made = chat(where)
        ask(made, question())
    with pytest.raises(ModelError, match="does not answer"):
        ask(made, *[question(str(k)) for k in range(20)])


@pytest.mark.parametrize(
    ("trouble", "match"),
    [
        (Trouble(401), "OPENAI_API_KEY"),
        (Trouble(404, text="no model tiny"), "no model tiny"),
        (Trouble(302, {"Location": "http://127.0.0.1:9/v1"}), "not followed"),
        (Trouble(400, text="pinned to another"), "pinned to another"),
    ],
)
def test_what_no_question_can_pass_stops_the_work(trouble: Trouble, match: str) -> None:
    class Closed(FakeServer):
        def reply(self, body: Body) -> Body:
            raise trouble

    with serving(Closed()) as where, pytest.raises(ModelError, match=match):
        ask(chat(where), question())


def test_the_key_goes_to_the_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, proxy = FakeServer(), FakeServer()
    with serving(fake) as where, serving(proxy) as other:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, other.removesuffix("/v1"))
        model = load(Source.parse(f"openai:{where}#tiny"), Device())
        ask(model.chat, question())  # type: ignore[arg-type]
    assert {h["Authorization"] for h in fake.headers} == {"Bearer secret"}
    assert not proxy.headers
    assert "secret" not in str(model.card)


def test_without_a_name_the_only_model_is_meant() -> None:
    fake = FakeServer()
    with serving(fake) as where:
        made = HttpChat(Address.parse(where), patience=QUICK)
        ask(made, question())
        fake.models = ("one", "two")
        with pytest.raises(ModelError, match="one, two"):
            ask(HttpChat(Address.parse(where), patience=QUICK), question())
    assert fake.seen[0]["model"] == "tiny"


def test_loading_sends_nothing() -> None:
    fake = FakeServer()
    with serving(fake) as where:
        card = load(Source.parse(f"openai:{where}#Qwen/Qwen2.5-VL-7B-Instruct"), Device()).card
    assert not fake.headers
    assert card.licence == "Apache-2.0"
    assert card.revision == "Qwen/Qwen2.5-VL-7B-Instruct" and not card.settings["sight"]["relative"]


@pytest.mark.parametrize(
    "where", ["", "localhost:8000", "ftp://host/v1", "http://me:word@host/v1", "http://host:99999"]
)
def test_what_is_no_address_is_refused(where: str) -> None:
    with pytest.raises(ModelError):
        Address.parse(where)


@pytest.mark.parametrize(
    ("where", "whole"),
    [
        ("http://host:8000/v1/", "http://host:8000/v1"),
        ("http://host", "http://host:80/v1"),
        ("https://host/api/v2", "https://host:443/api/v2"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_are_made_whole(where: str, whole: str) -> None:
    assert str(Address.parse(where)) == whole


def test_a_server_is_asked_no_more_at_once_than_it_bears() -> None:
    def answer(body: Body) -> str:
        with fake.lock:
            if fake.inside > 3:
                raise Trouble(429)
        time.sleep(0.01)
        return body["messages"][0]["content"][-1]["text"]

    fake = FakeServer(answer=answer)
    with serving(fake) as where:
        made = chat(where, Patience(tries=12, first_s=0.01, most_s=0.1), most=32)
        texts = [str(k) for k in range(120)]
        replies = ask(made, *[question(text) for text in texts])
    assert [reply.text for reply in replies] == texts
    assert made.pace.limit <= 8


def test_the_pace_doubles_until_it_is_refused_and_then_grows_by_one() -> None:
    pace = Pace(most=64, first=4)
    limits = []
    for _ in range(3):
        for _ in range(pace.limit):
            with pace.turn() as era:
                pass
            pace.answered(1.0, era)
        limits.append(pace.limit)
    assert limits == [8, 16, 32]
    for _ in range(5):  # asked under the same limit: one refusal is enough
        pace.refused(era)
    assert pace.limit == 16
    with pace.turn() as later:
        pass
    for _ in range(16):
        pace.answered(1.0, later)
    assert pace.limit == 17


def test_the_pace_slackens_when_answers_take_much_longer() -> None:
    pace = Pace(most=64, first=4, patience=4.0)
    for _ in range(4):
        pace.answered(1.0, 0)
    for _ in range(8):
        pace.answered(5.0, 0)
    assert pace.limit == 4


def test_the_pace_never_stops() -> None:
    pace = Pace(first=2)
    for era in range(10):
        pace.refused(era)
    assert pace.limit == 1
    with pace.turn():
        pass


def test_a_frame_is_described_by_a_server_that_lies_about_its_schema() -> None:
    def answer(body: Body) -> str:
        assert body["response_format"]["type"] == "json_schema"
        said = {"caption": "a room", "objects": [{"id": 1, "caption": "a red mug"}, {"id": 9}]}
        wrong = {"subject": 1, "predicate": "loves", "object": 2}
        cut = '{"subject": 1, "predicate": "on", "obj'
        return json.dumps({**said, "relations": [wrong]})[:-2] + ", " + cut

    boxes = np.array([[50, 110, 86, 168], [0, 156, 320, 240]], np.float32)
    tracks = np.array([7, 8])
    known = Labels(0, 0, (240, 320), boxes, phrase=("mug", "table"), track=tracks)
    with serving(FakeServer(answer=answer)) as where:
        model = load(Source.parse(f"openai:{where}#qwen2.5-vl"), Device())
        (out,) = model.run([frame()], {"mug": ()}, [known])
    assert out.text == ("a red mug", None) and out.caption == "a room" and not out.relations
    np.testing.assert_array_equal(out.signals["truncated"], 1)
    assert out.signals["text_p"][0] == pytest.approx(0.5) and np.isnan(out.signals["text_p"][1])


def test_places_outside_of_the_picture_are_brought_back_or_dropped() -> None:
    def answer(body: Body) -> str:
        places = [[-40, 0, 154, 9999], [400, 10, 900, 90], [5, 5, 5, 50], ["x", 0, 1, 1]]
        return json.dumps([{"bbox_2d": place, "label": "mug"} for place in places])

    with serving(FakeServer(answer=answer)) as where:
        model = load(Source.parse(f"openai:{where}#qwen2.5-vl"), Device())
        (out,) = model.run([frame()], {"mug": ()}, [None])
    # Seen as 308 x 252 pixels.
    np.testing.assert_allclose(out.box_xyxy, [[0, 0, 160, 240]], rtol=1e-6)
