#!/bin/sh
# COMMAND 3: what one queued packet costs, asked of the running kernel.
#
# To be printed, each in a line of its own, numbers in decimal bytes:
#     skbuff_head_cache objsize=...     what the slab allocator gives away for one sk_buff
#     sk_buff size=...                  what the structure needs
#     head offset=...                   and so on for: next sk dev len data_len transport_header
#                                       network_header mac_header tail end head data
#@ todo
#@ # TODO 1: the line of skbuff_head_cache in /proc/slabinfo. Which column is the size of an object?
#@ #         (head -2 /proc/slabinfo names them.)
#@ # TODO 2: sizes and offsets from BTF. bpftrace has sizeof(struct NAME) and offsetof(struct NAME, MEMBER).
#@ grep '^skbuff' /proc/slabinfo
#@ solution
awk '$1 == "skbuff_head_cache" { print $1 " objsize=" $4 }' /proc/slabinfo

program='printf("sk_buff size=%d\n", sizeof(struct sk_buff));'
for member in next sk dev len data_len transport_header network_header mac_header tail end head data; do
	program="$program printf(\"$member offset=%d\\n\", offsetof(struct sk_buff, $member));"
done
bpftrace -e "BEGIN { $program exit(); }"
#@ end
