# Shared by the scripts beside it: sourced, not run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Says what happens next, with the seconds since the start.
say() { printf '==> [%4d s] %s\n' "$SECONDS" "$*"; }

# configure_and_build PRESET [TARGET...]
configure_and_build() {
  local preset=$1
  shift
  say "Configuring (preset $preset, in build/$preset)"
  (cd "$root" && cmake --preset "$preset" --log-level=NOTICE)
  say "Building ${*:-everything} on $(nproc) cores"
  cmake --build "$root/build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}
