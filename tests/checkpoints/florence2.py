"""Florence-2 that always gives the same answer: two boxes of a mug and one of something French.

Its decoder is made to say so by its places; how sure it is depends on what it sees and is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.checkpoints import tokens

ANSWER = (
    "mug<loc_100><loc_200><loc_400><loc_600><loc_500><loc_300><loc_800><loc_900>"
    "théière<loc_120><loc_640><loc_240><loc_720>"
)
"""Words and places; thousandths of the picture's sides."""

MARKS = ("<od>", "</od>", "<ocr>", "</ocr>", "<poly>", "</poly>", "<sep>", "<and>", "<grounding>")
SENTENCES = (
    "Locate the objects with category name in the image.",
    "What does the region describe? Describe in detail what is shown in the image.",
)


def build(folder: Path) -> None:
    """Write the checkpoint."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )

    torch.manual_seed(0)
    words = _tokenizer()
    config = Florence2Config(
        vision_config={
            "embed_dim": [16, 16, 32, 32],
            "num_heads": [1, 1, 2, 2],
            "num_groups": [1, 1, 2, 2],
            "depths": [1, 1, 1, 1],
            "projection_dim": 64,
            "drop_path_rate": 0.0,
        },
        text_config={
            "model_type": "bart",
            "vocab_size": len(words),
            "d_model": 64,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 256,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "decoder_start_token_id": 2,
            "forced_bos_token_id": 0,
        },
        image_token_id=words.image_token_id,
    )
    model = Florence2ForConditionalGeneration(config).eval()
    script = words(f"<s>{ANSWER}</s>", add_special_tokens=False)["input_ids"]
    _teach(model, script)
    model.generation_config.forced_bos_token_id = 0
    model.save_pretrained(folder)
    side = {"height": 192, "width": 192}
    images = CLIPImageProcessor(size=side, crop_size=side, do_center_crop=False)
    images.image_seq_length = (192 // 32) ** 2 + 1
    Florence2Processor(images, words, post_processor_config={"pure_text": {}}).save_pretrained(
        folder
    )


def _teach(model: Any, script: list[int]) -> None:
    """Let the decoder's embedding of each place point at the token that is to be said there."""
    import torch

    with torch.no_grad():
        shared = model.model.language_model.shared.weight
        shared.normal_()
        shared -= shared.mean(-1, keepdim=True)
        shared *= 2 / shared.norm(dim=-1, keepdim=True)
        decoder = model.model.language_model.decoder
        for place, token in enumerate(script):
            decoder.embed_positions.weight[place + 2] = 10 * shared[token]  # BART starts at 2
        decoder.layers[0].encoder_attn.out_proj.weight.normal_(std=0.5)


def _tokenizer() -> Any:
    from tokenizers import AddedToken
    from transformers import RobertaTokenizer

    pieces, merges = tokens.byte_pairs([" ".join(tokens.WORDS)] * 50 + list(SENTENCES) * 20, 500)
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    vocab |= {piece: k + 4 for k, piece in enumerate(pieces)}
    vocab["<mask>"] = len(vocab)
    image = {"image_token": "<image>"}
    words = RobertaTokenizer(vocab=vocab, merges=merges, extra_special_tokens=image)
    places = [f"<loc_{k}>" for k in range(1000)]
    words.add_tokens([AddedToken(mark, special=True) for mark in [*MARKS, *places]])
    words.add_tokens([AddedToken("<image>", special=True)], special_tokens=True)
    return words
