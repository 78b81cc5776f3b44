#!/usr/bin/env bash
# ONNX Runtime for Linux writes a device id and an event database into the home folder, whether or not the program calls
# disable_telemetry_events(): they are there once `import onnxruntime` returns. Only ORT_DISABLE_TELEMETRY=1, set before
# the import, prevents them.
#
# Seen with onnxruntime 1.31.1 on Python 3.11, x86-64:
#     import alone                       2 files
#     disable_telemetry_events() first   2 files
#     ORT_DISABLE_TELEMETRY=0            2 files
#     ORT_DISABLE_TELEMETRY= (empty)     2 files
#     CI=true                            0 files
#     ORT_DISABLE_TELEMETRY=1            0 files
# The two are .cache/Microsoft/DeveloperTools/.onnxruntime/{deviceid,onnxruntime.db}. CI=true hides all of it: a test has
# to clear that variable.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2

# One Identity node, so that a session can be made and run.
cat >"$folder/program.py" <<'PYTHON'
import sys

import onnxruntime

if "api" in sys.argv:
    onnxruntime.disable_telemetry_events()
if "import" not in sys.argv:
    import numpy as np
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", values[:1], values[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(["y"], {"x": np.ones(1, np.float32)})[0].tolist() == [1.0]
PYTHON

failed=0
expect() { # FILES NAME [VARIABLE=VALUE]... -- [ARGUMENT]
  local expected=$1 name=$2 home="$folder/home" variables=() files
  shift 2
  while [[ $1 != -- ]]; do variables+=("$1"); shift; done
  shift
  rm -rf "$home" && mkdir "$home"
  env -i HOME="$home" PATH="$PATH" "${variables[@]}" "$folder/venv/bin/python" "$folder/program.py" "$@"
  files=$(find "$home" -type f | wc -l)
  printf '%-34s %d files\n' "$name" "$files"
  [[ $files -eq $expected ]] || failed=1
}

expect 2 "import alone" -- import
expect 2 "disable_telemetry_events() first" -- api
expect 2 "ORT_DISABLE_TELEMETRY=0" ORT_DISABLE_TELEMETRY=0 --
expect 2 "ORT_DISABLE_TELEMETRY= (empty)" ORT_DISABLE_TELEMETRY= --
expect 0 "CI=true" CI=true --
expect 0 "ORT_DISABLE_TELEMETRY=1" ORT_DISABLE_TELEMETRY=1 --
if [[ $failed -eq 1 ]]; then
  echo "ONNX Runtime behaves otherwise than this file says." >&2
fi
exit "$failed"
