//! Console logs of every kind of failure, and what they have to come out as.
//!
//! The logs called `real-…` are the ends of consoles of real guests (Debian's 6.12 under TCG, a module made to crash); the
//! others were written by hand after the kernel's format strings.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;

use lab_kmsg::kmsg::Kmsg;
use lab_kmsg::splat::{Splat, find, root_cause};
use lab_kmsg::{BlameReason, console};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/corpus")
            .join(name),
    )
    .unwrap()
}

fn splats(name: &str) -> Vec<Splat> {
    find(&console::parse(&read(name)))
}

/// A line for each report: kind, blame, process, and whether it is only a consequence.
fn digest(splats: &[Splat]) -> String {
    let mut out = String::new();
    for splat in splats {
        let blame = match splat.blame() {
            Some(blame) => format!("{} {:?}", blame.module, blame.reason),
            None => "nobody".to_owned(),
        };
        let comm = splat.comm.as_deref().unwrap_or("-");
        let pid = splat.pid.unwrap_or(0);
        let mark = if splat.consequence { " consequence" } else { "" };
        writeln!(out, "{} | {blame} | {comm} {pid}{mark}", splat.kind).unwrap();
    }
    out
}

#[test]
fn every_log_has_its_reports() {
    let table = [
        (
            "null-in-handler.log",
            "null-dereference | send_trace Instruction | sender 181\npanic | nobody | - 0 consequence\n",
        ),
        (
            "probe-left-behind.log",
            "page-fault | send_trace Unloaded | sender 190\n",
        ),
        (
            "bug-and-warn.log",
            "warning | send_trace Named | sen der 177\nkernel-bug | recv_trace Instruction | insmod 178\n",
        ),
        (
            "soft-lockup.log",
            "soft-lockup | send_trace Instruction | insmod 175\npanic | nobody | insmod 175 consequence\n",
        ),
        (
            "rcu-stall.log",
            "rcu-stall | recv_trace Instruction | receiver 201\n",
        ),
        (
            "sleep-in-handler.log",
            "sleep-in-atomic | send_trace CallTrace | sender 177\nscheduling-while-atomic | send_trace CallTrace | sender 177\n",
        ),
        (
            "sanitizers.log",
            "kasan | send_trace Named | sender 177\nubsan | send_trace CallTrace | sender 177\n",
        ),
        ("lockdep.log", "lockdep | send_trace CallTrace | insmod 175\n"),
        (
            "hung-and-oom.log",
            "hung-task | recv_trace CallTrace | receiver 180\nout-of-memory | nobody | sh 190\n",
        ),
        (
            "refusals.log",
            "module-load | send_trace Named | - 0\nmodule-load | recv_trace Named | - 0\nmodule-load | send_trace Named | - 0\nkprobe | nobody | - 0\nuser-fault | nobody | sender 177\n",
        ),
        (
            "boot-panic.log",
            "boot-trouble | nobody | - 0\nboot-failure | nobody | swapper/0 1\n",
        ),
        (
            "real-null-in-handler.log",
            "null-dereference | crash Instruction | sender 152\npanic | nobody | - 0 consequence\n",
        ),
        (
            "real-warn-and-gpf.log",
            "warning | crash Named | sender 157\nwarning | crash Named | sender 157\nwarning | crash Named | sender 157\n\
             general-protection | crash Instruction | sender 160\npanic | nobody | - 0 consequence\n",
        ),
        (
            "stack-smash.log",
            "stack-protector | send_trace Named | sender 177\n",
        ),
    ];
    for (name, expected) in table {
        assert_eq!(digest(&splats(name)), expected, "{name}");
    }
}

