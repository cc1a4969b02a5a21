# Creates the directory of a private server, and removes both when their owner is gone.
#
# $1 is the directory, $2 the signal that ends the server. The owner holds the only write end of the
# pipe on standard input, so that the end of the input is the end of the owner, whatever ended it.
directory=$1
signal=$2
# The owner may be gone before it has read the answer, hence PIPE.
trap '' HUP INT QUIT TERM PIPE
mkdir -m 700 "$directory" 2>&1 || exit 1
echo created
exec >/dev/null
while read -r _; do :; done

# A process of this server is told by its data directory's name, not by a remembered id, which may be
# another process's by now, or may not have been written down in time.
kill_if_ours() {
    case $2 in
    *"$directory/data"*)
        kill -"$signal" "$1"
        found=yes
        ;;
    esac
}

kill_servers() {
    found=
    if [ -r /proc/self/cmdline ]; then
        for process in /proc/[0-9]*; do
            line=
            read -r line <"$process/cmdline"
            kill_if_ours "${process#/proc/}" "$line"
        done
    else
        while read -r pid line; do
            kill_if_ours "$pid" "$line"
        done <<END
$(ps -A -ww -o pid= -o command=)
END
    fi
}

# A server that is just being executed has no command line yet, and a killed one takes a moment to
# go. So the directory is removed only after two looks that found nothing, and again if a last
# write came in between.
quiet=0
tries=0
while [ -d "$directory" ] && [ $tries -lt 500 ]; do
    if [ $tries -eq 100 ]; then signal=KILL; fi
    kill_servers
    if [ -n "$found" ]; then quiet=0; else quiet=$((quiet + 1)); fi
    if [ $quiet -ge 2 ]; then rm -rf "$directory"; fi
    if [ -d "$directory" ]; then sleep 0.02 || sleep 1; fi
    tries=$((tries + 1))
done
