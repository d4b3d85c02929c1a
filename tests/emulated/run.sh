#!/bin/bash
# Runs the AMX kernels on an emulated CPU, for machines that have none with AMX: on demand, not in CI. Ends with the
# test's verdict; takes about two minutes after the build.
# Usage: tests/emulated/run.sh
#
# What this does not test:
# - CPUID and Linux's own part. Bochs 3.0 has no IA32_XFD, without which Linux leaves AMX off, and the model that boots
#   Linux does not report AMX: tiles.c turns it on behind Linux's back, and the test is told so. One thread only.
# - Weights below zero in int8: Bochs 3.0 takes the signed bytes of TDPBUSD as unsigned ones.
#
# Needs:
# - what a build needs
# - genisoimage, isolinux, syslinux-common, cpio and linux-headers-cloud-amd64 (Debian's packages of those names), the
#   headers of Linux 5.16 or newer; the kernel itself is fetched with apt-get
# - Bochs 3.0 with AMX and its text display: Debian 13's packages bochs, bochs-term, bochsbios and vgabios. On another
#   system they go into a folder of their own, named by BOCHS_ROOT; nothing in it runs but Bochs:
#     debootstrap --variant=minbase --include=bochs,bochs-term,bochsbios,vgabios trixie FOLDER
#   (Bochs 3.1 of August 2026 stopped Linux 6.1 with a division by zero.)
# Environment: BOCHS_ROOT, BUILD (build folder, default build/release), LIMIT (seconds for the emulated run, default
# 600).
set -euo pipefail
cd "$(dirname "$0")/../.."

BOCHS_ROOT=${BOCHS_ROOT:-}
BUILD=${BUILD:-build/release}
LIMIT=${LIMIT:-600}

work=$(mktemp -d)
bochs=
trap '[[ -z $bochs ]] || kill -KILL -- "-$bochs" 2>/dev/null || true; rm -rf "$work"' EXIT

build_test() {
  [[ -f $BUILD/build.ninja ]] || cmake --preset release -B "$BUILD"
  cmake --build "$BUILD" --target amx_test
}

# Linux and the module for it, as kernel and tiles.ko.
make_kernel() {
  local headers version
  headers=$(ls -d /usr/src/linux-headers-*-cloud-amd64 | sort -V | tail -1)
  version=${headers#/usr/src/linux-headers-}
  mkdir "$work/kernel"
  cp tests/emulated/tiles.c "$work/kernel"
  echo 'obj-m := tiles.o' >"$work/kernel/Makefile"
  make -s -C "$headers" M="$work/kernel" modules
  (cd "$work/kernel" && apt-get -qq download "linux-image-$version" 2>/dev/null && dpkg-deb -x linux-image-*.deb .)
  cp "$work/kernel/boot/vmlinuz-$version" "$work/kernel/vmlinuz"
}

# A CD with the kernel, and with init, the test and the libraries it wants as its first file system.
make_cd() {
  local cd=$work/cd initrd=$work/initrd library
  mkdir -p "$cd" "$initrd"/{tests,proc}
  g++ -std=c++20 -O2 -static -o "$initrd/init" tests/emulated/init.cc
  strip -o "$initrd/tests/amx_test" "$BUILD/bin/amx_test"
  for library in $(ldd "$BUILD/bin/amx_test" | grep -o '/[^ ]*'); do cp -L --parents "$library" "$initrd"; done
  cp "$work/kernel/tiles.ko" "$initrd"
  (cd "$initrd" && find . | cpio --quiet -o -H newc) >"$cd/initrd"
  cp "$work/kernel/vmlinuz" "$cd/kernel"
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd"
  # Emulated time has nothing to do with the CPU's: no watchdog over clocks. Without amx_tile (feature 600) Linux does
  # not look at tiles; with it, it half enables them and stops.
  local options='console=ttyS0,115200 clearcpuid=600 tsc=reliable nowatchdog nokaslr mitigations=off quiet'
  printf '%s\n' 'default test' 'label test' 'kernel kernel' 'initrd initrd' "append $options" >"$cd/isolinux.cfg"
  genisoimage -quiet -o "$work/cd.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
    "$cd"
}

configure_bochs() {
  local share=$BOCHS_ROOT/usr/share
  cat >"$work/bochsrc" <<END
display_library: term
romimage: file=$share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=$share/vgabios/vgabios-stdvga.bin
cpu: model=corei7_skylake_x, add_features="avx512vnni avx512bf16 amx amx_int8 amx_bf16", ips=50000000
memory: guest=512, host=512
ata0-master: type=cdrom, path=$work/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/console
clock: sync=none
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
END
}

start_bochs() {
  local program=("$BOCHS_ROOT/usr/bin/bochs-bin")
  if [[ -n $BOCHS_ROOT ]]; then
    local libraries=$BOCHS_ROOT/usr/lib/x86_64-linux-gnu
    program=("$BOCHS_ROOT/lib64/ld-linux-x86-64.so.2" --library-path "$libraries" "${program[@]}")
    export LTDL_LIBRARY_PATH=$libraries/bochs/plugins
  fi
  : >"$work/console"
  # A session of its own, so that it can be ended whole.
  TERM=linux setsid timeout -s KILL "$LIMIT" "${program[@]}" -q -f "$work/bochsrc" </dev/null >"$work/screen" 2>&1 &
  bochs=$!
}

# Shows the emulated console until it closes, Bochs ends or LIMIT is over.
follow() {
  sed -u '/^emulated: \(PASSED\|FAILED\)\|Kernel panic/q' < <(tail -n +1 -f --pid="$bochs" "$work/console")
}

build_test
make_kernel
make_cd
configure_bochs
start_bochs
follow
if grep -q '^emulated: PASSED' "$work/console"; then exit 0; fi
if ! grep -q '^emulated: FAILED' "$work/console"; then
  echo "emulated: no verdict: Linux or Bochs stopped, or $LIMIT s were over" >&2
  tail -5 "$work/bochs.log" >&2
fi
exit 1
