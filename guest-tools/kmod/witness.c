// SPDX-License-Identifier: GPL-2.0
/*
 * The witness: records every call of _copy_from_iter() and _copy_to_iter() and hands the records to user
 * space through /dev/witness. What a student's module prints has to agree with it.
 *
 * A kretprobe sits on each function. At entry the arguments, the process and the user address are noted, at
 * return the result, the time and (for _copy_from_iter) the bytes that arrived. register_kretprobe() is used
 * rather than a kprobe event, because events refuse functions that are compiled without ftrace, as all of lib/
 * is, on kernels without CONFIG_KPROBE_EVENTS_ON_NOTRACE.
 *
 * Probe handlers run with interrupts or at least preemption off: nothing here sleeps, allocates or faults.
 * The reader is woken through irq_work, so that no scheduler lock is taken inside of a probe.
 */
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#define DATA_BYTES 64
/* 4096 records are 608 kB: some thousand times what a run of the lesson's experiment makes. */
#define RING_RECORDS 4096
#define MAX_COMMS 16
/* Copies may sleep on a page fault of the user buffer, each holding an instance meanwhile. */
#define MAX_ACTIVE 512
#define READ_BATCH 32

enum witness_func {
	FUNC_COPY_FROM_ITER = 0,
	FUNC_COPY_TO_ITER = 1,
	FUNC_DROPPED = 255,	/* not a copy: len counts the copies that were lost */
};

enum witness_iter {
	WITNESS_UBUF = 0,
	WITNESS_IOVEC = 1,
	WITNESS_BVEC = 2,
	WITNESS_KVEC = 3,
	WITNESS_FOLIOQ = 4,
	WITNESS_XARRAY = 5,
	WITNESS_DISCARD = 6,
	WITNESS_UNKNOWN = 255,
};

#define FLAG_USER 1

/* Read by lab-proto's `record` module: a change here is a change there. */
struct witness_record {
	u64 seq;
	u64 ns;
	u64 dur_ns;
	u64 addr;
	u64 len;
	u64 user;
	u64 ret;
	u32 pid;
	u32 tgid;
	u32 cpu;
	u8 func;
	u8 iter;
	u8 data_len;
	u8 flags;
	char comm[TASK_COMM_LEN];
	u8 data[DATA_BYTES];
};

static_assert(offsetof(struct witness_record, pid) == 56);
static_assert(offsetof(struct witness_record, func) == 68);
static_assert(offsetof(struct witness_record, comm) == 72);
static_assert(offsetof(struct witness_record, data) == 88);
static_assert(sizeof(struct witness_record) == 152);

/* Which processes. Set at load and never changed, so that the handlers read it without a lock. */

static char comm_list[MAX_COMMS * TASK_COMM_LEN];
module_param_string(comms, comm_list, sizeof(comm_list), 0444);
MODULE_PARM_DESC(comms, "comma-separated names of the processes to record (default: all)");

static char watched[MAX_COMMS][TASK_COMM_LEN];
static unsigned int n_watched;

