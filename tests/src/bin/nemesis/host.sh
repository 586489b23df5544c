# The first process of a host. $1 is its number, $2 its folder, $3 the program that dispatches.
set -e
hostname "host$1"
mount --bind "$2/etc" /etc
mount --bind "$2/boot-id" /proc/sys/kernel/random/boot_id
# A machine that was switched off has no cgroups left; here they would be.
if mountpoint -q /sys/fs/cgroup; then umount -R -l /sys/fs/cgroup; fi
cd /
set +e
# What a service manager does.
while :; do
    HOME="$2" TENURE_LOG=info,tenure_store=debug "$3" serve >>"$2/log" 2>&1 </dev/null
    sleep 0.5
done
