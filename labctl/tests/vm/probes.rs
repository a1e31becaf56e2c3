//! The choice of an accelerator, with a QEMU that answers as told, and the probe's kernel on the real one.

use labctl::accel::{Accel, AccelChoice, AccelError, Denial, HostKvm, Kvm, ProbeFailure, choose, kvm, probe};
use labctl::supervise::Cancel;
use labctl::vm::{self, AccelKind, Qemu};

use crate::bed::{Bed, at_once, soon};

fn host(bed: &Bed) -> HostKvm {
    std::fs::write(bed.path("kvm"), "").unwrap();
    HostKvm {
        device: bed.path("kvm"),
        release: "6.1.0".to_owned(),
        processor: "flags : svm".to_owned(),
    }
}

#[tokio::test]
async fn a_guest_that_ran_proves_kvm_and_is_remembered() {
    let bed = Bed::new("exit 85");
    let (host, qemu, folder) = (host(&bed), bed.qemu(), bed.path("accel"));
    let chosen = choose(AccelChoice::Auto, &host, &qemu, &folder, &bed.cancel)
        .await
        .unwrap();
    assert_eq!(chosen.kind, AccelKind::Kvm);
    // Now it would fail, but is not asked again.
    std::fs::write(bed.path("fake-qemu.script"), "exit 1").unwrap();
    assert_eq!(
        kvm(&host, &qemu, &folder, false, &bed.cancel).await.unwrap(),
        Kvm::Proven
    );
    let other = HostKvm {
        release: "6.2.0".to_owned(),
        ..host.clone()
    };
    let again = kvm(&other, &qemu, &folder, false, &bed.cancel).await.unwrap();
    assert!(
        matches!(again, Kvm::Unable { .. }),
        "another kernel is another host"
    );
    let again = kvm(&host, &qemu, &folder, true, &bed.cancel).await.unwrap();
    assert!(matches!(again, Kvm::Unable { .. }));
}

#[tokio::test]
async fn a_kvm_that_cannot_run_a_guest_falls_back_with_the_reason() {
    let bed = Bed::new("stderr error: failed to set MSR 0x10a to 0x69\nabort");
    let (host, qemu, folder) = (host(&bed), bed.qemu(), bed.path("accel"));
    let Accel { kind, reason } = choose(AccelChoice::Auto, &host, &qemu, &folder, &bed.cancel)
        .await
        .unwrap();
    assert_eq!(kind, AccelKind::Tcg);
    insta::assert_snapshot!(reason, @"/dev/kvm opens, but cannot run a guest: QEMU died of signal 6 (`error: failed to set MSR 0x10a to 0x69`)");
    let forced = choose(AccelChoice::Kvm, &host, &qemu, &folder, &bed.cancel).await;
    assert!(matches!(forced, Err(AccelError::NoKvm(Kvm::Unable { .. }))));
}

#[tokio::test]
async fn a_missing_device_is_not_probed() {
    let bed = Bed::new("exit 85");
    let host = HostKvm {
        device: bed.path("nothing"),
        ..host(&bed)
    };
    let found = kvm(&host, &bed.qemu(), &bed.path("accel"), false, &bed.cancel)
        .await
        .unwrap();
    assert_eq!(found, Kvm::Denied(Denial::Missing { processor_can: true }));
}

#[tokio::test]
async fn a_guest_that_hangs_is_given_up_and_killed() {
    let bed = Bed::new("");
    std::fs::create_dir(bed.root()).unwrap();
    let hung = probe(&bed.qemu(), AccelKind::Kvm, &bed.cancel, at_once()).await;
    assert!(matches!(hung, Err(ProbeFailure::TooSlow)));
    bed.cancel.request();
    let cancelled = probe(&bed.qemu(), AccelKind::Kvm, &bed.cancel, soon()).await;
    assert!(matches!(cancelled, Err(ProbeFailure::Cancelled)));
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn the_probes_kernel_runs_on_the_real_qemu() {
    let Ok(qemu) = Qemu::find(vm::PROGRAM, &std::env::var_os("PATH").unwrap()) else {
        assert!(
            std::env::var_os("LABCTL_FORBID_SKIP").is_none(),
            "there is no {}",
            vm::PROGRAM
        );
        eprintln!("skipped: there is no {}", vm::PROGRAM);
        return;
    };
    qemu.version().await.unwrap();
    probe(&qemu, AccelKind::Tcg, &Cancel::new(), soon())
        .await
        .unwrap();
}
