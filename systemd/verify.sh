#!/usr/bin/env bash
# Runs weir.service and weir.socket under a real systemd, as PID 1 of namespaces of its own, and
# checks what the units promise: start, reload, watchdog, drain, socket activation, credential,
# sandbox. Takes about 25 seconds.
#
#   sudo systemd/verify.sh [WEIR]       WEIR: the program, default target/release/weir
#
# Installs nothing and touches nothing outside: /etc and /usr/local/bin are overlays in memory,
# /run, /var and /tmp are empty, the network is a loopback of its own, and all of it vanishes with
# the namespaces. The machine's own systemd, if any, is not involved.
#
# Exit code: 0 all checks hold, 1 some do not, 77 SKIPPED (not root, or no namespaces, overlays or
# cgroups here, as in most containers); the reason is printed.
set -uo pipefail

units=$(cd "$(dirname "$0")" && pwd)

# --------------------------------------------------------------------------- PID 1 of the namespaces

# Prepares the file systems, then becomes systemd. Anything that fails here is a reason to skip.
boot() {
  set -e
  local weir=$1
  # Private from here on, yet shared within: systemd hands credentials to services by propagation.
  mount --make-rprivate / && mount --make-rshared /
  mount -t proc proc /proc
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/over/{etc,etc.work,bin,bin.work} /run/verify
  mount -t overlay -o lowerdir=/etc,upperdir=/run/over/etc,workdir=/run/over/etc.work overlay /etc
  cp "$units"/weir.service "$units"/weir.socket /run/verify/
  install -m 755 "$weir" /run/verify/weir
  mount -t overlay -o lowerdir=/usr/local/bin,upperdir=/run/over/bin,workdir=/run/over/bin.work \
    overlay /usr/local/bin
  mv /run/verify/weir /usr/local/bin/weir
  mount -t tmpfs -o mode=755 tmpfs /var
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  mkdir -p /var/lib /var/log /var/cache && mkdir -m 1777 /var/tmp
  rm -rf /etc/systemd/system /etc/weir /etc/credstore
  mkdir -p /etc/systemd/system /etc/systemd/journald.conf.d /etc/weir && mkdir -m 700 /etc/credstore
  cp /run/verify/weir.service /run/verify/weir.socket /etc/systemd/system/
  printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n' >/etc/systemd/journald.conf.d/v.conf
  [ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef >/etc/machine-id
  world
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=other \
    /lib/systemd/systemd --system --unit=verify.target --show-status=no
}

# What weir finds: a configuration, a secret, and a source that asks for that secret.
world() {
  printf 'Bearer open-sesame' >/etc/credstore/receiver-password
  chmod 600 /etc/credstore/receiver-password
  cat >/etc/weir/config.yaml <<'YAML'
drain_timeout: 4s
receivers:
  box:
    stream: http://127.0.0.1:19000
    username: root
    password: {credential: receiver-password}
channels:
  one:
    kind: live
    sources:
      - url: http://127.0.0.1:19000/stream/two
        headers: {Authorization: {credential: receiver-password}}
YAML
  cat >/etc/systemd/system/verify.target <<'UNIT'
[Unit]
DefaultDependencies=no
Requires=systemd-journald.service source.service
UNIT
  cat >/etc/systemd/system/source.service <<'UNIT'
[Service]
Type=notify
Environment=WEIR_LISTEN__STREAM=127.0.0.1:19000 WEIR_LISTEN__ADMIN=127.0.0.1:19080
Environment=WEIR_ACCESS__TOKENS__GATEWAY=open-sesame
ExecStart=/usr/local/bin/weir demo
UNIT
  # Only times that are too long for a test, and a number to look for, differ from the unit.
  # TimeoutStopSec is shorter than the drain: weir has to ask for the time it needs.
  mkdir /etc/systemd/system/weir.service.d
  printf '[Service]\nWatchdogSec=2s\nTimeoutStopSec=2s\nLimitNOFILE=4096\n' \
    >/etc/systemd/system/weir.service.d/verify.conf
  probe_unit
}

# A program in weir's own sandbox that tries what must not be possible, and what must.
probe_unit() {
  sed -E -e '/^(Exec|Type|Restart|WatchdogSec|StandardOutput)/d' \
    -e 's|^\[Service\]|&\nType=oneshot\nExecStart=/run/verify/probe|' \
    /etc/systemd/system/weir.service >/etc/systemd/system/probe.service
  cat >/run/verify/probe <<'SH'
#!/bin/bash
refused() { if "${@:2}" >/dev/null 2>&1; then echo "POSSIBLE: $1"; else echo "refused: $1"; fi; }
allowed() { if "${@:2}" >/dev/null 2>&1; then echo "allowed: $1"; else echo "IMPOSSIBLE: $1"; fi; }
write() { echo x >"$1"; }
refused "write /etc/weir" write /etc/weir/x
refused "write /usr/local/bin" write /usr/local/bin/x
refused "write /run" write /run/x
refused "write /var/lib" write /var/lib/x
refused "read /root" ls /root
refused "read /etc/credstore" cat /etc/credstore/receiver-password
refused "packet socket" perl -e 'exit !socket(S, 17, 3, 0)'
refused "netlink socket" perl -e 'exit !socket(S, 16, 3, 0)'
refused "raw socket" perl -e 'exit !socket(S, 2, 3, 1)'
refused "mount" mount -t tmpfs tmpfs /tmp
refused "a namespace" unshare --user true
refused "a set-uid file" sh -c 'touch /tmp/s && chmod u+s /tmp/s'
refused "another process's list entry" ls /proc/1/fd
if [ "$(uname -m)" = x86_64 ]; then
  allowed "memory" perl -e 'exit(syscall(9, 0, 4096, 3, 34, -1, 0) == -1)'
  refused "memory to write and execute" perl -e 'exit(syscall(9, 0, 4096, 7, 34, -1, 0) == -1)'
  refused "ptrace" perl -e 'exit(syscall(101, 0, 0, 0, 0) == -1)'
fi
allowed "state directory" write "$STATE_DIRECTORY/x"
allowed "temporary file" write /tmp/x
allowed "credential" cat "$CREDENTIALS_DIRECTORY/receiver-password"
allowed "TCP" perl -e 'exit !socket(S, 2, 1, 0)'
allowed "doctor: state directory" sh -c 'weir doctor --config /etc/weir/config.yaml | grep "state_dir .*: writable"'
SH
  chmod 755 /run/verify/probe
}

if [ "${1:-}" = --boot ]; then
  boot "$2"
fi

# ------------------------------------------------------------------------------------------- outside

skip() {
  printf '\n*** SKIPPED: the systemd units were NOT verified: %s\n\n' "$*" >&2
  exit 77
}

cleanup() {
  [ -z "${unshared:-}" ] || { kill -KILL "$unshared" && wait "$unshared"; } 2>/dev/null
  if [ -n "${cgroup:-}" ]; then
    # The last processes take a moment to leave.
    for _ in $(seq 50); do
      find "$cgroup" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
      rmdir "$cgroup" 2>/dev/null && break
      sleep 0.1
    done
  fi
  [ -z "${console:-}" ] || rm -f "$console"
}

weir=$(realpath -e "${1:-$units/../target/release/weir}" 2>/dev/null) || {
  echo "no program to verify: build one (cargo build --release), or name it" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || skip "not root"
for program in unshare nsenter curl perl /lib/systemd/systemd; do
  command -v "$program" >/dev/null || skip "$program is not installed"
done
# A control group of its own keeps this systemd's groups out of the machine's.
hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
[ -n "$hierarchy" ] || skip "no cgroup2 is mounted"
cgroup=$hierarchy$(sed -n 's/^0:://p' /proc/self/cgroup)/weir-verify-$$
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$cgroup" 2>/dev/null || { cgroup=; skip "no control group can be made in $hierarchy"; }
console=$(mktemp)
(
  echo "$BASHPID" >"$cgroup/cgroup.procs" &&
    exec unshare --mount --pid --cgroup --ipc --uts --net --fork --kill-child \
      bash "$units/verify.sh" --boot "$weir"
) </dev/null >"$console" 2>&1 &
unshared=$!

# Runs a command inside.
inside() { nsenter -t "$init" -m -p -n -u -i -C -- "$@"; }

for _ in $(seq 100); do
  kill -0 "$unshared" 2>/dev/null || skip "systemd cannot run in namespaces here: $(tail -n 3 "$console")"
  init=$(cat "/proc/$unshared/task/$unshared/children" 2>/dev/null) && init=${init%% *}
  [ -n "$init" ] && inside systemctl --quiet is-active verify.target 2>/dev/null && break
  sleep 0.1
done
if ! inside systemctl --quiet is-active verify.target; then
  inside journalctl --no-pager -n 5 -o cat -u source
  inside systemctl --quiet is-failed source && { echo "WRONG \`weir demo\` does not start" >&2; exit 1; }
  skip "systemd came up, but not all of it: $(inside systemctl --failed --no-legend)"
fi

failures=0
checks=0
# check WHAT COMMAND...: the command's success is the outcome.
check() {
  checks=$((checks + 1))
  if "${@:2}"; then
    printf 'ok    %s\n' "$1"
  else
    failures=$((failures + 1))
    printf 'WRONG %s\n' "$1"
  fi
}
not() { ! "$@"; }
ctl() { inside systemctl "$@" 2>/dev/null; }
value() { ctl show --value -p "$1" "${2:-weir.service}"; }
is() { [ "$(value "$1" "${3:-weir.service}")" = "$2" ] || { echo "      $1 is $(value "$1" "${3:-weir.service}")"; false; }; }
answers() { inside curl -s -m "${2:-1}" -o /dev/null -f "http://127.0.0.1:$1/health"; }
# The journal since the last `mark`, each line with its priority in front; systemd's own lines too.
mark() { since=$(date '+%F %T.%6N'); }
log() {
  inside journalctl --sync
  inside journalctl --no-pager -u "${1:-weir}" --since "$since" -o export --output-fields=PRIORITY,MESSAGE |
    perl -ne 'if (/^PRIORITY=(.)/) { $p = $1 } elsif (/^MESSAGE=(.*)/) { $m = $1 } elsif (/^$/) { print "<$p>$m\n" }'
}
says() { log "${2:-weir}" | grep -E "$1" >/dev/null || { log "${2:-weir}" | sed 's/^/      /'; false; }; }
# until_true SECONDS COMMAND...
until_true() {
  local end=$((SECONDS + $1))
  until "${@:2}" >/dev/null 2>&1; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.05; done
}
# The bytes that a client gets of the channel in one second: past the source's token, so with the
# credential.
streams() { [ "$(inside timeout 1 curl -sfN http://127.0.0.1:18000/stream/one | wc -c)" -gt 50000 ]; }
new_main_pid() { local now; now=$(value MainPID); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
config() { inside sh -c "$1" _ /etc/weir/config.yaml; }

echo "-- start"
mark
check "starts" ctl start weir
check "READY means listening: the next connection succeeds" answers 18000
check "the admin listener answers" answers 18080
check "systemctl status shows STATUS" grep -q "^1 channel" <<<"$(value StatusText)"
check "the source refuses who has no secret" not inside curl -sf -m 1 -o /dev/null http://127.0.0.1:19000/stream/two
check "a stream comes, so the credential was read" streams
check "log lines carry their priority" says '^<6>ready: '
limits=$(inside cat "/proc/$(value MainPID)/limits" | awk '/open files/ { print $4 }')
check "LimitNOFILE is in force" test "$limits" = 4096
check "and known to weir" \
  test "$(inside curl -s http://127.0.0.1:18080/metrics | awk '$1 == "process_max_fds" { print $2 + 0 }')" = 4096
status=$(inside cat "/proc/$(value MainPID)/status")
check "no capability" grep -q '^CapBnd:[[:space:]]*0*$' <<<"$status"
check "no new privileges, a system call filter, not root" \
  test "$(grep -cE '^(NoNewPrivs:\s1|Seccomp:\s2|Uid:\s[1-9])' <<<"$status")" = 3

echo "-- reload"
mark
config 'cp "$1" /tmp/good; sed -i "s/^  one:/  uno:/" "$1"'
check "a good file is applied" ctl reload weir
check "and the log says what changed" until_true 2 says '^<6>channel uno added'
config 'echo "nonsense: 1" >>"$1"'
mark
ctl reload weir
check "a broken file is refused" until_true 2 says '^<3>.*reload refused'
check "with the mistakes in the journal, as errors" says '^<3>.*config.yaml:.*nonsense'
check "and the old configuration goes on" test "$(value ActiveState)" = active -a "$(value NRestarts)" = 0
check "serving" answers 18000
config 'cp /tmp/good "$1"'
ctl reload weir

echo "-- watchdog"
before=$(value MainPID)
mark
inside kill -STOP "$before"
check "a stopped process is replaced" until_true 8 new_main_pid "$before"
check "because of the watchdog" says 'Watchdog timeout'
check "and serves again" until_true 3 answers 18000

echo "-- stop"
inside timeout 20 curl -sN -o /dev/null http://127.0.0.1:18000/stream/one &
client=$!
until_true 3 sh -c "nsenter -t $init -m -n curl -s http://127.0.0.1:18080/metrics | grep -q '^weir_sessions.* 1$'" || sleep 1
begin=$(date +%s%N)
ctl stop weir
took=$((($(date +%s%N) - begin) / 1000000))
wait "$client"
check "drains for drain_timeout and no longer, asking for the time (4 s; took $took ms)" \
  test "$took" -ge 3500 -a "$took" -le 6000
check "and that is a clean end" is Result success

echo "-- what cannot start"
inside mv /etc/credstore/receiver-password /tmp/
mark
check "a missing credential prevents the start" not ctl start weir
check "with an error that says where" says '^<3>.*config.yaml:[0-9]+:[0-9]+: .*credential'
sleep 1.5
check "exit code 78" is ExecMainStatus 78
check "no restart" is NRestarts 0
inside mv /tmp/receiver-password /etc/credstore/
inside perl -e 'socket(S,2,1,0); setsockopt(S,1,2,pack("i",1)); bind(S,pack("Snx12",2,18000)); listen(S,1); sleep 7' &
taken=$!
sleep 0.3
ctl start weir
wait "$taken"
check "a taken port is tried again for as long as it takes" until_true 3 answers 18000

echo "-- socket activation"
mark
check "not beside a weir that has the address" not ctl start weir.socket
ctl stop weir
ctl start weir.socket
check "the first client starts weir and is served" answers 18000 5
check "weir is up" is ActiveState active
check "weir has the socket from systemd" says '^<6>Starting weir'
check "by its name" test "$(inside cat "/proc/$(value MainPID)/environ" | tr '\0' '\n' | grep ^LISTEN_FDNAMES=)" = LISTEN_FDNAMES=stream
check "and binds the admin listener itself" answers 18080
check "streams" streams
inside bash -c 'for _ in $(seq 60); do curl -sf -m 8 -o /dev/null http://127.0.0.1:18000/health || exit 1; sleep 0.02; done' &
knocking=$!
sleep 0.2
ctl restart weir
check "no connection is refused during a restart" wait "$knocking"
ctl stop weir weir.socket

echo "-- sandbox"
# First without it: what is refused here too says nothing about the sandbox.
inside env STATE_DIRECTORY=/var/tmp CREDENTIALS_DIRECTORY=/etc/credstore /run/verify/probe |
  sed -n 's/^refused: /      refused without the sandbox too: /p'
mark
ctl start probe
log probe | sed -nE 's/^<.>((refused|allowed|POSSIBLE|IMPOSSIBLE): )/      \1/p'
check "nothing more is possible than needed, and nothing less" \
  test "$(log probe | grep -cE '^<.>(refused|allowed): ')" -ge 18 -a "$(log probe | grep -cE '^<.>(POSSIBLE|IMPOSSIBLE): ')" = 0
check "systemd-analyze security: 2.0 or better" \
  systemd-analyze security --offline=true --threshold=20 "$units/weir.service" >/dev/null

printf '\n%s checks, %s wrong\n' "$checks" "$failures"
[ "$failures" = 0 ]
