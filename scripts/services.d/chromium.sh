# A browser without a screen, and letters for it: nothing runs until a test runs it.
# shellcheck shell=bash disable=SC2154

missing() {
    packages chromium chromium
    [ -d /usr/share/fonts/truetype/firacode ] || echo fonts-firacode
    [ -d /usr/share/fonts/truetype/noto ] || echo fonts-noto-core
}

is_up() { command -v chromium >/dev/null 2>&1; }

environment() { echo "CHROMIUM=$(command -v chromium)"; }

start() { is_up || failed "chromium is not installed"; }
