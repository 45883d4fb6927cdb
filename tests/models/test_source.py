"""A model's name in one string."""

from __future__ import annotations

import pytest

from scenekeeper.errors import ModelError
from scenekeeper.models.source import Source, parse_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owlv2", Source("owlv2")),
        ("sam2:facebook/sam2.1-hiera-large", Source("sam2", "facebook/sam2.1-hiera-large")),
        ("sam2:facebook/sam2@v1", Source("sam2", "facebook/sam2", "v1")),
        ("owlv2:./my@home", Source("owlv2", "./my@home")),
        ("owlv2:/data/x@y", Source("owlv2", "/data/x@y")),
        ("owlv2:~/x", Source("owlv2", "~/x")),
        (
            "openai:http://user@localhost:8000/v1#Qwen/Qwen2.5-VL",
            Source("openai", "http://user@localhost:8000/v1", None, "Qwen/Qwen2.5-VL"),
        ),
        ("http:https://host/path#dino-x", Source("http", "https://host/path", None, "dino-x")),
        (" red:0.5 ", Source("red", "0.5")),
    ],
    ids=str,
)
def test_a_name_is_taken_apart_and_put_together(name: str, expected: Source) -> None:
    assert Source.parse(name) == expected
    assert str(expected) == name.strip()
    assert Source.parse(str(expected)) == expected


@pytest.mark.parametrize("name", ["", ":x", "facebook/sam2", "./folder", "/data/model"])
def test_a_name_without_a_family_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ModelError, match="does not say which family") as told:
        Source.parse(name)
    assert "family:checkpoint" in str(told.value.remedy)


def test_names_come_in_a_list() -> None:
    assert parse_names(" a:x , b:y,,") == ["a:x", "b:y"] and parse_names("") == []
