# Boots the machine, and takes it down with everything in it as soon as whoever holds the other end of
# the standard input is gone, however that ended. $1: the machine's cgroup; $2: boot.sh; then its
# arguments.
cgroup=$1
boot=$2
shift 2
mkdir "$cgroup" || exit 1
sh -c 'echo $$ >"$0/cgroup.procs" && exec unshare --pid --fork --mount --cgroup --uts --ipc \
    --mount-proc --kill-child sh "$@"' "$cgroup" "$boot" "$@" </dev/null >&2 &
leader=$!
echo $leader
cat >/dev/null
# The first process dies with its parent, and with it all others of the machine.
kill -KILL $leader
wait $leader
tries=0
until find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || [ $tries -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
