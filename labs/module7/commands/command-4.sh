#!/bin/sh
# COMMAND 4: follow one hundred datagrams of 1024 bytes into the kernel with perf.
#
#     command-4.sh COUNT SIZE        `burst COUNT SIZE` sends them
#
# The script is run on a kernel without any probe event, and has to print what `perf script` prints: one line for each call of
# udp_sendmsg, and one for each _copy_from_iter, the latter with len=<decimal>.
count=$1 size=$2

#@ todo
#@ # TODO 1: perf probe: an event at udp_sendmsg, and one at _copy_from_iter that records rsi as len.
#@ #         A register is written %si; :u64 behind it makes the number decimal.
#@ # TODO 2: perf record both events while burst runs. Which process has to be the one that perf records?
#@ # TODO 3: perf script prints what was recorded.
#@ burst "$count" "$size" >&2
#@ solution
perf probe --quiet --add 'udp_sendmsg' --add '_copy_from_iter len=%si:u64' >&2 || exit
perf record --quiet --output /tmp/perf.data --event probe:udp_sendmsg --event probe:_copy_from_iter \
	-- burst "$count" "$size" >&2 || exit
perf script --input /tmp/perf.data
#@ end
