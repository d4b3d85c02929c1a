# Images and containers without a daemon: buildah and podman as root, all state in one folder. Sourced by run.sh.
# shellcheck shell=bash

BASE_IMAGE=docker.io/library/debian:bookworm-slim
PROMETHEUS_IMAGE=docker.io/prom/prometheus:v2.53.5

# use_storage DIR: every later buildah and podman call works in there.
use_storage() {
  mkdir -p "$1"
  cat >"$1/storage.conf" <<CONF
[storage]
driver = "overlay"
runroot = "$1/run"
graphroot = "$1/lib"
CONF
  # runc and cgroupfs: crun refuses hybrid cgroups. The ulimits: podman's defaults need a capability that containers lack.
  cat >"$1/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
CONF
  export CONTAINERS_STORAGE_CONF=$1/storage.conf CONTAINERS_CONF=$1/containers.conf BUILDAH_ISOLATION=chroot
}

# A stand-in for debian:bookworm-slim where no image can be pulled: made by mmdebstrap from this machine's own mirrors.
make_base_image() {
  local sources tar=$1/base.tar
  ! podman image exists "$BASE_IMAGE" || return 0
  mapfile -t sources < <(apt_sources)
  log "making $BASE_IMAGE"
  # Slim as the original: no documentation, no translations.
  mmdebstrap --quiet --variant=minbase --include=ca-certificates --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Languages "none"' bookworm "$tar" "${sources[@]}"
  podman import --quiet --change 'CMD ["bash"]' "$tar" "$BASE_IMAGE" >/dev/null
  rm "$tar"
}

# The machine's own bookworm lines, as one-line sources.
apt_sources() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(IDENTIFIER)' |
    awk '$4 == "Packages" && $2 ~ /^bookworm/ && $3 == "main" {print "deb", $1, $2, $3}' | sort -u
}

# build_image NAME DOCKERFILE CONTEXT: with this machine's package and certificate configuration, which thereby stays out
# of the image.
build_image() {
  local mounts=() path
  for path in /etc/apt /etc/pip.conf /etc/ssl/certs; do
    [ ! -e "$path" ] || mounts+=(--volume "$path:$path:ro")
  done
  nice buildah bud --isolation chroot --format docker --layers --pull-never "${mounts[@]}" --tag "$1" --file "$2" "$3"
}
