#!/usr/bin/env bash
# A 4-D boolean attention mask hides nothing from transformers' BERT with eager attention: the mask is added to the
# scores as 0 and 1. With sdpa, the default, the same mask is applied. A program that switches to eager attention, the only
# one that returns attention weights, loses its mask without a word. A float mask of 0 and the smallest float works in both.
#
# Seen with transformers 5.23.0 and torch 2.13.0 on Python 3.11, x86-64: two texts packed into one row, and how far the first
# text's hidden states move when the second text is another one:
#     sdpa, boolean mask      0.0000
#     sdpa, float mask        0.0000
#     eager, boolean mask     0.0047
#     eager, float mask       0.0000
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0

cat >"$folder/program.py" <<'PYTHON'
import sys

import torch
from transformers import BertConfig, BertModel

SHAPE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 16,
}
rows = [torch.tensor([[2, 10, 11, 3, 2, token, token, 3]]) for token in (20, 30)]
texts = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2]])
boolean = texts[:, None, :, None] == texts[:, None, None, :]
additive = torch.zeros(boolean.shape).masked_fill(~boolean, torch.finfo(torch.float32).min)
as_described = True
for attention in ("sdpa", "eager"):
    torch.manual_seed(0)
    model = BertModel(BertConfig(**SHAPE, attn_implementation=attention)).eval()
    for kind, mask in (("boolean", boolean), ("float", additive)):
        with torch.inference_mode():
            first, second = (model(input_ids=row, attention_mask=mask).last_hidden_state[0, :4] for row in rows)
        moved = float((first - second).abs().max())
        print(f"{attention}, {kind} mask".ljust(24) + f"{moved:.4f}")
        as_described &= (moved > 1e-3) == (attention == "eager" and kind == "boolean")
if not as_described:
    print("transformers behaves otherwise than this file says.", file=sys.stderr)
sys.exit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
