// SPDX-License-Identifier: GPL-2.0
/*
 * skb_layout: measures the buffer of a packet on its way to the device.
 *
 * The probed function is
 *     int __dev_queue_xmit(struct sk_buff *skb, struct net_device *sb_dev)
 * By then all three headers are in front of the payload, and skb->data points at the first of them.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/string.h>

#define TRACED_COMM "sender"

/* Runs before the function's first instruction: the packet is its first argument. */
static int before_xmit(struct kprobe *probe, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 1: return at once unless current->comm is TRACED_COMM.
	//@  * TODO 2: print what exercise A computes with pr_info, in exactly this form:
	//@  *     [SKB] PID=1234 len=1042 headroom=2 tailroom=684 buffer=1728
	//@  *         buffer is all of it, from head to end. skb_headroom(), skb_tailroom() and
	//@  *         skb_end_pointer() know that tail and end are offsets, not pointers.
	//@  */
	//@ solution
	const struct sk_buff *skb = (const struct sk_buff *)regs->di;

	if (strcmp(current->comm, TRACED_COMM) != 0)
		return 0;
	pr_info("[SKB] PID=%d len=%u headroom=%u tailroom=%d buffer=%ld\n", current->pid, skb->len, skb_headroom(skb),
		skb_tailroom(skb), (long)(skb_end_pointer(skb) - skb->head));
	//@ end
	return 0;
}

static struct kprobe xmit_probe = {
	.symbol_name = "__dev_queue_xmit",
	.pre_handler = before_xmit,
};

static int __init skb_layout_init(void)
{
	return register_kprobe(&xmit_probe);
}

static void __exit skb_layout_exit(void)
{
	unregister_kprobe(&xmit_probe);
}

module_init(skb_layout_init);
module_exit(skb_layout_exit);

MODULE_DESCRIPTION("Measures the buffers of packets that the process sender sends");
MODULE_LICENSE("GPL");
