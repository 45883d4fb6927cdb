"""Tokenizers made here: no vocabulary is fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

# fmt: off
WORDS = (
    "mug", "spatula", "laundry", "basket", "dish", "towel", "table", "chair", "cup", "bowl",
    "plate", "bottle", "door", "window", "robot", "gripper", "sofa", "lamp", "book", "keyboard",
    "screen", "box", "shelf", "sink", "kettle", "spoon", "fork", "knife", "person", "cat", "dog",
    "plant", "floor", "wall", "drawer", "handle", "fridge", "a", "an", "the", "red", "blue",
    "green", "yellow", "black", "white", "and", "on", "under", "behind", "in", "of", "object",
)
# fmt: on
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def bert() -> Any:
    """WordPiece as Grounding DINO wants it: its special tokens have fixed numbers."""
    from transformers import BertTokenizer

    size = 1030
    vocab = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012}
    vocab["?"] = 1029
    free = iter(sorted(set(range(size)) - set(vocab.values())))
    pieces = [*WORDS, *CHARACTERS, ",", "-", *(f"##{c}" for c in CHARACTERS)]
    for piece in dict.fromkeys(pieces):
        vocab.setdefault(piece, next(free))
    for number in free:
        vocab[f"[unused{number}]"] = number
    ordered = dict(sorted(vocab.items(), key=lambda entry: entry[1]))
    return BertTokenizer(vocab=ordered, model_max_length=512)


def clip(length: int = 77, pad: str = "<|endoftext|>") -> Any:
    """Byte-pair encoding as CLIP has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=_bytes(),
        end_of_word_suffix="</w>",
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 50, trainer)
    vocab, merges = _learnt(tokenizer)
    special = ("<|startoftext|>", "<|endoftext|>", pad)
    for piece in [*(b + end for b in _bytes() for end in ("", "</w>")), *special]:
        vocab.setdefault(piece, len(vocab))
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=length)


def byte_pairs(
    corpus: Sequence[str], size: int = 600
) -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """Vocabulary and merges of a byte-level encoding, as RoBERTa, GPT-2 and Qwen have it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=_bytes(), special_tokens=[], show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return _learnt(tokenizer)


def _bytes() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _learnt(tokenizer: Any) -> tuple[dict[str, int], list[tuple[str, ...]]]:
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    return dict(model["vocab"]), merges
