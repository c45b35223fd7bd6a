#!/bin/sh
# Chromium for the viewer's tests and OpenGL for those that draw, where Debian's packages can be had.
# Without them these tests are skipped and say so.
command -v chromium >/dev/null && ldconfig -p | grep -q libEGL.so.1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium libegl1 && exit 0
fi
echo "Chromium or EGL is missing, so some tests are skipped; on Debian: apt-get install chromium libegl1"
