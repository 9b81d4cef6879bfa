#!/bin/sh
# Makes the disks of this directory with qemu-img and qemu-io. Usage: make.sh
set -eu
cd "$(dirname "$0")"
rm -f -- *.qcow2 *.vmdk *.vdi
qemu-img create -q -f qcow2 -o cluster_size=512,compat=0.10 base.qcow2 64k
qemu-io -c 'write -q -P 0x11 0 1k' -c 'write -q -P 0x22 40k 512' base.qcow2
qemu-img create -q -f qcow2 -o cluster_size=512 -b base.qcow2 -F qcow2 child.qcow2 96k
qemu-io -c 'write -q -P 0x33 512 512' child.qcow2
qemu-img snapshot -c first child.qcow2
qemu-io -c 'write -q -P 0x44 1k 512' -c 'write -q -z 2k 512' child.qcow2
qemu-img create -q -f qcow2 -o cluster_size=16k,extended_l2=on extended.qcow2 64k
qemu-io -c 'write -q -P 0x55 512 512' extended.qcow2
# Two that have each other as parent.
qemu-img create -q -u -f qcow2 -o cluster_size=512 -b circle2.qcow2 -F qcow2 circle1.qcow2 64k
qemu-img create -q -u -f qcow2 -o cluster_size=512 -b circle1.qcow2 -F qcow2 circle2.qcow2 64k
qemu-img create -q -f vmdk -o subformat=monolithicFlat flat.vmdk 64k
# Its part may be any bytes.
rm flat-flat.vmdk