static int __init parse_comms(void)
{
	char *list, *cursor, *name;
	int err = 0;

	list = kstrdup(comm_list, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	cursor = list;
	while ((name = strsep(&cursor, ",")) != NULL) {
		name = strim(name);
		if (!*name)
			continue;
		if (n_watched == MAX_COMMS) {
			err = -E2BIG;
			break;
		}
		/* The kernel cuts a process's name to this length too. */
		strscpy(watched[n_watched++], name, TASK_COMM_LEN);
	}
	kfree(list);
	return err;
}

static bool is_watched(const char *comm)
{
	unsigned int i;

	if (!n_watched)
		return true;
	for (i = 0; i < n_watched; i++)
		if (!strncmp(comm, watched[i], TASK_COMM_LEN))
			return true;
	return false;
}
NOKPROBE_SYMBOL(is_watched);

/*
 * The ring. Writers are the probes on any processor, the reader is one. head and tail count records and are
 * never wrapped; the ring is full at a distance of RING_RECORDS. All of it is under ring_lock.
 */

static struct witness_record *ring;
static DEFINE_RAW_SPINLOCK(ring_lock);
static u64 ring_head;
static u64 ring_tail;
static u64 next_seq = 1;
static u64 lost;

static DECLARE_WAIT_QUEUE_HEAD(readers);

static void wake_readers(struct irq_work *work)
{
	wake_up_interruptible(&readers);
}

static DEFINE_IRQ_WORK(wake_work, wake_readers);

static void ring_push(struct witness_record *record)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	record->seq = next_seq++;
	if (ring_head - ring_tail < RING_RECORDS) {
		ring[ring_head % RING_RECORDS] = *record;
		ring_head++;
	} else {
		lost++;
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	irq_work_queue(&wake_work);
}
NOKPROBE_SYMBOL(ring_push);

/* A copy that was seen to begin, but whose return could not be hooked. */
static void ring_miss(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	next_seq++;
	lost++;
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

static bool ring_has_news(void)
{
	unsigned long flags;
	bool news;

	raw_spin_lock_irqsave(&ring_lock, flags);
	news = ring_head != ring_tail || lost;
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	return news;
}

static size_t ring_pop(struct witness_record *out, size_t max)
{
	unsigned long flags;
	size_t n = 0;

	raw_spin_lock_irqsave(&ring_lock, flags);
	while (n < max && ring_tail != ring_head) {
		out[n++] = ring[ring_tail % RING_RECORDS];
		ring_tail++;
	}
	/* What was lost was lost after everything that is in the ring: report it when the ring is empty. */
	if (n < max && lost) {
		memset(&out[n], 0, sizeof(out[n]));
		out[n].func = FUNC_DROPPED;
		out[n].len = lost;
		lost = 0;
		n++;
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	return n;
}

/* The probes. */

struct copy_in_flight {
	const void *addr;
	struct witness_record record;
};

static u8 iter_code(const struct iov_iter *iter)
{
	switch (iter->iter_type) {
	case ITER_UBUF:
		return WITNESS_UBUF;
	case ITER_IOVEC:
		return WITNESS_IOVEC;
	case ITER_BVEC:
		return WITNESS_BVEC;
	case ITER_KVEC:
		return WITNESS_KVEC;
	case ITER_FOLIOQ:
		return WITNESS_FOLIOQ;
	case ITER_XARRAY:
		return WITNESS_XARRAY;
	case ITER_DISCARD:
		return WITNESS_DISCARD;
	}
	return WITNESS_UNKNOWN;
}
NOKPROBE_SYMBOL(iter_code);

/* The iterator comes from a register: it is read without trust, so that a bad one cannot take the guest down. */
static void note_iter(struct witness_record *record, const struct iov_iter *unsafe_iter)
{
	struct iov_iter iter;
	struct iovec first;

	record->iter = WITNESS_UNKNOWN;
	if (copy_from_kernel_nofault(&iter, unsafe_iter, sizeof(iter)))
		return;
	record->iter = iter_code(&iter);
	if (record->iter == WITNESS_UBUF) {
		record->user = (unsigned long)iter.ubuf + iter.iov_offset;
		record->flags |= FLAG_USER;
	} else if (record->iter == WITNESS_IOVEC &&
		   !copy_from_kernel_nofault(&first, iter.__iov, sizeof(first))) {
		record->user = (unsigned long)first.iov_base + iter.iov_offset;
		record->flags |= FLAG_USER;
	}
}
NOKPROBE_SYMBOL(note_iter);

static void note_data(struct witness_record *record, const void *addr, u64 bytes)
{
	size_t n = min_t(u64, bytes, DATA_BYTES);

	if (n && !copy_from_kernel_nofault(record->data, addr, n))
		record->data_len = n;
}
NOKPROBE_SYMBOL(note_data);

static int note_entry(struct kretprobe_instance *ri, struct pt_regs *regs, u8 func)
{
	struct copy_in_flight *copy = (void *)ri->data;
	struct witness_record *record = &copy->record;

	/* Non-zero: this call's return is of no interest. */
	if (!is_watched(current->comm))
		return 1;
	memset(copy, 0, sizeof(*copy));
	copy->addr = (const void *)regs_get_kernel_argument(regs, 0);
	record->addr = (unsigned long)copy->addr;
	record->len = regs_get_kernel_argument(regs, 1);
	record->pid = current->pid;
	record->tgid = current->tgid;
	record->cpu = raw_smp_processor_id();
	record->func = func;
	memcpy(record->comm, current->comm, TASK_COMM_LEN);
	note_iter(record, (const struct iov_iter *)regs_get_kernel_argument(regs, 2));
	if (func == FUNC_COPY_TO_ITER)
		note_data(record, copy->addr, record->len);
	record->ns = ktime_get_mono_fast_ns();
	return 0;
}
NOKPROBE_SYMBOL(note_entry);

static int copy_from_iter_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return note_entry(ri, regs, FUNC_COPY_FROM_ITER);
}
NOKPROBE_SYMBOL(copy_from_iter_entry);

static int copy_to_iter_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return note_entry(ri, regs, FUNC_COPY_TO_ITER);
}
NOKPROBE_SYMBOL(copy_to_iter_entry);

static int copy_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct copy_in_flight *copy = (void *)ri->data;
	struct witness_record *record = &copy->record;

	record->dur_ns = ktime_get_mono_fast_ns() - record->ns;
	record->ret = regs_return_value(regs);
	if (record->func == FUNC_COPY_FROM_ITER)
		note_data(record, copy->addr, min(record->ret, record->len));
	ring_push(record);
	return 0;
}
NOKPROBE_SYMBOL(copy_return);

