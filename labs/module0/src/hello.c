// SPDX-License-Identifier: GPL-2.0
/*
 * hello: reports every file that the program `cat` opens.
 *
 * The probed function is
 *     long do_sys_openat2(int dfd, const char __user *filename, struct open_how *how)
 * dfd: the folder where a relative path begins; filename: the path, in the program's memory; how: flags and mode.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define TRACED_COMM "cat"

/* Runs before the function's first instruction: the arguments are still in their registers. */
static int before_open(struct kprobe *probe, struct pt_regs *regs)
{
	//@ todo
	//@ /*
	//@  * TODO 1: every program opens files. Return at once unless the process
	//@  *         that runs (current->comm) is TRACED_COMM.
	//@  * TODO 2: take the second argument, filename, out of regs. It points into
	//@  *         the program's memory: copy 31 bytes from there into an array
	//@  *         of 32 with copy_from_user_nofault(), which never waits, and
	//@  *         end them with a 0. Return when it fails.
	//@  * TODO 3: print one line with pr_info, in exactly this form:
	//@  *             [OPEN] PID=57 file=/tmp/hello-0b5e77aa
	//@  */
	//@ solution
	char path[32];

	if (strcmp(current->comm, TRACED_COMM) != 0)
		return 0;
	if (copy_from_user_nofault(path, (const void __user *)regs->si, sizeof(path) - 1) != 0)
		return 0;
	path[sizeof(path) - 1] = '\0';
	pr_info("[OPEN] PID=%d file=%s\n", current->pid, path);
	//@ end
	return 0;
}

static struct kprobe open_probe = {
	.symbol_name = "do_sys_openat2",
	.pre_handler = before_open,
};

static int __init hello_init(void)
{
	return register_kprobe(&open_probe);
}

static void __exit hello_exit(void)
{
	unregister_kprobe(&open_probe);
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_DESCRIPTION("Reports the files that the process cat opens");
MODULE_LICENSE("GPL");
