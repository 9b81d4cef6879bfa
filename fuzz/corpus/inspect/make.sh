#!/bin/sh
# Makes the files of this directory with mkimage, dtc, mkbootimg 34 or later (Debian 13), img2simg, wimlib-imagex, as,
# ld, openssl, sbsign, xz, gzip, zstd. Keys, times and GUIDs differ each time. Usage: make.sh [PATH/TO/mkbootimg]
set -eu
mkbootimg=${1:-mkbootimg}
to=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
seq 1 40 > kernel
seq 100 130 > ramdisk

cat > image.its <<'ITS'
/dts-v1/;
/ { description = "a FIT"; #address-cells = <1>;
  images {
    kernel-1 { description = "Linux"; data = /incbin/("kernel"); type = "kernel"; arch = "arm64"; os = "linux";
      compression = "none"; load = <0x80000>; entry = <0x80000>; hash-1 { algo = "sha256"; }; };
  };
  configurations { default = "conf-1"; conf-1 { kernel = "kernel-1"; }; };
};
ITS
mkimage -f image.its "$to/fit" > /dev/null
mkimage -A arm -O linux -C none -T multi -n "a name" -d kernel:ramdisk "$to/uimage" > /dev/null

"$mkbootimg" --header_version 2 --kernel kernel --ramdisk ramdisk --dtb ramdisk --cmdline quiet -o "$to/boot-v2"
"$mkbootimg" --header_version 4 --kernel kernel --ramdisk ramdisk --cmdline "quiet splash" \
    --os_version 14.0.0 --os_patch_level 2024-05 -o "$to/boot-v4"
printf 'androidboot.slot=a\n' > bootconfig
"$mkbootimg" --header_version 4 --vendor_cmdline "console=ttyS0" --dtb kernel --vendor_bootconfig bootconfig \
    --ramdisk_type platform --ramdisk_name first --vendor_ramdisk_fragment kernel \
    --ramdisk_type dlkm --ramdisk_name modules --vendor_ramdisk_fragment ramdisk --vendor_boot "$to/vendor-v4"

{ cat kernel; head -c 12000 /dev/zero; head -c 4096 /dev/zero | tr '\0' '\377'; } > disk
truncate -s 40960 disk
img2simg disk "$to/sparse"

mkdir tree && cp kernel tree
wimlib-imagex capture tree boot.wim "Windows PE" --boot --check > /dev/null
wimlib-imagex append tree boot.wim "second & last" --check > /dev/null
cp boot.wim "$to/wim"

printf '.globl _start\n_start: ret\n' | as -o start.o
ld -m i386pep --subsystem 10 -e _start -o plain.efi start.o 2> /dev/null || objcopy -O pei-x86-64 --subsystem efi-app start.o plain.efi
openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=Root" -days 3650 -keyout root.key -out root.crt 2> /dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=Signer" -keyout key -out request 2> /dev/null
openssl x509 -req -in request -CA root.crt -CAkey root.key -CAcreateserial -days 3650 -out crt 2> /dev/null
sbsign --key key --cert crt --addcert root.crt --output "$to/signed.efi" plain.efi > /dev/null

xz -c kernel > "$to/kernel.xz"
gzip -nc kernel > "$to/kernel.gz"
zstd -qc kernel > "$to/kernel.zst"
