#!/bin/sh
# The web page on a stand-in for WhatsApp, with somebody who writes in the background: `make demo-web`.
# The people are made up. Everything happens in a directory that is removed at the end, by Ctrl-C.
set -eu

home='' running=''

finish() {
    status=$?
    trap - EXIT
    trap '' HUP INT TERM PIPE
    for process in $running; do
        kill "$process" 2>/dev/null || :
    done
    for process in $running; do
        wait "$process" 2>/dev/null || :
    done
    rm -rf "$home"
    exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 0' INT TERM
trap 'exit 141' PIPE
home=$(mktemp -d "${TMPDIR:-/tmp}/wa-demo.XXXXXX")

# Your own settings have no say here.
for name in $(env | sed -n 's/^\(\(WA\|API\)_[A-Z_]*\)=.*/\1/p'); do
    unset "$name"
done
export WA_HOME="$home" WA_TRANSPORT=loopback WA_REGION=GB
samples=$(cd "$(dirname "$0")/../contacts" && pwd)

printf 'some people, messages and drafts are made up ...\n'
{
    wa contacts import-vcf "$samples/family.vcf" "$samples/friends.vcf"
    wa contacts import-aliases "$samples/aliases.txt"
    wa contacts add "Adam Sample" 447700900456 --alias neighbour --tag street
    wa contacts favorite sister
    wa contacts edit sister --birthday 1985-12-24
    wa template add birthday "Happy birthday, {first}!"
    wa template add reminder "See you on {weekday} at {time}, {first}."
    wa loopback say sister "Are we still on for Saturday?"
    wa loopback say neighbour "Your parcel is with me."
    wa schedule add neighbour "Thanks, I come at six." --at "in 2 minutes"
    wa schedule add sister "Lunch as always? The table is booked for one." --at "sat 10:00" --every week
    wa schedule birthdays --template birthday --at 09:00
    wa schedule add plumber "Could you come on Monday?" --at "tomorrow 9am" --draft
    wa jobs add --title "Tea on Sunday" --to neighbour --to brother --to zoe --gap 20s \
        --part "Hi {first}, tea on Sunday?" --part "It is number 5, the green door."
} >/dev/null 2>&1 || { printf 'demo: the samples were refused\n' >&2; exit 1; }

wa run-scheduler >/dev/null 2>&1 &
running="$running $!"
wa serve --port "${PORT:-0}" &
running="$running $!"
printf 'Ctrl-C ends it, and nothing is left behind.\n'

write() { # somebody writes, now and then; what it has begun ends with it
    trap 'kill "$begun" 2>/dev/null; wait "$begun"; exit 0' TERM
    while :; do
        for line in "sister:Ten o'clock at the station?" "neighbour:It is a big parcel." "brother:Who brings the cake?" \
            "sister:I bring the book, too." "zoe:See you on Sunday!"; do
            sleep "${PAUSE:-8}" &
            begun=$!
            wait "$begun"
            wa loopback say "${line%%:*}" "${line#*:}" &
            begun=$!
            wait "$begun"
        done
    done
}
write >/dev/null 2>&1 &
running="$running $!"
wait
