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
 * Two parameters add to that: `stacks` notes who called, `skbs` follows each packet that a watched process
 * allocates through the functions in points[] until it is freed. Neither costs anything when it is off. Where
 * the members of a structure lie is the compiler's knowledge: the module is built against the very tree that the
 * running kernel's BTF was made from, and a kernel with another layout does not load it.
 *
 * Probe handlers run with interrupts or at least preemption off: nothing here sleeps, allocates or faults.
 * The reader is woken through irq_work, so that no scheduler lock is taken inside of a probe.
 */
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <asm/unwind.h>

#define DATA_BYTES 64
/* 4096 records are 800 kB: some thousand times what a run of the lesson's experiment makes. */
#define RING_RECORDS 4096
#define MAX_COMMS 16
/* Copies may sleep on a page fault of the user buffer, each holding an instance meanwhile. */
#define MAX_ACTIVE 512
#define MAX_ACTIVE_POINT 64
#define READ_BATCH 32
/* From the probed function to the entry of the system call; a TCP receive is 14 deep. */
#define FRAMES 18
/* What the names of a stack's functions take at most behind their record. */
#define MAX_TEXT 768
/* Packets that are under way at the same time. */
#define MAX_TRACKED 64
#define NAME_BYTES 64

enum witness_kind {
	KIND_COPY = 0,
	KIND_EVENT = 1,		/* a packet passed a function */
	KIND_STACK = 2,		/* the callers of the copy with the same seq, which comes next */
	KIND_PROBE = 3,		/* where a probe sits, or why it does not */
	KIND_DROPPED = 255,	/* how many records were lost */
};

