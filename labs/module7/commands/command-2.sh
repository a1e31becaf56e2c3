#!/bin/sh
# COMMAND 2: send a file over loopback, and say how long it took.
#
#     command-2.sh PORT SIZE        the port to use, and how many bytes the file is to have
#
# While this runs, all copies of nc are counted. At the end print one line:
#     transfer took <milliseconds> ms
#
# The shell here is busybox's, which has an nc of its own and prefers it: /usr/bin/nc is netcat.
port=$1 size=$2
file=/tmp/testdata

# Milliseconds since boot.
now() {
	awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

# Returns when somebody listens on the port.
wait_for_port() {
	until grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$port") [0-9A-F]*:[0-9A-F]* 0A " /proc/net/tcp; do
		usleep 10000
	done
}

#@ todo
#@ # TODO 1: make a file of $size bytes (dd; what is in it does not matter).
#@ # TODO 2: start a receiver in the background that throws away what it gets, and wait_for_port.
#@ # TODO 3: send the file with nc -N (which ends the connection at the end of the file), wait for the
#@ #         receiver, and print how long the two took.
#@ echo "transfer took 0 ms"
#@ solution
dd if=/dev/zero of="$file" bs=1M count=$((size / 1048576)) 2>/dev/null || exit

/usr/bin/nc -l "$port" >/dev/null &
wait_for_port
begin=$(now)
/usr/bin/nc -N 127.0.0.1 "$port" <"$file" || exit
wait
echo "transfer took $(($(now) - begin)) ms"
#@ end
rm -f "$file"
