#!/usr/bin/env bash
# Runs the images that docker/build.sh built as compose.yaml and compose.proxy.yaml describe, and checks an
# upgrade, a batch, the replacement of containers and a restore. Needs root, podman and crun on Linux.
# All servers listen in a network namespace that has only loopback. Nothing of them is left afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

export GLMR_IMAGES=${GLMR_IMAGES:-/var/tmp/glmr-images}
[ -f "$GLMR_IMAGES/driver" ] || { echo "Error: no images in $GLMR_IMAGES. Run docker/build.sh first." >&2; exit 1; }
for tool in podman crun unshare ip; do
    command -v "$tool" >/dev/null || { echo "Error: not installed: $tool. Run: apt-get install podman crun iproute2" >&2; exit 1; }
done
exec 9>"$GLMR_IMAGES/lock"
flock --nonblock 9 || { echo "Error: another build or trial uses $GLMR_IMAGES. Wait for its end, or choose another folder: GLMR_IMAGES=/path" >&2; exit 1; }
# What podman remembers of a run that was killed describes processes that have ended.
rm -rf "$GLMR_IMAGES/podman"

# With the namespace of processes ends everything that was started in it, whatever happens.
# crun cannot use the mixed control groups of some machines; the mount is seen only here.
exec unshare --net --pid --fork --kill-child --mount --mount-proc bash -c '
    ip link set lo up
    echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
    umount --recursive /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 none /sys/fs/cgroup
    exec "$0" -m tools.facility' "${PYTHON:-.venv/bin/python}"
