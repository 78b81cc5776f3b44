#!/usr/bin/env bash
# A special token that a folder declares as transformers 3 and 4 wrote it (added_tokens.json with its id,
# special_tokens_map.json with additional_special_tokens) is matched in the lower-cased text by transformers 5. So [num]
# becomes the token [NUM] too, and the same folder gives other ids than before, without a warning. With
# added_tokens_decoder in tokenizer_config.json, both versions match [NUM] alone.
#
# Seen on Python 3.11, x86-64 ([NUM] has id 13, the pieces of [num] are 11 6 9 10 12):
#     transformers 4.57.6    [NUM] [num]  ->  13 11 6 9 10 12
#     transformers 5.23.0    [NUM] [num]  ->  13 13
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/program.py" <<'PYTHON'
import json
import sys
import tempfile
from pathlib import Path

import transformers
from transformers import AutoTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "u", "n", "m", "##n", "##u", "##m", "[", "]"]
folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
(folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
(folder / "config.json").write_text('{"model_type": "bert"}')
(folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
(folder / "added_tokens.json").write_text(json.dumps({"[NUM]": len(TOKENS)}))
(folder / "special_tokens_map.json").write_text('{"additional_special_tokens": ["[NUM]"]}')
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = tokenizer("[NUM] [num]", add_special_tokens=False)["input_ids"]
print(f"transformers {transformers.__version__}    [NUM] [num]  ->  {' '.join(map(str, ids))}")
expected = [13, 11, 6, 9, 10, 12] if sys.argv[2] == "4" else [13, 13]
if ids != expected:
    print("transformers behaves otherwise than this file says.", file=sys.stderr)
sys.exit(ids != expected)
PYTHON
for version in 4.57.6 5.23.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "transformers==$version"
    "$folder/$version/bin/python" "$folder/program.py" "$folder" "${version%%.*}" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
done
