"""Tiny Qwen2.5-VL that always gives one answer, so that what becomes of an answer can be seen.

The answer is one token of its vocabulary; a minute of training would do nothing that a second of it
does not: after the prompt comes that token, then the end.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.checkpoints import qwen2_5_vl

ANSWER = {
    "caption": "a table with things on it",
    "objects": [{"id": 1, "caption": "a red thing"}, {"id": 2, "caption": "a wide thing"}],
    "relations": [{"subject": 1, "predicate": "next to", "object": 2}],
}


def build(folder: Path) -> None:
    """Write the checkpoint."""
    import torch
    from tokenizers import AddedToken
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    qwen2_5_vl.build(folder)
    processor = AutoProcessor.from_pretrained(folder)
    words = processor.tokenizer
    words.add_tokens([AddedToken(json.dumps(ANSWER), special=False, normalized=False)])
    answer = words.convert_tokens_to_ids(json.dumps(ANSWER))
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)
    model.resize_token_embeddings(len(words))
    start = words("<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    model.train()
    for _ in range(60):
        before = torch.randint(0, answer, (8, 24), generator=generator)
        end = torch.tensor([*start, answer, words.eos_token_id]).expand(8, -1)
        ids = torch.cat((before, end), 1)
        labels = ids.clone()
        labels[:, :-2] = -100
        model(input_ids=ids, labels=labels).loss.backward()
        adam.step()
        adam.zero_grad()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