/* The first two codes; those of points[] follow. */
enum witness_func {
	FUNC_COPY_FROM_ITER = 0,
	FUNC_COPY_TO_ITER = 1,
	FUNC_POINTS = 2,
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

/* In witness_copy. */
#define FLAG_USER 1
/* In witness_event: head to truesize were read; sock is known. */
#define FLAG_BUFFER 1
#define FLAG_SOCK 2
/* In witness_stack: there are more callers than FRAMES. */
#define FLAG_CUT 1
/* In witness_probe: the probe looks at the function's return. */
#define FLAG_RETURN 1

struct witness_copy {
	u64 rdi;
	u64 rsi;
	u64 rdx;
	u64 user;
	u64 ret;
	u64 dur_ns;
	u64 skb;
	u8 iter;
	u8 data_len;
	u8 flags;
	u8 unused[5];
	u8 data[DATA_BYTES];
};

struct witness_event {
	u64 skb;
	u64 sock;
	u64 head;
	u64 data;
	u64 tail;
	u64 end;
	u32 len;
	u32 data_len;
	u32 truesize;
	u32 flags;
};

struct witness_stack {
	u32 depth;
	u32 flags;
	u64 frames[FRAMES];
};

struct witness_probe {
	u64 addr;
	s32 error;
	u32 flags;
	char name[NAME_BYTES];
};

/* Read by lab-proto's `record` module: a change here is a change there. */
struct witness_record {
	u64 seq;
	u64 ns;
	u32 pid;
	u32 tgid;
	u32 cpu;
	u8 kind;
	u8 func;
	u16 text_len;		/* bytes that follow the record in a read */
	char comm[TASK_COMM_LEN];
	union {
		struct witness_copy copy;
		struct witness_event event;
		struct witness_stack stack;
		struct witness_probe probe;
		u64 lost;
	};
};

static_assert(offsetof(struct witness_record, pid) == 16);
static_assert(offsetof(struct witness_record, kind) == 28);
static_assert(offsetof(struct witness_record, comm) == 32);
static_assert(offsetof(struct witness_record, copy) == 48);
static_assert(offsetof(struct witness_copy, iter) == 56);
static_assert(offsetof(struct witness_copy, data) == 64);
static_assert(offsetof(struct witness_event, len) == 48);
static_assert(offsetof(struct witness_probe, name) == 16);
static_assert(sizeof(struct witness_record) == 200);

static bool want_stacks;
module_param_named(stacks, want_stacks, bool, 0444);
MODULE_PARM_DESC(stacks, "note the callers of each copy");

static bool want_skbs;
module_param_named(skbs, want_skbs, bool, 0444);
MODULE_PARM_DESC(skbs, "follow the packets that these processes allocate");

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

/* What belongs together is kept together or lost together. `callers` may be NULL. */
static void ring_push(struct witness_record *record, struct witness_record *callers)
{
	unsigned int n = callers ? 2 : 1;
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	record->seq = next_seq++;
	if (ring_head - ring_tail <= RING_RECORDS - n) {
		if (callers) {
			callers->seq = record->seq;
			ring[ring_head++ % RING_RECORDS] = *callers;
		}
		ring[ring_head++ % RING_RECORDS] = *record;
	} else {
		lost++;
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	irq_work_queue(&wake_work);
}
NOKPROBE_SYMBOL(ring_push);

/* Something that was seen to begin, but could not be recorded. */
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
		out[n].kind = KIND_DROPPED;
		out[n].lost = lost;
		lost = 0;
		n++;
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	return n;
}

/* Who and when. */
static void note_process(struct witness_record *record, u8 kind, u8 func)
{
	memset(record, 0, sizeof(*record));
	record->kind = kind;
	record->func = func;
	record->pid = current->pid;
	record->tgid = current->tgid;
	record->cpu = raw_smp_processor_id();
	memcpy(record->comm, current->comm, TASK_COMM_LEN);
}
NOKPROBE_SYMBOL(note_process);

/*
 * The packets under way, by the address of their sk_buff. One that a watched process allocates is entered, one
 * that is freed is struck out; what passes a probe in between is an event, whoever runs then. On loopback the
 * receive path runs in a software interrupt, mostly on the sender's back.
 */

struct tracked {
	const struct sk_buff *skb;
	unsigned long head;
	unsigned long end;
};

static struct tracked tracked[MAX_TRACKED];
static unsigned int n_tracked;
static DEFINE_RAW_SPINLOCK(track_lock);

static void track(const struct sk_buff *skb, unsigned long head, unsigned long end)
{
	unsigned long flags;
	bool full;

	raw_spin_lock_irqsave(&track_lock, flags);
	full = n_tracked == MAX_TRACKED;
	if (!full)
		tracked[n_tracked++] = (struct tracked){ skb, head, end };
	raw_spin_unlock_irqrestore(&track_lock, flags);
	if (full)
		ring_miss();
}
NOKPROBE_SYMBOL(track);

/* The packet that is `skb` or, if that is NULL, whose buffer holds `addr`. */
static const struct sk_buff *find_tracked(const struct sk_buff *skb, unsigned long addr, bool strike_out)
{
	const struct sk_buff *found = NULL;
	unsigned long flags;
	unsigned int i;

	/* Nearly every packet of the guest, and every copy, is nobody's. */
	if (!READ_ONCE(n_tracked))
		return NULL;
	raw_spin_lock_irqsave(&track_lock, flags);
	for (i = 0; i < n_tracked; i++) {
		struct tracked *at = &tracked[i];

		if (skb ? at->skb == skb : addr >= at->head && addr < at->end) {
			found = at->skb;
			if (strike_out)
				*at = tracked[--n_tracked];
			break;
		}
	}
	raw_spin_unlock_irqrestore(&track_lock, flags);
	return found;
}
NOKPROBE_SYMBOL(find_tracked);

static void note_buffer(struct witness_event *event, const struct sk_buff *unsafe_skb)
{
	struct sk_buff skb;

	if (copy_from_kernel_nofault(&skb, unsafe_skb, sizeof(skb)))
		return;
	event->head = (unsigned long)skb.head;
	event->data = (unsigned long)skb.data;
	event->tail = (unsigned long)skb_tail_pointer(&skb);
	event->end = (unsigned long)skb_end_pointer(&skb);
	event->len = skb.len;
	event->data_len = skb.data_len;
	event->truesize = skb.truesize;
	event->flags |= FLAG_BUFFER;
}
NOKPROBE_SYMBOL(note_buffer);

/*
 * Where a packet is seen on its way. The list is the author's, the kernel decides: a function that the compiler
 * inlined away cannot be probed, and the reader of the device is told so by name.
 */

enum point_role {
	PASSES = 0,
	IS_BORN,	/* the packet is the function's result, and new */
	IS_FOUND,	/* the packet is the function's result */
	IS_QUEUED,	/* as PASSES; the socket's wake-up follows on this processor */
	WAKES,		/* has only the socket: the packet is the one just queued */
	DIES,
};

struct point {
	const char *func;
	enum point_role role;
	s8 skb_arg;
	s8 sock_arg;		/* -1: none */
	union {
		struct kprobe kp;
		struct kretprobe rp;
	};
	int error;
};

static struct point points[] = {
	{ "__alloc_skb", IS_BORN, -1, -1 },
	{ "ip_send_skb", PASSES, 1, -1 },
	{ "__dev_queue_xmit", PASSES, 0, -1 },
	{ "loopback_xmit", PASSES, 0, -1 },
	{ "__netif_rx", PASSES, 0, -1 },
	{ "ip_rcv", PASSES, 0, -1 },
	{ "udp_rcv", PASSES, 0, -1 },
	{ "__udp_enqueue_schedule_skb", IS_QUEUED, 1, 0 },
	{ "sock_def_readable", WAKES, -1, 0 },
	{ "__skb_recv_udp", IS_FOUND, -1, -1 },
	{ "skb_consume_udp", PASSES, 1, 0 },
	{ "kfree_skbmem", DIES, 0, -1 },
};

static bool at_return(const struct point *point)
{
	return point->role == IS_BORN || point->role == IS_FOUND;
}
NOKPROBE_SYMBOL(at_return);

static void push_event(u8 func, const struct sk_buff *skb, u64 sock, bool has_sock, bool is_readable)
{
	struct witness_record record;

	note_process(&record, KIND_EVENT, func);
	record.event.skb = (unsigned long)skb;
	if (has_sock) {
		record.event.sock = sock;
		record.event.flags |= FLAG_SOCK;
	}
	if (is_readable)
		note_buffer(&record.event, skb);
	record.ns = ktime_get_mono_fast_ns();
	ring_push(&record, NULL);
}
NOKPROBE_SYMBOL(push_event);

struct queued {
	const struct sk_buff *skb;
	u64 sock;
};

static DEFINE_PER_CPU(struct queued, last_queued);

static u8 code_of(const struct point *point)
{
	return FUNC_POINTS + (point - points);
}
NOKPROBE_SYMBOL(code_of);

static int point_entry(struct kprobe *kp, struct pt_regs *regs)
{
	struct point *point = container_of(kp, struct point, kp);
	struct queued *queued = this_cpu_ptr(&last_queued);
	const struct sk_buff *skb;
	u64 sock = 0;

	if (!READ_ONCE(n_tracked))
		return 0;
	if (point->sock_arg >= 0)
		sock = regs_get_kernel_argument(regs, point->sock_arg);
	if (point->role == WAKES) {
		skb = queued->skb;
		/* The woken process may be done with the packet already: only its name is known to be right. */
		if (skb && queued->sock == sock)
			push_event(code_of(point), skb, sock, true, false);
		queued->skb = NULL;
		return 0;
	}
	skb = (const struct sk_buff *)regs_get_kernel_argument(regs, point->skb_arg);
	if (!skb || !find_tracked(skb, 0, point->role == DIES))
		return 0;
	if (point->role == IS_QUEUED)
		*queued = (struct queued){ skb, sock };
	push_event(code_of(point), skb, sock, point->sock_arg >= 0, true);
	return 0;
}
NOKPROBE_SYMBOL(point_entry);

static int point_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct point *point = container_of(get_kretprobe(ri), struct point, rp);

