#!/bin/sh
# screenshot NAME [HEAD]: asks the host for a picture of the screen, target/rig/out/NAME.png.
if [ $# -lt 1 ]; then
    echo "usage: screenshot NAME [HEAD]" >&2
    exit 2
fi
request=/rig/requests/$$
echo "screenshot $1 ${2:-0}" >"$request.new"
mv "$request.new" "$request.request"
while [ ! -e "$request.answer" ]; do
    sleep 0.05
done
read -r answer <"$request.answer"
rm -f "$request.answer"
case $answer in
    ok*) echo "${answer#ok }" ;;
    *)
        echo "screenshot: $answer" >&2
        exit 1
        ;;
esac
