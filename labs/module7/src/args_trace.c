// SPDX-License-Identifier: GPL-2.0
/*
 * args_trace: shows the arguments of both copy functions, as the processor holds them.
 *
 *     size_t _copy_from_iter(void *addr, size_t bytes, struct iov_iter *i)
 *     size_t _copy_to_iter(const void *addr, size_t bytes, struct iov_iter *i)
 *
 * Two probes, one handler: the arguments are in the same registers.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

/* Runs before the first instruction of either function; probe->symbol_name says which. */
static int before_copy(struct kprobe *probe, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 1: return at once unless the process is "sender" or "receiver".
	//@  * TODO 2: print the three registers with pr_info, in exactly this form:
	//@  *     [ARGS] func=_copy_from_iter PID=1234 di=ffff888112340000 si=100 dx=ffff888198760000
	//@  * All three in hex without 0x, as they are in the registers: nothing is looked up behind them.
	//@  */
	//@ solution
	if (strcmp(current->comm, "sender") != 0 && strcmp(current->comm, "receiver") != 0)
		return 0;
	pr_info("[ARGS] func=%s PID=%d di=%lx si=%lx dx=%lx\n", probe->symbol_name, current->pid,
		regs->di, regs->si, regs->dx);
	//@ end
	return 0;
}

static struct kprobe from_probe = {
	.symbol_name = "_copy_from_iter",
	.pre_handler = before_copy,
};

static struct kprobe to_probe = {
	.symbol_name = "_copy_to_iter",
	.pre_handler = before_copy,
};

static struct kprobe *copy_probes[] = { &from_probe, &to_probe };

static int __init args_trace_init(void)
{
	return register_kprobes(copy_probes, ARRAY_SIZE(copy_probes));
}

static void __exit args_trace_exit(void)
{
	unregister_kprobes(copy_probes, ARRAY_SIZE(copy_probes));
}

module_init(args_trace_init);
module_exit(args_trace_exit);

MODULE_DESCRIPTION("Shows the arguments of the copy functions");
MODULE_LICENSE("GPL");