	/* An interrupt allocates on somebody's back, not on their behalf. */
	if (point->role == IS_BORN)
		return !(in_task() && is_watched(current->comm));
	return 0;
}
NOKPROBE_SYMBOL(point_call);

static int point_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct point *point = container_of(get_kretprobe(ri), struct point, rp);
	const struct sk_buff *skb = (const struct sk_buff *)regs_return_value(regs);

	if (!skb)
		return 0;
	if (point->role == IS_BORN) {
		struct witness_event buffer = {};

		note_buffer(&buffer, skb);
		track(skb, buffer.head, buffer.end);
	} else if (!find_tracked(skb, 0, false)) {
		return 0;
	}
	push_event(code_of(point), skb, 0, false, true);
	return 0;
}
NOKPROBE_SYMBOL(point_return);

/* Registers what can be; the rest keeps its error. */
static void __init register_points(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		struct point *point = &points[i];

		if (at_return(point)) {
			point->rp.kp.symbol_name = point->func;
			point->rp.entry_handler = point_call;
			point->rp.handler = point_return;
			point->rp.maxactive = MAX_ACTIVE_POINT;
			point->error = register_kretprobe(&point->rp);
		} else {
			point->kp.symbol_name = point->func;
			point->kp.pre_handler = point_entry;
			point->error = register_kprobe(&point->kp);
		}
	}
}

