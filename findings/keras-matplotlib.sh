#!/usr/bin/env bash
# `import tensorflow` imports matplotlib.pyplot if matplotlib is installed, because keras.visualization does. A server that
# draws nothing then needs more memory, and the first import writes a list of fonts into the home folder.
#
# Seen with tensorflow-cpu 2.21.0, keras 3.15.1 and matplotlib 3.11.2 on Python 3.11, x86-64:
#     without matplotlib    0 of its modules, files in the home folder: .keras/keras.json
#     with matplotlib      94 of its modules, files in the home folder: .cache/matplotlib/fontlist-v3.11.0.json .keras/keras.json
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
install() { "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"; }
install tensorflow-cpu==2.21.0 keras==3.15.1

cat >"$folder/program.py" <<'PYTHON'
import sys

import tensorflow  # noqa: F401

print(sum(name.split(".")[0] == "matplotlib" for name in sys.modules))
PYTHON

failed=0
expect() { # NAME none|some FILES
  local modules files home="$folder/home"
  rm -rf "$home" && mkdir "$home"
  modules=$(env -i HOME="$home" PATH="$PATH" TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/program.py" 2>/dev/null)
  files=$(cd "$home" && find . -type f | sed -E 's,^\./,,' | sort | tr '\n' ' ')
  printf '%-20s %3d of its modules, files in the home folder: %s\n' "$1" "$modules" "$files"
  [[ $2 == none && $modules -eq 0 || $2 == some && $modules -gt 0 ]] || failed=1
  [[ $files == $3 ]] || failed=1 # a pattern
}

expect "without matplotlib" none ".keras/keras.json "
install matplotlib==3.11.2
expect "with matplotlib" some ".cache/matplotlib/fontlist-*.json .keras/keras.json "
if [[ $failed -eq 1 ]]; then
  echo "TensorFlow and keras behave otherwise than this file says." >&2
fi
exit "$failed"
