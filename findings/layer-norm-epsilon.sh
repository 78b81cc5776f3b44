#!/usr/bin/env bash
# TensorFlow's graph optimiser replaces a layer normalisation written as x * s + (beta - mean * s) with constant weights
# by oneDNN's. It does not copy epsilon: the fused operation uses 0.001. With BERT's 1e-12, the answer is wrong wherever
# the variance is small, without a warning. It happens where oneDNN's operations are on: by default on processors with
# AVX512-VNNI and the like, with TF_ENABLE_ONEDNN_OPTS=1 on every x86. The same graph with variables is not fused.
#
# Seen with tensorflow-cpu 2.21.0 on Python 3.11, x86-64; largest error, rows of standard deviation 0.03, epsilon 1e-12:
#     TF_ENABLE_ONEDNN_OPTS=0    epsilon of the fused operation: not fused    error 6.82e-07
#     TF_ENABLE_ONEDNN_OPTS=1    epsilon of the fused operation: 0.001        error 3.10e+00
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0

cat >"$folder/program.py" <<'PYTHON'
import os
import sys

import numpy as np
import tensorflow as tf

EPSILON = 1e-12
tf1 = tf.compat.v1
generator = np.random.default_rng(0)
gamma, beta = generator.standard_normal((2, 768)).astype(np.float32)
rows = (generator.standard_normal((16, 768)) * 0.03).astype(np.float32)

with tf.Graph().as_default():
    x = tf1.placeholder(tf.float32, [None, 768])
    mean = tf.reduce_mean(x, axis=1, keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), axis=1, keepdims=True)
    scale = tf.math.rsqrt(variance + EPSILON) * gamma
    y = tf.negative(x * scale + (beta - mean * scale))
    with tf1.Session() as session:
        metadata, options = tf1.RunMetadata(), tf1.RunOptions(output_partition_graphs=True)
        got = -session.run(y, {x: rows}, options=options, run_metadata=metadata)

wide = rows.astype(np.float64)
centred = wide - wide.mean(axis=1, keepdims=True)
expected = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON) * gamma + beta
error = np.abs(got - expected).max()
fused = [node for graph in metadata.partition_graphs for node in graph.node if node.op == "_MklLayerNorm"]
epsilon = f"{fused[0].attr['epsilon'].f:.3g}" if fused else "not fused"
setting = os.environ["TF_ENABLE_ONEDNN_OPTS"]
print(f"TF_ENABLE_ONEDNN_OPTS={setting}    epsilon of the fused operation: {epsilon:<12} error {error:.2e}")
as_described = error > 1 if setting == "1" else error < 1e-4
if not as_described:
    print("tensorflow-cpu behaves otherwise than this file says.")
sys.exit(not as_described)
PYTHON
for setting in 0 1; do
    # TensorFlow's start-up messages are on standard error.
    TF_ENABLE_ONEDNN_OPTS=$setting "$folder/venv/bin/python" "$folder/program.py" 2>/dev/null
done
