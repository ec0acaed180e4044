#!/bin/sh
# The main job in about ten seconds, on a stand-in for WhatsApp: `make demo`.
# The people are made up. Everything happens in a directory that is removed at the end.
set -eu

home=

finish() {
    status=$?
    trap - EXIT
    trap '' HUP INT TERM PIPE
    set +u # where nothing was started, $! is not set
    while [ -n "$!" ] && kill "$!" 2>/dev/null; do
        sleep 0.5
    done
    rm -rf "$home"
    exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 141' PIPE
home=$(mktemp -d "${TMPDIR:-/tmp}/wa-demo.XXXXXX")

# Your own settings have no say here.
for name in $(env | sed -n 's/^\(WA_[A-Z_]*\)=.*/\1/p'); do
    unset "$name"
done
export WA_HOME="$home" WA_TRANSPORT=loopback
samples=$(cd "$(dirname "$0")/../contacts" && pwd)
mkdir "$home/contacts"
cp "$samples/family.vcf" "$samples/friends.vcf" "$samples/aliases.txt" "$home/contacts"
cd "$home"

say() {
    printf '\n%s\n' "$1"
}

show() { # the command line as one would type it
    printf '$'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=+%-]*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
}

run() {
    show "$@"
    "$@"
}

fail() {
    printf 'demo: %s\n' "$1" >&2
    exit 1
}

say 'You import the address books of a phone and a mail program, and your aliases.'
run wa contacts import-vcf contacts/family.vcf contacts/friends.vcf
run wa contacts import-aliases contacts/aliases.txt
run wa contacts add "Adam Sample" 447700900456 --alias neighbour
run wa contacts list
run wa contacts search zoe

say 'Nadia writes to you. (The stand-in plays her part; the id is her message'\''s.)'
run wa loopback say sister "Are we still on for Saturday?"

say 'You listen for a second. What arrives is recorded and printed.'
run wa listen --for 1s

say 'You answer. The command returns when the server has the message.'
run wa send sister "Yes! Ten o'clock at the station."

say 'The plumber gets a message too, but later: in four seconds.'
run wa schedule add plumber "Could you come on Monday?" --at "in 4 seconds"
run wa schedule list

say 'Three people are invited, each by name and one after the other: a job.'
run wa jobs add --to neighbour --to brother --to zoe --part "Hi {first}, tea on Sunday?" --gap 1s

say 'A template and a birthday make a greeting that goes out every year.'
run wa contacts edit sister --birthday 1985-12-24
run wa template add birthday "Happy birthday, {first}!"
run wa schedule birthdays --template birthday --at 09:00

say 'The scheduler sends what is due. It runs on while you do other things.'
printf '$ wa run-scheduler &\n'
wa run-scheduler &
scheduler=$!
run wa loopback say sister "Lovely, see you on Saturday"

looks=0
until wa schedule list --status sent | grep -q 'come on Monday' && wa jobs list | grep -q completed; do
    kill -0 "$scheduler" 2>/dev/null || fail 'the scheduler ended by itself'
    looks=$((looks + 1))
    [ "$looks" -lt 60 ] || fail 'the scheduled messages were not sent'
    sleep 0.5 # each look is two commands, and they would keep a slow machine busy
done

say 'It went out, and so did the job. Nadia wrote meanwhile: her message is unread.'
run wa schedule list --status sent
run wa jobs list
run wa chats
run wa search saturday

say 'How things stand, with the scheduler still at work; then it is told to stop.'
run wa status
show kill %1
kill "$scheduler"
wait "$scheduler" || fail 'the scheduler did not end cleanly'
trap 'rm -rf "$home"' EXIT # nothing is left to stop

say 'And the other side: what the server accepted, each message once.'
run wa loopback delivered

say 'That was all, and nothing is left behind. README.md goes on from here.'
