#!/bin/sh
# Run a program on a copy of this machine that is gone with it: own mounts, processes and network, and an overlay for /.
# Usage: unshare -m -p -n -f --propagation private sh private_host.sh DIRECTORY PROGRAM ARGUMENTS...
set -eu
directory=$1
shift
mount -t tmpfs private "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
mount -t overlay private -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
cd "$directory/root"
mount -t proc proc proc
mount --bind /dev dev
mount -t tmpfs run run
mkdir -p run/systemd/system
# Where the checkout and Python are may be other file systems, which an overlay does not show.
for path in $KEEP; do
  mkdir -p ".$path"
  mount --bind "$path" ".$path"
done
exec chroot . "$@"