static struct kretprobe probes[] = {
	{
		.kp.symbol_name = "_copy_from_iter",
		.entry_handler = copy_from_iter_entry,
		.handler = copy_return,
		.data_size = sizeof(struct copy_in_flight),
		.maxactive = MAX_ACTIVE,
	},
	{
		.kp.symbol_name = "_copy_to_iter",
		.entry_handler = copy_to_iter_entry,
		.handler = copy_return,
		.data_size = sizeof(struct copy_in_flight),
		.maxactive = MAX_ACTIVE,
	},
};

static struct kretprobe *probe_list[] = { &probes[0], &probes[1] };

/* The kernel counts the calls for which it had no free instance; move what is new into the drop counter. */
static void note_missed_returns(void)
{
	static int seen;
	int missed = probes[0].nmissed + probes[1].nmissed;

	for (; seen < missed; seen++)
		ring_miss();
}

/* The device. One reader: two would share the records between them. */

static atomic_t is_open = ATOMIC_INIT(0);
static DEFINE_MUTEX(read_mutex);
static struct witness_record batch[READ_BATCH];

static int witness_open(struct inode *inode, struct file *file)
{
	if (atomic_cmpxchg(&is_open, 0, 1))
		return -EBUSY;
	return nonseekable_open(inode, file);
}

static int witness_release(struct inode *inode, struct file *file)
{
	atomic_set(&is_open, 0);
	return 0;
}

static ssize_t witness_read(struct file *file, char __user *buf, size_t bytes, loff_t *pos)
{
	size_t want = min_t(size_t, bytes / sizeof(batch[0]), READ_BATCH);
	ssize_t done;
	size_t n;
	int err;

	if (!want)
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&read_mutex))
			return -ERESTARTSYS;
		note_missed_returns();
		n = ring_pop(batch, want);
		if (n)
			break;
		mutex_unlock(&read_mutex);
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(readers, ring_has_news());
		if (err)
			return err;
	}
	done = n * sizeof(batch[0]);
	if (copy_to_user(buf, batch, done))
		done = -EFAULT;
	mutex_unlock(&read_mutex);
	return done;
}

static __poll_t witness_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &readers, wait);
	return ring_has_news() ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations witness_fops = {
	.owner = THIS_MODULE,
	.open = witness_open,
	.release = witness_release,
	.read = witness_read,
	.poll = witness_poll,
};

static struct miscdevice witness_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "witness",
	.fops = &witness_fops,
	.mode = 0400,
};

static int __init witness_init(void)
{
	int err;

	err = parse_comms();
	if (err)
		return err;
	ring = vzalloc(array_size(RING_RECORDS, sizeof(*ring)));
	if (!ring)
		return -ENOMEM;
	err = misc_register(&witness_device);
	if (err)
		goto free_ring;
	err = register_kretprobes(probe_list, ARRAY_SIZE(probe_list));
	if (err)
		goto remove_device;
	return 0;

remove_device:
	misc_deregister(&witness_device);
free_ring:
	vfree(ring);
	return err;
}

static void __exit witness_exit(void)
{
	unregister_kretprobes(probe_list, ARRAY_SIZE(probe_list));
	irq_work_sync(&wake_work);
	misc_deregister(&witness_device);
	vfree(ring);
}

module_init(witness_init);
module_exit(witness_exit);

MODULE_DESCRIPTION("Records the calls of _copy_from_iter and _copy_to_iter");
MODULE_LICENSE("GPL");