static void unregister_points(void)
{
	struct kretprobe *returns[ARRAY_SIZE(points)];
	struct kprobe *entries[ARRAY_SIZE(points)];
	unsigned int i, n_returns = 0, n_entries = 0;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		if (points[i].error)
			continue;
		if (at_return(&points[i]))
			returns[n_returns++] = &points[i].rp;
		else
			entries[n_entries++] = &points[i].kp;
	}
	unregister_kprobes(entries, n_entries);
	unregister_kretprobes(returns, n_returns);
}

/* The copies. */

struct copy_in_flight {
	const void *addr;
	struct witness_record record;
	/* Only there with want_stacks. */
	struct witness_record callers[];
};

static struct kretprobe probes[2];

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
static void note_iter(struct witness_copy *copy, const struct iov_iter *unsafe_iter)
{
	struct iov_iter iter;
	struct iovec first;

	copy->iter = WITNESS_UNKNOWN;
	if (copy_from_kernel_nofault(&iter, unsafe_iter, sizeof(iter)))
		return;
	copy->iter = iter_code(&iter);
	if (copy->iter == WITNESS_UBUF) {
		copy->user = (unsigned long)iter.ubuf + iter.iov_offset;
		copy->flags |= FLAG_USER;
	} else if (copy->iter == WITNESS_IOVEC &&
		   !copy_from_kernel_nofault(&first, iter.__iov, sizeof(first))) {
		copy->user = (unsigned long)first.iov_base + iter.iov_offset;
		copy->flags |= FLAG_USER;
	}
}
NOKPROBE_SYMBOL(note_iter);

static void note_data(struct witness_copy *copy, const void *addr, u64 bytes)
{
	size_t n = min_t(u64, bytes, DATA_BYTES);

	if (n && !copy_from_kernel_nofault(copy->data, addr, n))
		copy->data_len = n;
}
NOKPROBE_SYMBOL(note_data);

/*
 * From the probed function to the entry into the kernel. The unwinder begins at the registers that the probe
 * interrupted, so no frame of the probe's own is among them, and gives that function's caller first. Their
 * instruction pointer has to be the function's first instruction: the breakpoint left it one byte into that.
 */
static void note_callers(struct witness_record *record, u8 func, const struct pt_regs *regs)
{
	struct witness_stack *stack = &record->stack;
	struct pt_regs at_entry = *regs;
	struct unwind_state state;
	unsigned long addr;

	note_process(record, KIND_STACK, func);
	at_entry.ip = (unsigned long)probes[func].kp.addr;
	stack->frames[stack->depth++] = at_entry.ip;
	for (unwind_start(&state, current, &at_entry, NULL); !unwind_done(&state); unwind_next_frame(&state)) {
		addr = unwind_get_return_address(&state);
		if (!addr)
			break;
		if (stack->depth == FRAMES) {
			stack->flags |= FLAG_CUT;
			break;
		}
		stack->frames[stack->depth++] = addr;
	}
}
NOKPROBE_SYMBOL(note_callers);