#[test]
fn an_oops_is_read_in_full() {
    let found = splats("null-in-handler.log");
    let oops = root_cause(&found).unwrap();
    assert_eq!(
        oops.title,
        "BUG: kernel NULL pointer dereference, address: 0000000000000010"
    );
    assert_eq!(
        (oops.address, oops.access, oops.cpu),
        (Some(0x10), Some("write"), Some(1))
    );
    assert_eq!(oops.taint, "GOE");
    assert_eq!(oops.ts_us, Some(5_118_004));
    assert!(oops.in_probe_handler());
    let rip = oops.rip.as_ref().unwrap();
    assert_eq!(
        (rip.symbol.as_str(), rip.offset, rip.size),
        ("handler_send", 0x1f, 0x60)
    );
    // The program's registers, which come later, are not taken for the kernel's.
    assert_eq!(oops.registers.rdi, Some(0xffff_ffff_c020_3000));
    assert_eq!(oops.registers.rsi, Some(0xffff_c900_001b_fe08));
    assert_eq!(oops.registers.rsp, Some(0xffff_c900_001b_fd80));
    assert_eq!(oops.registers.cr2, Some(0x10));
    assert!(oops.code.as_ref().unwrap().contains("<c7>"));
    let reliable: Vec<_> = oops
        .frames
        .iter()
        .filter(|f| f.reliable)
        .map(|f| f.loc.symbol.as_str())
        .collect();
    assert_eq!(
        reliable[..3],
        ["kprobe_ftrace_handler", "_copy_from_iter", "ip_generic_getfrag"]
    );
    assert_eq!(oops.frames[0].loc.symbol, "__die_body.cold");
    assert_eq!(oops.frames.len(), 18);
    let modules: Vec<_> = oops.tainting_modules().map(|m| m.name.as_str()).collect();
    assert_eq!(modules, ["recv_trace", "send_trace", "witness"]);
    assert_eq!((oops.lines.first, oops.lines.last), (2, 50));
    assert_eq!(
        oops.summary(),
        "NULL pointer dereference at 0x10 in handler_send+0x1f/0x60 [send_trace], while `sender` was running"
    );
}

#[test]
fn a_warning_has_its_message_and_its_line() {
    let found = splats("bug-and-warn.log");
    assert_eq!(found[0].detail, ["length 13 is not 12"]);
    assert_eq!(found[0].source.as_ref().unwrap().file, "/build/send_trace.c");
    assert_eq!(found[0].source.as_ref().unwrap().line, 31);
    assert_eq!(found[0].lines.first, 0);
    assert_eq!(found[1].source.as_ref().unwrap().line, 19);
    assert_eq!(root_cause(&found).unwrap().kind.as_str(), "kernel-bug");
}

#[test]
fn a_probe_that_outlives_its_module_is_traced_to_it() {
    let found = splats("probe-left-behind.log");
    assert_eq!(found[0].rip, None);
    assert_eq!(found[0].registers.rip, Some(0xffff_ffff_c020_1010));
    assert_eq!(found[0].access, Some("fetch"));
    assert_eq!(found[0].last_unloaded.as_deref(), Some("send_trace"));
    assert_eq!(found[0].blame().unwrap().reason, BlameReason::Unloaded);
    assert!(found[0].in_probe_handler());
}

#[test]
fn flags_that_no_processor_has_are_noticed() {
    let text = String::from_utf8(read("null-in-handler.log")).unwrap();
    let found = find(&console::parse(
        text.replace("EFLAGS: 00000202", "EFLAGS: 41a0e602").as_bytes(),
    ));
    assert!(found[0].impossible_flags);
    assert!(
        splats("null-in-handler.log")
            .iter()
            .all(|splat| !splat.impossible_flags)
    );
}

#[test]
fn what_a_breakpoint_interrupted_is_a_frame() {
    let oops = &splats("real-null-in-handler.log")[0];
    let reliable: Vec<_> = oops
        .frames
        .iter()
        .filter(|f| f.reliable)
        .map(|f| f.loc.symbol.as_str())
        .collect();
    assert_eq!(
        reliable[..6],
        [
            "pre",
            "kprobe_int3_handler",
            "exc_int3",
            "asm_exc_int3",
            "_copy_from_iter",
            "copy_page_from_iter"
        ]
    );
    assert!(oops.in_probe_handler());
    assert_eq!(oops.rip.as_ref().unwrap().offset, 0x1d);
    assert_eq!(splats("real-warn-and-gpf.log")[0].detail, ["length 13 is odd"]);
}

