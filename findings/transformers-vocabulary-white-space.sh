#!/usr/bin/env bash
# transformers 5 strips white space from the ends of vocab.txt's lines, Unicode's included. bert-base-chinese has two
# tokens of that kind, U+2028 (a line separator, id 343) and ##U+2028 (id 13502): their names become "" and "##", and
# save_pretrained, which writes tokenizer.json and no vocab.txt, loses them for good. transformers 4 kept them. Code that
# looks a row of the embeddings up by its name, or compares two vocabularies, sees two models where there is one.
#
# Seen on Python 3.11, x86-64:
#     transformers 4.57.6    ['[MASK]', '\u2028', 'a', '##\u2028']    saves vocab.txt: True
#     transformers 5.23.0    ['[MASK]', '', 'a', '##']    saves vocab.txt: False
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/program.py" <<'PYTHON'
import sys
import tempfile
from pathlib import Path

import transformers
from transformers import AutoTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2028", "a", "##\u2028"]
folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))
(folder / "vocab.txt").write_bytes(("\n".join(TOKENS) + "\n").encode())
(folder / "config.json").write_text('{"model_type": "bert"}')
tokenizer = AutoTokenizer.from_pretrained(folder)
names = tokenizer.convert_ids_to_tokens([4, 5, 6, 7])
tokenizer.save_pretrained(folder / "saved")
saved = (folder / "saved" / "vocab.txt").exists()
print(f"transformers {transformers.__version__}    {ascii(names)}    saves vocab.txt: {saved}")
is_4 = sys.argv[2] == "4"
as_described = (names, saved) == ((TOKENS[4:], True) if is_4 else (["[MASK]", "", "a", "##"], False))
if not as_described:
    print("transformers behaves otherwise than this file says.", file=sys.stderr)
sys.exit(not as_described)
PYTHON
for version in 4.57.6 5.23.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "transformers==$version"
    "$folder/$version/bin/python" "$folder/program.py" "$folder" "${version%%.*}" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
done