static int note_entry(struct kretprobe_instance *ri, struct pt_regs *regs, u8 func)
{
	struct copy_in_flight *flight = (void *)ri->data;
	struct witness_record *record = &flight->record;
	struct witness_copy *copy = &record->copy;
	const struct sk_buff *skb;

	/* Non-zero: this call's return is of no interest. */
	if (!is_watched(current->comm))
		return 1;
	note_process(record, KIND_COPY, func);
	copy->rdi = regs->di;
	copy->rsi = regs->si;
	copy->rdx = regs->dx;
	flight->addr = (const void *)regs->di;
	note_iter(copy, (const struct iov_iter *)regs->dx);
	if (func == FUNC_COPY_TO_ITER)
		note_data(copy, flight->addr, copy->rsi);
	skb = find_tracked(NULL, regs->di, false);
	if (skb) {
		copy->skb = (unsigned long)skb;
		push_event(func, skb, 0, false, true);
	}
	if (want_stacks)
		note_callers(flight->callers, func, regs);
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
	struct copy_in_flight *flight = (void *)ri->data;
	struct witness_record *record = &flight->record;
	struct witness_copy *copy = &record->copy;

	copy->dur_ns = ktime_get_mono_fast_ns() - record->ns;
	copy->ret = regs_return_value(regs);
	if (record->func == FUNC_COPY_FROM_ITER)
		note_data(copy, flight->addr, min(copy->ret, copy->rsi));
	ring_push(record, want_stacks ? flight->callers : NULL);
	return 0;
}
NOKPROBE_SYMBOL(copy_return);

static struct kretprobe probes[] = {
	[FUNC_COPY_FROM_ITER] = {
		.kp.symbol_name = "_copy_from_iter",
		.entry_handler = copy_from_iter_entry,
		.handler = copy_return,
		.maxactive = MAX_ACTIVE,
	},
	[FUNC_COPY_TO_ITER] = {
		.kp.symbol_name = "_copy_to_iter",
		.entry_handler = copy_to_iter_entry,
		.handler = copy_return,
		.maxactive = MAX_ACTIVE,
	},
};

static struct kretprobe *probe_list[] = { &probes[0], &probes[1] };

/* The kernel counts the calls for which it had no free instance; move what is new into the drop counter. */
static void note_missed_returns(void)
{
	static int seen;
	int missed = probes[0].nmissed + probes[1].nmissed;
	unsigned int i;

	for (i = 0; want_skbs && i < ARRAY_SIZE(points); i++)
		if (at_return(&points[i]))
			missed += points[i].rp.nmissed;
	for (; seen < missed; seen++)
		ring_miss();
}

/* The device. One reader: two would share the records between them. */

static atomic_t is_open = ATOMIC_INIT(0);
static DEFINE_MUTEX(read_mutex);
static struct witness_record batch[READ_BATCH];
/* Probes that the reader was told about. */
static unsigned int n_announced;
static char *outgoing;

#define MAX_ENTRY (sizeof(struct witness_record) + MAX_TEXT)

static unsigned int n_probes(void)
{
	return ARRAY_SIZE(probes) + (want_skbs ? ARRAY_SIZE(points) : 0);
}

/* Each probe by its code, name and place, before anything it saw. */
static size_t pop_announcements(struct witness_record *out, size_t max)
{
	size_t n;

	for (n = 0; n < max && n_announced < n_probes(); n++, n_announced++) {
		struct witness_probe *probe = &out[n].probe;
		const struct kprobe *kp;

		memset(&out[n], 0, sizeof(out[n]));
		out[n].kind = KIND_PROBE;
		out[n].func = n_announced;
		if (n_announced < FUNC_POINTS) {
			kp = &probes[n_announced].kp;
		} else {
			struct point *point = &points[n_announced - FUNC_POINTS];

			kp = at_return(point) ? &point->rp.kp : &point->kp;
			probe->error = point->error;
			probe->flags = at_return(point) ? FLAG_RETURN : 0;
		}
		strscpy(probe->name, kp->symbol_name, sizeof(probe->name));
		if (!probe->error)
			probe->addr = (unsigned long)kp->addr;
	}
	return n;
}

