// SPDX-License-Identifier: GPL-2.0
/*
 * recv_trace: reports COPY #4 of a transfer, from the kernel into the receiver's memory.
 *
 * The probed function is
 *     size_t _copy_to_iter(const void *addr, size_t bytes, struct iov_iter *i)
 * addr: where in the kernel the bytes lie; bytes: how many; i: where in user memory they go.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

#define TRACED_COMM "receiver"

/* Runs before the function's first instruction: the arguments are still in their registers. */
static int before_copy(struct kprobe *probe, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 1: return at once unless current->comm is TRACED_COMM.
	//@  * TODO 2: take the first and the second argument out of regs.
	//@  * TODO 3: print one line with pr_info, in exactly this form:
	//@  *             [COPY4] PID=1235 src=ffff888112340050 len=13
	//@  */
	//@ solution
	const void *src = (const void *)regs->di;
	size_t len = regs->si;

	if (strcmp(current->comm, TRACED_COMM) != 0)
		return 0;
	pr_info("[COPY4] PID=%d src=%px len=%zu\n", current->pid, src, len);
	//@ end
	return 0;
}

static struct kprobe copy_probe = {
	.symbol_name = "_copy_to_iter",
	.pre_handler = before_copy,
};

static int __init recv_trace_init(void)
{
	return register_kprobe(&copy_probe);
}

static void __exit recv_trace_exit(void)
{
	unregister_kprobe(&copy_probe);
}

module_init(recv_trace_init);
module_exit(recv_trace_exit);

MODULE_DESCRIPTION("Reports copies to user memory of the process receiver");
MODULE_LICENSE("GPL");
