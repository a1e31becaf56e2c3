use super::*;
use crate::splat::SourceLine;

fn kind(text: &str) -> Option<&'static str> {
    opening(text).map(|opening| opening.kind.as_str())
}

#[test]
fn every_kind_is_known_by_its_opening_line() {
    let table = [
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "null-dereference",
        ),
        (
            "BUG: unable to handle page fault for address: ffffffffc0201010",
            "page-fault",
        ),
        (
            "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] PREEMPT SMP NOPTI",
            "general-protection",
        ),
        ("general protection fault: 0000 [#2] SMP", "general-protection"),
        ("Oops: invalid opcode: 0000 [#1] PREEMPT SMP", "invalid-opcode"),
        ("Oops: divide error: 0000 [#1] SMP", "divide-error"),
        ("Oops: int3: 0000 [#1] SMP", "oops"),
        ("kernel BUG at lib/list_debug.c:59!", "kernel-bug"),
        (
            "WARNING: CPU: 1 PID: 77 at kernel/softirq.c:387 __local_bh_enable_ip+0x5/0x60",
            "warning",
        ),
        (
            "WARNING: mm/page_alloc.c:12 at f+0x1/0x2 [m], CPU#1: insmod/77",
            "warning",
        ),
        (
            "Kernel panic - not syncing: Fatal exception in interrupt",
            "panic",
        ),
        (
            "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "boot-failure",
        ),
        (
            "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.",
            "boot-failure",
        ),
        (
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
            "boot-failure",
        ),
        (
            "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2 [m]",
            "stack-protector",
        ),
        ("PANIC: double fault, error_code: 0x0", "double-fault"),
        ("BUG: KASAN: slab-out-of-bounds in f+0x1/0x2 [m]", "kasan"),
        ("BUG: KFENCE: use-after-free read in f+0x1/0x2", "kfence"),
        (
            "UBSAN: array-index-out-of-bounds in /src/send_trace.c:12:7",
            "ubsan",
        ),
        (
            "WARNING: possible circular locking dependency detected",
            "lockdep",
        ),
        (
            "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
            "lockdep",
        ),
        ("[ BUG: Invalid wait context ]", "lockdep"),
        ("BUG: spinlock bad magic on CPU#0, insmod/77", "spinlock"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu-stall"),
        ("INFO: rcu_sched detected stalls on CPUs/tasks:", "rcu-stall"),
        (
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [insmod:77]",
            "soft-lockup",
        ),
        ("watchdog: Watchdog detected hard LOCKUP on cpu 1", "hard-lockup"),
        (
            "INFO: task insmod:77 blocked for more than 120 seconds.",
            "hung-task",
        ),
        (
            "sh invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
            "out-of-memory",
        ),
        (
            "Out of memory: Killed process 77 (sh) total-vm:1kB, anon-rss:1kB",
            "out-of-memory",
        ),
        (
            "BUG: scheduling while atomic: a/b/77/0x00000002",
            "scheduling-while-atomic",
        ),
        (
            "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
            "sleep-in-atomic",
        ),
        (
            "BUG: using smp_processor_id() in preemptible [00000000] code: insmod/77",
            "preemptible-smp-processor-id",
        ),
        (
            "BUG: TASK stack guard page was hit at 00000000abcd (stack is 0..1)",
            "stack-overflow",
        ),
        (
            "send_trace: Unknown symbol no_such_function (err -2)",
            "module-load",
        ),
        (
            "send_trace: version magic '6.1.0 SMP ' should be '6.12.0 SMP '",
            "module-load",
        ),
        (
            "send_trace: disagrees about version of symbol module_layout",
            "module-load",
        ),
        ("failed to validate module [send_trace] BTF: -22", "module-load"),
        (
            "trace_kprobe: Could not probe notrace function _copy_to_iter",
            "kprobe",
        ),
        (
            "Initramfs unpacking failed: invalid magic at start of compressed archive",
            "boot-trouble",
        ),
        (
            "sender[77]: segfault at 0 ip 0000000000401136 sp 00007ffc error 6 in sender[401000+1000]",
            "user-fault",
        ),
        (
            "traps: sender[77] general protection fault ip:401136 sp:7ffc error:0 in sender[401000+1000]",
            "user-fault",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(kind(text), Some(expected), "{text}");
    }
}

#[test]
fn ordinary_lines_open_nothing() {
    let lines = [
        "",
        "[COPY1] PID=176 dest=ff256beabe44562c len=13",
        "send_trace: loading out-of-tree module taints kernel.",
        "send_trace: module verification failed: signature and/or required key missing - tainting kernel",
        "send_trace: BUG: kernel NULL pointer dereference, address: 0",
        "my WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2",
        "Unprivileged eBPF is enabled with eIBRS on, data leaks possible",
        "WARNING: workqueue cpumask: online intersect > possible intersect",
        "INFO: lockdep is turned off.",
        "rcu: Hierarchical RCU implementation.",
        "traps: nothing [of] the kind",
        "Run /init as init process",
        "x[#1]",
        " ? die+0x1/0x2 [m]",
    ];
    for text in lines {
        assert_eq!(opening(text), None, "{text}");
    }
}

#[test]
fn what_the_line_names_is_read() {
    let warning =
        opening("WARNING: CPU: 1 PID: 77 at /b/send_trace.c:31 init_it+0x15/0x1000 [send_trace]").unwrap();
    assert_eq!((warning.cpu, warning.pid), (Some(1), Some(77)));
    assert_eq!(
        warning.source,
        Some(SourceLine {
            file: "/b/send_trace.c".into(),
            line: 31
        })
    );
    assert_eq!(warning.named.unwrap().module.as_deref(), Some("send_trace"));

    let warning = opening("WARNING: [x > 1] /b/s.c:31 at f+0x15/0x20 [s], CPU#3: in smod/77").unwrap();
    assert_eq!(warning.source.unwrap().line, 31);
    assert_eq!(
        (warning.cpu, warning.pid, warning.comm.as_deref()),
        (Some(3), Some(77), Some("in smod"))
    );

    let lockup = opening("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:b:77]").unwrap();
    assert_eq!(
        (lockup.cpu, lockup.comm.as_deref(), lockup.pid),
        (Some(0), Some("a:b"), Some(77))
    );

    let fault = opening("BUG: unable to handle page fault for address: ffffffffc0201010").unwrap();
    assert_eq!(fault.address, Some(0xffff_ffff_c020_1010));
    let fault = opening("Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP").unwrap();
    assert_eq!(fault.address, Some(0xdead_0000_0000_0100));
    let ubsan = opening("UBSAN: shift-out-of-bounds in /b/s.c:12:7").unwrap();
    assert_eq!(
        ubsan.source,
        Some(SourceLine {
            file: "/b/s.c".into(),
            line: 12
        })
    );
    let refused = opening("send_trace: Unknown symbol x (err -2)").unwrap();
    assert_eq!(refused.module.as_deref(), Some("send_trace"));
}
