# Runs in the guest from its start: executes the jobs that the host puts into /rig/jobs.
applets=/run/rig/applets
export PATH=$applets
system=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=linux XDG_RUNTIME_DIR=/run/user/0 RIG_OUT=/rig/out
hostname guest

# Modules were not installed on the host: the guest finds them where the rig unpacked them.
. /rig/settings
release=$(uname -r)
if [ ! -e "/lib/modules/$release" ]; then
    mkdir -p /lib/modules
    ln -s "$modules" "/lib/modules/$release"
fi

for program in kms-probe gl-probe buffer-probe; do
    ln -s "$programs/$program" "/run/rig/tools/$program"
done

# The terminal forgets its settings when nobody has it open.
exec 4<>/dev/hvc0
stty -F /dev/hvc0 -opost -echo
# Programs that stop when their input ends read from a pipe that nobody writes to.
mkfifo /run/rig/silence
exec 3<>/run/rig/silence

run_job() {
    script=/rig/jobs/$1.running
    if [ -e "/rig/jobs/$1.console" ]; then
        PATH=/run/rig/tools:$system:$applets setsid -c "$applets/sh" "$script" </dev/hvc0 >/dev/hvc0 2>&1 3>&- 4>&-
        printf '\036rig-exit %d\n' $? >/dev/hvc0
    else
        PATH=/run/rig/tools:$system:$applets setsid "$applets/sh" "$script" <&3 >"/rig/jobs/$1.out" 2>&1 3>&- 4>&-
        echo $? >"/rig/jobs/$1.ended"
        mv "/rig/jobs/$1.ended" "/rig/jobs/$1.status"
    fi
}

cat /proc/sys/kernel/random/boot_id >/rig/booting
mv /rig/booting /rig/ready
while :; do
    for job in /rig/jobs/*.sh; do
        [ -e "$job" ] || continue
        id=${job##*/}
        id=${id%.sh}
        mv "$job" "/rig/jobs/$id.running"
        run_job "$id" &
    done
    sleep 0.05
done
