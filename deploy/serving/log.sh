#!/usr/bin/env bash
# Run a server, and copy its standard error to files that Filebeat reads: log.sh COMMAND…
#
# TensorFlow Serving logs to standard error alone. Reading that from Docker would take its socket, or root. The files
# are LOG_FOLDER/serving-<time>.log (default /logs), a new one for each start and each LOG_MAX_BYTES (default 10 MiB);
# the newest three are kept. Names are never reused and files never renamed. Without a folder to write to, the server
# runs all the same. It needs only bash, date and rm, since TensorFlow Serving's image has little else.
set -uo pipefail
folder=${LOG_FOLDER:-/logs} max=${LOG_MAX_BYTES:-10485760}
(($# > 0)) || { echo "log.sh: give the command to run" >&2; exit 2; }

open() {
  local all
  file=$folder/serving-$(date -u +%Y%m%dT%H%M%S.%6NZ).log
  # In TensorFlow's form. It makes the file's beginning, by which Filebeat knows it, unlike all others.
  line=$(date -u '+%Y-%m-%d %H:%M:%S.%6N: I log.sh:1] opened') && printf '%s\n' "$line" 2>/dev/null >>"$file" || return
  size=${#line}
  all=("$folder"/serving-*.log)
  while ((${#all[@]} > 3)); do rm -f -- "${all[0]}"; all=("${all[@]:1}"); done
}

copy() {
  local file='' size=0 line text
  trap '' TERM INT  # it ends when the server has closed its standard error
  LC_ALL=C          # sizes in bytes
  { open; } 2>/dev/null || { file=''; echo "log.sh: $folder cannot be written; nothing is copied to it" >&2; }
  while IFS= read -r text || [[ -n $text ]]; do
    printf '%s\n' "$text" >&2
    [[ -n $file ]] || continue
    if ((size > max)); then { open; } 2>/dev/null || true; fi
    printf '%s\n' "$text" 2>/dev/null >>"$file" && ((size += ${#text} + 1))
  done
}

exec {log}> >(copy)
copier=$!
"$@" 2>&"$log" {log}>&- &
server=$!
exec {log}>&-
trap 'kill -TERM "$server" 2>/dev/null' TERM INT

# A signal interrupts wait, and the server may take a while to end.
wait "$server"
status=$?
while kill -0 "$server" 2>/dev/null; do
  wait "$server"
  status=$?
done
wait "$copier"
exit "$status"
