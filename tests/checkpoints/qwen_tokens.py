"""What the Qwen families share: a tokenizer, the numbers of its special tokens, a chat template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.checkpoints.tokens import WORDS, byte_pairs

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] in ['image', 'image_url'] %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(texts: Sequence[str] = ()) -> Any:
    """Byte pairs of household words and JSON, and of further texts if there are any."""
    from tokenizers import AddedToken
    from transformers import Qwen2Tokenizer

    answer = '[{"bbox_2d": [100, 200, 300, 400], "label": "red mug", "caption": "a mug"}]'
    vocab, merges = byte_pairs(
        [" ".join(WORDS)] * 50 + [answer] * 50 + [*texts] * 50, 2000 if texts else 600
    )
    for piece in SPECIAL:
        vocab[piece] = len(vocab)
    words = Qwen2Tokenizer(
        vocab=vocab, merges=merges, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    added = [AddedToken(piece, special=True, normalized=False) for piece in SPECIAL]
    words.add_tokens(added, special_tokens=True)
    return words


def numbers(words: Any) -> dict[str, Any]:
    """Sizes of the language model."""
    return {
        "vocab_size": len(words),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "eos_token_id": words.convert_tokens_to_ids("<|im_end|>"),
        "pad_token_id": words.convert_tokens_to_ids("<|endoftext|>"),
    }


def ids_of(words: Any) -> dict[str, Any]:
    """Numbers of the tokens that stand for pictures."""
    of = words.convert_tokens_to_ids
    return {
        "image_token_id": of("<|image_pad|>"),
        "video_token_id": of("<|video_pad|>"),
        "vision_start_token_id": of("<|vision_start|>"),
        "vision_end_token_id": of("<|vision_end|>"),
        "tie_word_embeddings": True,
    }


def save(folder: Path, model: Any, processor: Any, images: Any, words: Any, videos: Any) -> None:
    """Write model and processor as those of real checkpoints are written.

    Larger weights than at random keep the model from saying the same token for ever.
    """
    for weights in model.parameters():
        if weights.ndim > 1:
            weights.data.mul_(4.0)
    ends = [words.convert_tokens_to_ids(piece) for piece in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.eos_token_id = ends
    model.generation_config.pad_token_id = ends[1]
    model.eval().save_pretrained(folder)
    processor(images, words, videos, chat_template=TEMPLATE).save_pretrained(folder)