#[test]
fn histories_of_an_object_are_not_the_call_trace() {
    let found = splats("sanitizers.log");
    assert_eq!(found[0].modules_involved(), ["send_trace"]);
}

/// The same log as the kmsg stream would carry it.
fn as_kmsg(console: &[u8], facility: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for (seq, line) in console::parse(console)
        .iter()
        .filter(|line| line.ts_us.is_some())
        .enumerate()
    {
        let text = line.text.replace("\\t", "\\x09");
        out.extend(format!("{},{seq},{},-;{text}\n", facility << 3 | 4, line.ts_us.unwrap()).bytes());
    }
    out
}

#[test]
fn the_record_stream_says_the_same() {
    for name in [
        "null-in-handler.log",
        "bug-and-warn.log",
        "soft-lockup.log",
        "rcu-stall.log",
        "refusals.log",
    ] {
        let console = read(name);
        let from_kmsg = find(&Kmsg::parse(&as_kmsg(&console, 0)).lines());
        assert_eq!(digest(&from_kmsg), digest(&splats(name)), "{name}");
    }
}

#[test]
fn a_program_that_writes_to_kmsg_cannot_fake_a_report() {
    let kmsg = Kmsg::parse(&as_kmsg(&read("null-in-handler.log"), 1));
    assert!(!kmsg.records.is_empty());
    assert!(find(&kmsg.lines()).is_empty());
}

#[test]
fn other_lines_in_between_do_no_harm() {
    let text = String::from_utf8(read("null-in-handler.log")).unwrap();
    let mut noisy = String::new();
    for (number, line) in text.lines().enumerate() {
        writeln!(noisy, "{line}\r").unwrap();
        writeln!(
            noisy,
            "[    9.{number:06}] recv_trace: [COPY4] PID=1 src=0 len=1\r"
        )
        .unwrap();
        writeln!(noisy, "a program talks\r").unwrap();
    }
    assert_eq!(
        digest(&find(&console::parse(noisy.as_bytes()))),
        digest(&splats("null-in-handler.log"))
    );
}

#[test]
fn a_log_that_stops_anywhere_is_read_as_far_as_it_goes() {
    let whole = read("null-in-handler.log");
    let start = whole.windows(5).position(|w| w == b"BUG: ").unwrap();
    for end in (0..whole.len()).step_by(7) {
        let found = find(&console::parse(&whole[..end]));
        assert_eq!(
            found.is_empty(),
            end < start + "BUG: kernel NULL pointer dereference, address: ".len(),
            "{end}"
        );
    }
}

#[test]
fn a_flood_is_read_in_one_pass() {
    let mut flood = String::new();
    for number in 0..60_000u32 {
        writeln!(
            flood,
            "[{:5}.{:06}] [COPY1] PID=1 dest=ffff888000000000 len={number}",
            number / 1000,
            number % 1000
        )
        .unwrap();
    }
    flood.push_str(&String::from_utf8(read("null-in-handler.log")).unwrap());
    assert_eq!(find(&console::parse(flood.as_bytes())).len(), 2);
}

proptest::proptest! {
    /// Lines of real reports, cut, mixed and damaged.
    #[test]
    fn no_mixture_does_harm(picks in proptest::collection::vec((0usize..10_000, 0usize..200, proptest::bool::ANY), 0..80)) {
        let logs = ["null-in-handler.log", "sanitizers.log", "hung-and-oom.log", "refusals.log", "soft-lockup.log"];
        let pool: Vec<String> = logs.iter().flat_map(|name| {
            let text = String::from_utf8(read(name)).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        }).collect();
        let mut text = String::new();
        for (line, cut, whole) in picks {
            let line = &pool[line % pool.len()];
            text.push_str(if whole { line } else { &line[..cut.min(line.len())] });
            text.push('\n');
        }
        let lines = console::parse(text.as_bytes());
        for splat in find(&lines) {
            proptest::prop_assert!(splat.lines.first <= splat.lines.last && splat.lines.last < lines.len());
            proptest::prop_assert!(splat.summary().chars().all(lab_kmsg::sanitize::is_plain));
        }
    }
}
