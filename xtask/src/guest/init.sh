#!/bin/sh
# The guest's first program: loads modules, makes the host's root file system ours, hands over.
export PATH=/bin
mkdir -p /proc /sys /dev /rig /low /up /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

for module in $(cat /modules/order); do
    insmod "/modules/$module" || echo "rig: cannot load $module"
done

options=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o "$options,ro,cache=loose" host /low || echo "rig: cannot mount the host's root"
mount -t tmpfs tmpfs /up
mkdir /up/upper /up/work
mount -t overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work overlay /root

mount --move /dev /root/dev
mount --move /proc /root/proc
mount --move /sys /root/sys
mount -t tmpfs tmpfs /root/run
mkdir -p /root/dev/pts /root/dev/shm /root/rig /root/run/rig /root/run/user/0
mount -t devpts devpts /root/dev/pts
mount -t tmpfs tmpfs /root/dev/shm
mount -t 9p -o "$options,rw,cache=none" rig /root/rig || echo "rig: cannot mount the exchange folder"
mkdir -p /root/rig/out
mount -t 9p -o "$options,rw,cache=none" out /root/rig/out || echo "rig: cannot mount the output folder"
cp -a /bin /root/run/rig/applets
cp -a /tools /root/run/rig/tools
exec switch_root /root /run/rig/applets/sh /run/rig/tools/agent
