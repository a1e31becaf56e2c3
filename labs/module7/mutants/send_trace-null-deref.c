// SPDX-License-Identifier: GPL-2.0
/* Reads the process id through a pointer that nobody set: the handler oopses at the first copy of sender. */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

static int on_copy_from_iter(struct kprobe *probe, struct pt_regs *regs)
{
	struct task_struct *nobody = NULL;

	if (strcmp(current->comm, "sender") != 0)
		return 0;
	pr_info("[COPY1] PID=%d dest=%px len=%zu\n", READ_ONCE(nobody->pid), (void *)regs->di, (size_t)regs->si);
	return 0;
}

static struct kprobe send_probe = {
	.symbol_name = "_copy_from_iter",
	.pre_handler = on_copy_from_iter,
};

static int __init send_trace_init(void)
{
	return register_kprobe(&send_probe);
}

static void __exit send_trace_exit(void)
{
	unregister_kprobe(&send_probe);
}

module_init(send_trace_init);
module_exit(send_trace_exit);

MODULE_DESCRIPTION("Logs the copies from sender into the kernel");
MODULE_LICENSE("GPL");
