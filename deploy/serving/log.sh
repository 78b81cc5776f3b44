#!/usr/bin/env bash
# Run a server, and copy its standard error to files that Filebeat reads: log.sh COMMAND…
#
# TensorFlow Serving logs to standard error alone. Reading that from Docker would take its socket, or root. The files
# are LOG_FOLDER/serving-<time>.log (default /logs). Each start and each LOG_MAX_BYTES (default 10 MiB) begins a new one;
# the newest three are kept. Files are never renamed and names never used again. Without a folder to write to, the
# server runs all the same. It needs only bash, date and rm, since TensorFlow Serving's image has little else.
set -uo pipefail
folder=${LOG_FOLDER:-/logs} max=${LOG_MAX_BYTES:-10485760}
(($# > 0)) || { echo "log.sh: give the command to run" >&2; exit 2; }

# Begin the next file; sets file and size.
open() {
  local all
  file=$folder/serving-$(date -u +%Y%m%dT%H%M%S.%6NZ).log size=0
  { : >>"$file"; } 2>/dev/null || { file=''; return 1; }
  # In TensorFlow's form. Filebeat knows a file by its first bytes, which must be unlike those of all others.
  append "$(date -u '+%Y-%m-%d %H:%M:%S.%6N: I log.sh:1] opened')"
  all=("$folder"/serving-*.log)
  while ((${#all[@]} > 3)); do rm -f -- "${all[0]}"; all=("${all[@]:1}"); done
}

# Append a line to the file, if there is one. A full disk must not stop the server.
append() {
  [[ -n $file ]] || return 0
  if ((size > max)); then open || return 0; fi
  { printf '%s\n' "$1" >>"$file"; } 2>/dev/null || return 0
  ((size += ${#1} + 1))
}

copy() {
  local file='' size=0 text LC_ALL=C  # lengths in bytes
  trap '' TERM INT  # it ends when the server has closed its standard error
  open || echo "log.sh: $folder cannot be written; nothing is copied to it" >&2
  while IFS= read -r text || [[ -n $text ]]; do
    printf '%s\n' "$text" >&2
    append "$text"
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
