#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, and those given as arguments: packages that bring a command
# of their own name (chromium, clang, clang-format, curl, unzip), qemu-user, and what the build goes without:
# libdcmtk-dev (DICOM) and dcmtk (DCMTK's tools, for tests of DICOM). Asks nothing; does nothing if all are there. With
# --check as the first argument it installs nothing: it names what is missing and fails.
set -euo pipefail

check_only=no
if [ "${1:-}" = --check ]; then
  check_only=yes
  shift
fi

# Whether a package is there that was asked for by name.
present() {
  case $1 in
    libdcmtk-dev) header dcmtk/dcmdata/dctk.h ;;
    dcmtk) command -v dcmdump > /dev/null ;;
    qemu-user) command -v qemu-x86_64 > /dev/null ;;
    *) command -v "$1" > /dev/null ;;
  esac
}

header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }

missing=()
check_all() {
  missing=()
  local package
  for package in g++ cmake make "$@"; do
    # Clang without its runtime links no fuzz target.
    if [ "$package" = clang ] && ! compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer*' > /dev/null; then
      missing+=(libclang-rt-dev)
    fi
    present "$package" && continue
    missing+=("$package")
    if [ "$package" = curl ]; then missing+=(ca-certificates); fi
  done
  header eigen3/Eigen/Core || missing+=(libeigen3-dev)
  header lodepng.h || missing+=(liblodepng-dev)
  header CLI/CLI.hpp || missing+=(libcli11-dev)
  header gtest/gtest.h || missing+=(libgtest-dev)
  header nlohmann/json.hpp || missing+=(nlohmann-json3-dev)
  header jpeglib.h || missing+=(libjpeg62-turbo-dev)
  header tiffio.h || header "$(uname -m)-linux-gnu/tiffio.h" || missing+=(libtiff-dev)
  header libdeflate.h || missing+=(libdeflate-dev)
  header stb/stb_easy_font.h || missing+=(libstb-dev)
  header boost/context/fiber.hpp || missing+=(libboost-context-dev)
}

check_all "$@"
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$check_only" = yes ]; then
  command="make deps"
  if [ $# -gt 0 ]; then command="tools/install_deps.sh $*"; fi
  echo "Debian packages are missing: ${missing[*]}" >&2
  echo "This installs them, as root or through sudo: $command" >&2
  exit 1
fi

if ! command -v apt-get > /dev/null; then
  echo "install_deps: no apt-get here; install what these Debian packages hold: ${missing[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root=(env)
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
  as_root=(sudo -n env)
else
  echo "install_deps: packages are missing and this user may not install them; run this, then try again:" >&2
  echo "su -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'" >&2
  exit 1
fi

echo "install_deps: installing ${missing[*]}"
apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
# A source of the machine's that does not answer need not matter: the installation decides.
"${apt[@]}" update < /dev/null || echo "install_deps: apt-get update failed; trying with the package lists at hand"
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" < /dev/null

check_all "$@"
if [ ${#missing[@]} -ne 0 ]; then
  echo "install_deps: still missing after the installation: ${missing[*]}" >&2
  exit 1
fi
