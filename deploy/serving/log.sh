#!/usr/bin/env bash
# Run a server, and write files for Filebeat about it: log.sh COMMAND…
#
# TensorFlow Serving logs to standard error alone. Reading that from Docker would take its socket, or root. And the
# gateway cannot see the processes of another container, so the server's CPU and memory are measured here. The files:
#
#   LOG_FOLDER/serving-<time>.log      standard error, which also goes on to the container's log
#   LOG_FOLDER/resources-<time>.log    a line every LOG_INTERVAL_S seconds (default 10), in the gateway's format
#
# LOG_FOLDER is /logs. Each start and each LOG_MAX_BYTES (default 10 MiB) begins new ones; the newest three of each kind
# are kept. Files are never renamed and names never used again. Without a folder to write to, the server runs all the
# same. It needs only bash, date, sleep and rm, since TensorFlow Serving's image has little else.
set -uo pipefail
folder=${LOG_FOLDER:-/logs} max=${LOG_MAX_BYTES:-10485760} interval=${LOG_INTERVAL_S:-10}
(($# > 0)) || { echo "log.sh: give the command to run" >&2; exit 2; }
LC_ALL=C  # lengths in bytes

# Begin the next file of a kind; sets file and size.
open() {
  local all kind=$1
  file=$folder/$kind-$(date -u +%Y%m%dT%H%M%S.%6NZ).log size=0
  { : >>"$file"; } 2>/dev/null || { file=''; return 1; }
  all=("$folder/$kind"-*.log)
  while ((${#all[@]} > 3)); do rm -f -- "${all[0]}"; all=("${all[@]:1}"); done
}

# Append a line to the file, if there is one. A full disk must not stop the server.
append() {
  [[ -n $file ]] || return 0
  if ((size > max)); then open "$1" || return 0; fi
  { printf '%s\n' "$2" >>"$file"; } 2>/dev/null || return 0
  ((size += ${#2} + 1))
}

copy() {
  local file='' size=0 text
  trap '' TERM INT  # it ends when the server has closed its standard error
  open serving || echo "log.sh: $folder cannot be written; nothing is copied to it" >&2
  # In TensorFlow's form. Filebeat knows a file by its first bytes, which must be unlike those of all others.
  append serving "$(date -u '+%Y-%m-%d %H:%M:%S.%6N: I log.sh:1] opened')"
  while IFS= read -r text || [[ -n $text ]]; do
    printf '%s\n' "$text" >&2
    append serving "$text"
  done
}

# CPU and memory of a process from /proc/PID/stat, whose 14th and 15th fields are its time in hundredths of a second and
# whose 24th is its resident memory in pages (proc(5)).
measure() {
  local file='' size=0 pid=$1 stat ticks before=0 now then=${EPOCHREALTIME/./} cpu memory page
  page=$(getconf PAGE_SIZE 2>/dev/null || echo 4096)
  open resources || return
  while sleep "$interval" && { read -r stat <"/proc/$pid/stat"; } 2>/dev/null; do
    read -ra stat <<<"${stat##*) }"  # the second field is the name, which may have spaces
    now=${EPOCHREALTIME/./} ticks=$((stat[11] + stat[12])) memory=$((stat[21] * page * 10 / 1048576))
    cpu=$(((ticks - before) * 10000000 / (now - then))) before=$ticks then=$now
    append resources "$(printf '{"timestamp":"%s","level":"INFO","module":"resource","task":"resource_usage","status":"active","instance":"%s","process":"server","pid":%d,"cpu_percent":%d.%d,"memory_mb":%d.%d}' \
      "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" "$HOSTNAME" "$pid" $((cpu / 10)) $((cpu % 10)) $((memory / 10)) $((memory % 10)))"
  done
}

exec {log}> >(copy)
copier=$!
"$@" 2>&"$log" {log}>&- &
server=$!
measure "$server" {log}>&- >/dev/null 2>&1 &  # its last sleep must not hold them open
meter=$!
exec {log}>&-
trap 'kill -TERM "$server" 2>/dev/null' TERM INT

# A signal interrupts wait, and the server may take a while to end.
wait "$server"
status=$?
while kill -0 "$server" 2>/dev/null; do
  wait "$server"
  status=$?
done
kill "$meter" 2>/dev/null
wait "$copier"
exit "$status"
