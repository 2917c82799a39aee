#!/bin/sh
# Runs one server for a test process and never outlives it: when the test process is gone, however it ended, `read`
# meets the end of the input, and the server is killed and its directory removed.
#
# Arguments: the server's directory, then its command. Orders on standard input: `start` answers with the server's
# process id, `reap` waits for its end and answers with its exit code. Until it is reaped its process id stays its own.
directory=$1
shift
server=
trap : PIPE # an answer that nobody reads any more must not keep the directory

while read -r order; do
  case $order in
    start)
      "$@" >>"$directory/log" 2>&1 </dev/null &
      server=$!
      echo "$server"
      ;;
    reap)
      wait "$server"
      echo "$?"
      server=
      ;;
  esac
done

[ -z "$server" ] || kill -s KILL "$server"
wait
rm -rf "$directory"
