# Becomes the first process of a machine of its own: a real systemd over the programs and units of this
# checkout. Runs in namespaces of its own (pid, mounts, cgroups, ipc, names); whatever a unit writes
# lands in memory, and nothing of the host's /etc, /run, /var or kernel settings is touched.
# $1: the folder of programs; $2: the folder of units.
set -eu
mount --make-rprivate /
# Credentials reach a service through the propagation of mounts.
mount --make-rshared /
programs=/usr/local/bin
mount -t tmpfs tmpfs $programs
for program in tenure:tenure-e2e tenure-warden:tenure-e2e-warden fixture-worker:fixture-worker; do
    touch "$programs/${program%%:*}"
    mount --bind "$1/${program##*:}" "$programs/${program%%:*}"
done
cp -r "$2" $programs/units
# What a machine does at its start is none of our business, and some of it would reach the host.
for target in sysinit sockets basic local-fs timers; do
    wants=/lib/systemd/system/$target.target.wants
    if [ -d $wants ]; then mount -t tmpfs tmpfs $wants; fi
done
mount -t tmpfs tmpfs /run
mkdir /run/etc
cp -a /etc/. /run/etc
mount --bind /run/etc /etc
rm -rf /etc/systemd/system /etc/systemd/user /etc/credstore /etc/tenure
mkdir -p /etc/systemd/system /etc/systemd/user
mkdir -m 700 /etc/credstore
for socket in dev-log audit; do
    ln -s /dev/null "/etc/systemd/system/systemd-journald-$socket.socket"
done
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n' >/etc/systemd/journald.conf
cp $programs/units/*.service /etc/systemd/system
cp $programs/units/user/*.service /etc/systemd/user
printf '[Unit]\nWants=systemd-journald.service\n' >/etc/systemd/system/test.target
for folder in /var/lib /var/log /var/tmp /tmp /home /root; do mount -t tmpfs tmpfs $folder; done
chmod 1777 /tmp /var/tmp
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
systemd-sysusers $programs/units/sysusers.d/tenure.conf
printf 'u ada - "Somebody with a service of her own" /home/ada /bin/sh\n' | systemd-sysusers -
install -d -o ada -g ada -m 700 /home/ada /run/user-of-ada
cat >/etc/systemd/system/ada.service <<'UNIT'
[Service]
Type=notify
User=ada
Environment=HOME=/home/ada XDG_RUNTIME_DIR=/run/user-of-ada
ExecStart=/lib/systemd/systemd --user
Delegate=yes
KillMode=mixed
UNIT
export container=unshare
exec /lib/systemd/systemd --system --unit=test.target
