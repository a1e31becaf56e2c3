// SPDX-License-Identifier: GPL-2.0
/*
 * send_trace: reports COPY #1 of a transfer, from the sender's memory into the kernel.
 *
 * The probed function is
 *     size_t _copy_from_iter(void *addr, size_t bytes, struct iov_iter *i)
 * addr: where in the kernel the bytes go; bytes: how many; i: where in user memory they come from.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

#define TRACED_COMM "sender"

/* Runs before the function's first instruction: the arguments are still in their registers. */
static int before_copy(struct kprobe *probe, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 1: the kernel copies for many processes. Return at once unless
	//@  *         the process that runs (current->comm) is TRACED_COMM.
	//@  * TODO 2: take the first and the second argument out of regs.
	//@  * TODO 3: print one line with pr_info, in exactly this form:
	//@  *             [COPY1] PID=1234 dest=ffff888112340050 len=13
	//@  *         The address has to be the real one, not the hash that %p prints.
	//@  */
	//@ solution
	const void *dest = (const void *)regs->di;
	size_t len = regs->si;

	if (strcmp(current->comm, TRACED_COMM) != 0)
		return 0;
	pr_info("[COPY1] PID=%d dest=%px len=%zu\n", current->pid, dest, len);
	//@ end
	return 0;
}

static struct kprobe copy_probe = {
	.symbol_name = "_copy_from_iter",
	.pre_handler = before_copy,
};

static int __init send_trace_init(void)
{
	return register_kprobe(&copy_probe);
}

static void __exit send_trace_exit(void)
{
	unregister_kprobe(&copy_probe);
}

module_init(send_trace_init);
module_exit(send_trace_exit);

MODULE_DESCRIPTION("Reports copies from user memory by the process sender");
MODULE_LICENSE("GPL");
