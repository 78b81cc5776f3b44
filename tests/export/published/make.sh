#!/usr/bin/env bash
# Make the small checkpoints of this folder with the programs that published the large ones, in an environment of their own:
# TFBertForMaskedLM and TFBertForPreTraining of transformers 4.57.6, the last that has them, and google-research/bert, from
# bert-tensorflow 1.0.4. Each folder gets the checkpoint and golden.json: token ids, and what that program answers at one of them.
#
#     tests/export/published/make.sh [FOLDER]      # default: this folder
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
output=$(mkdir -p "${1:-$here}" && cd "${1:-$here}" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    tensorflow-cpu==2.21.0 tf-keras==2.21.0 transformers==4.57.6
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps bert-tensorflow==1.0.4

cat >"$folder/make.py" <<'PYTHON'
import importlib
import json
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf

TINY = Path(sys.argv[3])
IDS = [[2, 40, 41, 42, 4, 43, 3]]
PLACE = 4


def write_golden(folder: Path, logits: Any) -> None:
    """Write the log-probabilities at the mask."""
    shifted = logits - logits.max()
    log_probabilities = shifted - np.log(np.exp(shifted).sum())
    content = {"ids": IDS[0], "place": PLACE, "log_probabilities": [round(float(x), 6) for x in log_probabilities]}
    (folder / "golden.json").write_text(json.dumps(content) + "\n")
    shutil.copyfile(TINY / "vocab.txt", folder / "vocab.txt")


def keras(folder: Path) -> None:
    """Save TFBertForMaskedLM or TFBertForPreTraining."""
    import transformers

    tf.keras.utils.set_random_seed(1)
    known = json.loads((TINY / "config.json").read_text())
    for key in ("transformers_version", "dtype", "architectures"):
        known.pop(key)
    config = transformers.BertConfig(**known)
    pretraining = folder.name.endswith("pretraining")
    model = (transformers.TFBertForPreTraining if pretraining else transformers.TFBertForMaskedLM)(config)
    model(tf.constant(IDS))
    for weight in model.weights:  # biases and layer normalisations are neutral at first, and would show nothing
        weight.assign(weight + tf.random.normal(weight.shape, stddev=0.1))
    answer = model(tf.constant(IDS))
    model.save_pretrained(folder)
    write_golden(folder, (answer.prediction_logits if pretraining else answer.logits).numpy()[0, PLACE])


def google(folder: Path) -> None:
    """Save the graph of google-research/bert with its Saver."""
    v1 = tf.compat.v1
    v1.disable_eager_execution()
    layers = types.ModuleType("tensorflow.contrib.layers")

    def layer_norm(inputs: Any, begin_norm_axis: int, begin_params_axis: int, scope: str | None) -> Any:
        del begin_norm_axis, begin_params_axis
        with v1.variable_scope(scope, "LayerNorm"):
            size = inputs.shape[-1]
            beta = v1.get_variable("beta", [size], initializer=v1.random_normal_initializer(stddev=0.1))
            gamma = v1.get_variable("gamma", [size], initializer=v1.random_normal_initializer(mean=1, stddev=0.1))
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)

    layers.__dict__["layer_norm"] = layer_norm
    contrib = types.ModuleType("tensorflow.contrib")
    contrib.__dict__["layers"] = layers
    sys.modules |= {"tensorflow.contrib": contrib, "tensorflow.contrib.layers": layers, "tensorflow": v1}
    modeling = importlib.import_module("bert.modeling")

    settings = json.loads((TINY / "config.json").read_text())
    names = modeling.BertConfig(1).to_dict()
    config = modeling.BertConfig.from_dict({key: settings[key] for key in names})
    folder.mkdir(exist_ok=True)
    (folder / "bert_config.json").write_text(config.to_json_string())
    v1.set_random_seed(1)
    model = modeling.BertModel(config, is_training=False, input_ids=tf.constant(IDS), use_one_hot_embeddings=False)
    # As get_masked_lm_output and get_next_sentence_output of run_pretraining.py, which imports TensorFlow 1's TPU code.
    with v1.variable_scope("cls/predictions"):
        with v1.variable_scope("transform"):
            rows = v1.layers.dense(
                model.get_sequence_output()[0],
                units=config.hidden_size,
                activation=modeling.get_activation(config.hidden_act),
                kernel_initializer=modeling.create_initializer(config.initializer_range),
            )
            rows = modeling.layer_norm(rows)
        bias = v1.get_variable("output_bias", [config.vocab_size], initializer=v1.random_normal_initializer())
        logits = tf.matmul(rows, model.get_embedding_table(), transpose_b=True) + bias
    with v1.variable_scope("cls/seq_relationship"):
        v1.get_variable("output_weights", [2, config.hidden_size], initializer=modeling.create_initializer(0.4))
        v1.get_variable("output_bias", [2], initializer=v1.zeros_initializer())
    v1.train.get_or_create_global_step()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for variable in v1.trainable_variables():
            if variable.op.name.endswith("bias"):
                session.run(variable.assign(tf.random.normal(variable.shape, stddev=0.1)))
        write_golden(folder, session.run(logits)[PLACE])
        v1.train.Saver().save(session, str(folder / "bert_model.ckpt"))
    for name in ("checkpoint", "bert_model.ckpt.meta"):  # the graph, which nothing here reads
        (folder / name).unlink()


if __name__ == "__main__":
    {"keras": keras, "google": google}[sys.argv[1]](Path(sys.argv[2]))
PYTHON
for name in keras keras-pretraining google; do
    "$folder/venv/bin/python" "$folder/make.py" "${name%%-*}" "$output/$name" "$here/../tiny"
done
