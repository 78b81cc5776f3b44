#!/usr/bin/env bash
# hidden_act "gelu" names two functions. Google's BERT code computes it by tanh, Hugging Face's exactly by erf, and its
# conversion of Google's checkpoints keeps the name "gelu". So a converted checkpoint does not answer quite as the code that
# trained it; "gelu_new" is Hugging Face's name for Google's function.
#
# Seen with bert-tensorflow 1.0.4 (Google's modeling.py) on Python 3.11, x86-64; largest difference for -4 <= x <= 4:
#     Google's "gelu" and erf (Hugging Face's "gelu")         4.73e-04
#     Google's "gelu" and tanh (Hugging Face's "gelu_new")    0.00e+00
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps bert-tensorflow==1.0.4 numpy==2.3.5 six==1.17.0

cat >"$folder/program.py" <<'PYTHON'
import math
import sys
import types

import numpy as np

# modeling.py imports TensorFlow 1; its gelu needs two functions of it.
names = ("tensorflow", "tensorflow.compat", "tensorflow.compat.v1", "tensorflow.contrib", "tensorflow.contrib.layers")
sys.modules |= {name: types.ModuleType(name) for name in names}
tensorflow = sys.modules["tensorflow.compat.v1"]
tensorflow.tanh, tensorflow.pow = np.tanh, np.power
sys.modules["tensorflow.compat"].v1 = tensorflow
sys.modules["tensorflow.contrib"].layers = sys.modules["tensorflow.contrib.layers"]
from bert.modeling import gelu

x = np.linspace(-4, 4, 10_001)
google = gelu(x)
exact = np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x])
approximate = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
to_exact, to_approximate = np.abs(google - exact).max(), np.abs(google - approximate).max()
print(f'Google\'s "gelu" and erf (Hugging Face\'s "gelu")         {to_exact:.2e}')
print(f'Google\'s "gelu" and tanh (Hugging Face\'s "gelu_new")    {to_approximate:.2e}')
as_described = to_exact > 1e-4 and to_approximate < 1e-12
if not as_described:
    print("bert-tensorflow behaves otherwise than this file says.", file=sys.stderr)
sys.exit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
