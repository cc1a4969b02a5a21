# Starts a private Redis server, and removes it and its directory when their owner is gone.
#
# $1 is the server program. The owner holds the only write end of the pipe on standard input, so that
# the end of the input is the end of the owner, whatever ended it.
# The owner may be gone before it has read the answer, hence PIPE.
trap '' HUP INT QUIT TERM PIPE
directory=$(mktemp -d) || exit 1
"$1" --port 0 --unixsocket "$directory/socket" --dir "$directory" --save '' --appendonly no \
    </dev/null >"$directory/log" 2>&1 &
echo "$directory"
while read -r _; do :; done
# The server is this shell's own child and has not been waited for, so the id is still its own.
kill -9 $!
wait
rm -rf "$directory"
