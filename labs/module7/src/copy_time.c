// SPDX-License-Identifier: GPL-2.0
/*
 * copy_time: measures how long each copy of a transfer takes.
 *
 * A kprobe sees a function begin. A kretprobe sees it return as well: its entry_handler runs before the first instruction,
 * its handler after the function has returned, and between the two each call has a few bytes of its own in instance->data.
 */
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

/* What is remembered of one call from its entry to its return. */
struct copy_call {
	u64 began_ns;
	size_t bytes;
};

/* At entry: the arguments are in their registers. A non-zero result means: do not tell me about this call's return. */
static int copy_begins(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 1: return 1 unless the process is "sender" or "receiver".
	//@  * TODO 2: remember the number of bytes, and as the last thing the time: ktime_get_ns().
	//@  */
	//@ return 1;
	//@ solution
	struct copy_call *call = (struct copy_call *)instance->data;

	if (strcmp(current->comm, "sender") != 0 && strcmp(current->comm, "receiver") != 0)
		return 1;
	call->bytes = regs->si;
	call->began_ns = ktime_get_ns();
	return 0;
	//@ end
}

/* At return. The argument registers hold something else by now. */
static int copy_ends(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 3: take the time again, before anything else, and print with pr_info, in exactly this form:
	//@  *     [TIME] func=_copy_from_iter PID=1234 len=16000 ns=8120
	//@  *         get_kretprobe(instance)->kp.symbol_name is the function's name.
	//@  */
	//@ solution
	u64 ended_ns = ktime_get_ns();
	struct copy_call *call = (struct copy_call *)instance->data;

	pr_info("[TIME] func=%s PID=%d len=%zu ns=%llu\n", get_kretprobe(instance)->kp.symbol_name, current->pid,
		call->bytes, ended_ns - call->began_ns);
	//@ end
	return 0;
}

static struct kretprobe from_probe = {
	.kp.symbol_name = "_copy_from_iter",
	.entry_handler = copy_begins,
	.handler = copy_ends,
	.data_size = sizeof(struct copy_call),
	/* So many copies may be under way at once: one may sleep until its user page is there. */
	.maxactive = 64,
};

static struct kretprobe to_probe = {
	.kp.symbol_name = "_copy_to_iter",
	.entry_handler = copy_begins,
	.handler = copy_ends,
	.data_size = sizeof(struct copy_call),
	.maxactive = 64,
};

static struct kretprobe *copy_probes[] = { &from_probe, &to_probe };

static int __init copy_time_init(void)
{
	return register_kretprobes(copy_probes, ARRAY_SIZE(copy_probes));
}

static void __exit copy_time_exit(void)
{
	unregister_kretprobes(copy_probes, ARRAY_SIZE(copy_probes));
}

module_init(copy_time_init);
module_exit(copy_time_exit);

MODULE_DESCRIPTION("Measures how long the copies of sender and receiver take");
MODULE_LICENSE("GPL");