/* The names of a stack's functions, a line each; as many as fit. Under read_mutex. */
static size_t write_names(const struct witness_stack *stack, char *out)
{
	static char name[KSYM_SYMBOL_LEN];
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < stack->depth; i++) {
		/* A return address may lie behind its function's last byte, when that ends in the call. */
		int n = sprint_symbol_no_offset(name, stack->frames[i] - (i > 0));

		if (used + n + 1 > MAX_TEXT)
			break;
		memcpy(out + used, name, n);
		out[used + n] = '\n';
		used += n + 1;
	}
	return used;
}

/* Each record with what belongs behind it. */
static size_t write_entries(struct witness_record *records, size_t n)
{
	size_t used = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		char *text = outgoing + used + sizeof(records[i]);

		if (records[i].kind == KIND_STACK)
			records[i].text_len = write_names(&records[i].stack, text);
		memcpy(outgoing + used, &records[i], sizeof(records[i]));
		used += sizeof(records[i]) + records[i].text_len;
	}
	return used;
}

static bool has_news(void)
{
	return READ_ONCE(n_announced) < n_probes() || ring_has_news();
}

static int witness_open(struct inode *inode, struct file *file)
{
	if (atomic_cmpxchg(&is_open, 0, 1))
		return -EBUSY;
	n_announced = 0;
	return nonseekable_open(inode, file);
}

static int witness_release(struct inode *inode, struct file *file)
{
	atomic_set(&is_open, 0);
	return 0;
}

static ssize_t witness_read(struct file *file, char __user *buf, size_t bytes, loff_t *pos)
{
	size_t want = min_t(size_t, bytes / MAX_ENTRY, READ_BATCH);
	ssize_t done;
	size_t n;
	int err;

	if (!want)
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&read_mutex))
			return -ERESTARTSYS;
		note_missed_returns();
		n = pop_announcements(batch, want);
		n += ring_pop(batch + n, want - n);
		if (n)
			break;
		mutex_unlock(&read_mutex);
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(readers, has_news());
		if (err)
			return err;
	}
	done = write_entries(batch, n);
	if (copy_to_user(buf, outgoing, done))
		done = -EFAULT;
	mutex_unlock(&read_mutex);
	return done;
}

static __poll_t witness_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &readers, wait);
	return has_news() ? EPOLLIN | EPOLLRDNORM : 0;
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
	unsigned int i;
	int err;

	err = parse_comms();
	if (err)
		return err;
	ring = vzalloc(array_size(RING_RECORDS, sizeof(*ring)));
	outgoing = vzalloc(array_size(READ_BATCH, MAX_ENTRY));
	err = -ENOMEM;
	if (!ring || !outgoing)
		goto free_ring;
	err = misc_register(&witness_device);
	if (err)
		goto free_ring;
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i].data_size = struct_size_t(struct copy_in_flight, callers, want_stacks);
	err = register_kretprobes(probe_list, ARRAY_SIZE(probe_list));
	if (err)
		goto remove_device;
	if (want_skbs)
		register_points();
	return 0;

remove_device:
	misc_deregister(&witness_device);
free_ring:
	vfree(outgoing);
	vfree(ring);
	return err;
}

static void __exit witness_exit(void)
{
	if (want_skbs)
		unregister_points();
	unregister_kretprobes(probe_list, ARRAY_SIZE(probe_list));
	irq_work_sync(&wake_work);
	misc_deregister(&witness_device);
	vfree(outgoing);
	vfree(ring);
}

module_init(witness_init);
module_exit(witness_exit);

MODULE_DESCRIPTION("Records the calls of _copy_from_iter and _copy_to_iter");
MODULE_LICENSE("GPL");
