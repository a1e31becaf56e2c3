// SPDX-License-Identifier: GPL-2.0
/* Logs COPY #4: what receiver gets out of the kernel, and where in the kernel it lay. */
#define pr_fmt(fmt) fmt

#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

/*
 * size_t _copy_to_iter(const void *addr, size_t bytes, struct iov_iter *i)
 * On x86-64 the three arguments arrive in RDI, RSI and RDX.
 */
static int on_copy_to_iter(struct kprobe *probe, struct pt_regs *regs)
{
	if (strcmp(current->comm, "receiver") != 0)
		return 0;
	pr_info("[COPY4] PID=%d src=%px len=%zu\n", current->pid, (void *)regs->di, (size_t)regs->si);
	return 0;
}

static struct kprobe recv_probe = {
	.symbol_name = "_copy_to_iter",
	.pre_handler = on_copy_to_iter,
};

static int __init recv_trace_init(void)
{
	return register_kprobe(&recv_probe);
}

static void __exit recv_trace_exit(void)
{
	unregister_kprobe(&recv_probe);
}

module_init(recv_trace_init);
module_exit(recv_trace_exit);

MODULE_DESCRIPTION("Logs the copies from the kernel to receiver");
MODULE_LICENSE("GPL");
