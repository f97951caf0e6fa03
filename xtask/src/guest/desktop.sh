#!/bin/sh
# desktop [CLIENT]: Weston on the screen with its GL renderer, and one client, until TERM.
# Without one it prints where clients find Weston.
# Weston's own words go to /rig/weston.log.
folder=$(mktemp -d)
export XDG_RUNTIME_DIR=$folder WAYLAND_DISPLAY=rig
chmod 700 "$folder"
cat >"$folder/weston.ini" <<END
[core]
idle-time=0
[shell]
background-color=0xff304060
panel-position=none
locking=false
animation=none
startup-animation=none
END
# From version 12 on Weston needs somebody who opens devices for it; before, it does so itself.
if weston --help | grep -q -e --tty; then
    launch= tty=--tty=1
else
    launch="seatd-launch --" tty=
fi
$launch sh -c 'echo $$ >"$0/pid" && exec "$@"' "$folder" weston $tty \
    --config="$folder/weston.ini" --backend=drm-backend.so --shell=desktop-shell.so \
    --drm-device=card0 --continue-without-input --socket="$WAYLAND_DISPLAY" \
    --log=/rig/weston.log &
launched=$!
client=
trap 'kill $client $(cat "$folder/pid"); wait; exit' TERM
while [ ! -e "$folder/$WAYLAND_DISPLAY" ]; do
    kill -0 "$launched" || exit 1
    sleep 0.1
done
if [ $# -eq 0 ]; then
    echo "$folder/$WAYLAND_DISPLAY"
else
    "$@" &
    client=$!
fi
wait "$launched"
