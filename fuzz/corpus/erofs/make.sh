#!/bin/sh
# Makes the images of this directory: mkfs.erofs of erofs-utils 1.8.6 and setfattr, in a directory that keeps
# extended attributes. Usage: make.sh [PATH/TO/mkfs.erofs]
set -eu
mkfs=${1:-mkfs.erofs}
cd "$(dirname "$0")"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree/d"
seq 1 900 > "$tree/numbers"
cp "$tree/numbers" "$tree/d/again"
seq 400 1700 >> "$tree/d/again"
printf 'short\n' > "$tree/d/short"
ln -s d/short "$tree/link"
mkfifo "$tree/pipe"
truncate -s 20000 "$tree/sparse"
for file in numbers d/again; do
    setfattr -n user.same -v everywhere "$tree/$file"
    setfattr -n "user.$(basename "$file")" -v own "$tree/$file"
done
make() {
    image=$1
    shift
    "$mkfs" --quiet --workers=1 -T0 -U00000000-0000-4000-8000-000000000000 --all-root "$@" "$image" "$tree"
}
make lz4-fragments-dedupe -b512 -zlz4hc -C2048 -Efragments,dedupe
make lz4-tails -zlz4hc -C8192 -Eztailpacking
make chunks -b512 --chunksize=4096 --xattr-prefix=user.sa
make lzma -b512 -zlzma -C4096 -Eall-fragments
make zstd -b512 -zzstd -C2048
