"""What models may be used for, and which models a user's words stand for."""

from __future__ import annotations

import pytest

from scenekeeper.errors import ModelError
from scenekeeper.labelers import model_labeler
from scenekeeper.models import families
from scenekeeper.models.known import (
    check_purpose,
    known_models,
    licence,
    licence_of,
    names_of,
    presets,
)
from scenekeeper.models.source import Source


def test_every_known_model_is_of_a_family_and_under_terms_that_are_known() -> None:
    named = [*known_models(), *(m for models, _ in presets().values() for m in models)]
    for entry in named:
        name = entry if isinstance(entry, str) else entry.name
        assert Source.parse(name).family in families()
        assert licence(licence_of(name)) is not None, name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sam3:facebook/sam3", "LicenseRef-SAM"),
        ("sam3:./finetuned", "LicenseRef-SAM"),
        ("owlv2:google/one-that-is-new", "Apache-2.0"),
        ("owlv2:./somewhere", ""),
        ("openai:http://gpu:8000/v1#Qwen/Qwen2.5-VL-3B-Instruct", "LicenseRef-Qwen-Research"),
        ("local:Qwen/Qwen2.5-VL-3B-Instruct", "LicenseRef-Qwen-Research"),
    ],
)
def test_a_licence_is_known_by_checkpoint_owner_or_family(name: str, wanted: str) -> None:
    assert licence_of(name) == wanted


def test_a_purpose_that_terms_forbid_is_refused() -> None:
    with pytest.raises(ModelError, match="forbids weapons use"):
        check_purpose("sam3:somewhere", "LicenseRef-SAM", "weapons")
    with pytest.raises(ModelError, match="forbids commercial use"):
        check_purpose("sam3:somewhere", "LicenseRef-Qwen-Research", "commercial")
    assert check_purpose("sam3:somewhere", "LicenseRef-SAM", "commercial") is None


def test_terms_that_are_not_known_are_noted_not_refused() -> None:
    assert "not known" in str(check_purpose("sam3:somewhere", "", "commercial"))
    assert check_purpose("sam3:somewhere", "", None) is None


def test_there_is_no_other_purpose() -> None:
    with pytest.raises(ModelError, match="no purpose 'fun'"):
        check_purpose("sam3:somewhere", "MIT", "fun")


def test_presets_and_names_may_be_mixed() -> None:
    fast = list(presets()["fast"][0])
    assert names_of("fast") == names_of(["fast"]) == fast
    assert names_of(["owlv2:./x, boxes", "fast"]) == ["owlv2:./x", "boxes", *fast]


def test_a_forbidden_model_is_refused_before_it_is_fetched() -> None:
    with pytest.raises(ModelError, match="forbids commercial use"):
        model_labeler("local:Qwen/Qwen2.5-VL-3B-Instruct", purpose="commercial")
