//! A QEMU that ends, or does not, at each step of its life.

use labctl::vm::{Death, DeathCause, Exit, LaunchError, QemuError, RunState, WaitError};

use crate::bed::{Bed, at_once, soon};

async fn death_at_start(script: &str) -> Death {
    let bed = Bed::new(script);
    let (lease, dir) = bed.lease();
    let error = bed.start(&dir).await.unwrap_err();
    drop(lease);
    bed.assert_clean();
    match error {
        LaunchError::Died(death) => death,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn before_it_answers() {
    let death = death_at_start("mute\nstderr qemu: could not load PC BIOS 'bios-256k.bin'\nexit 1").await;
    assert_eq!(death.cause, DeathCause::MissingFirmware);
    insta::assert_snapshot!(
        death,
        @"a firmware file of QEMU is not installed (`qemu: could not load PC BIOS 'bios-256k.bin'`)"
    );
    assert_eq!(death_at_start("mute\nkill").await.cause, DeathCause::Signal);
    assert_eq!(
        death_at_start("mute\nstderr error: failed to set MSR 0x10a\nabort")
            .await
            .cause,
        DeathCause::KvmRefused
    );
}

#[tokio::test]
async fn while_it_negotiates() {
    assert_eq!(death_at_start("deaf\nexit 3").await.exit, Exit::Code(3));
}

#[tokio::test]
async fn in_the_middle_of_the_boot() {
    let bed = Bed::new(
        "console labctl-init: stage start 1\n\
         console labctl-init: stage network 2\n\
         await query-status\n\
         stderr out of luck\n\
         kill",
    );
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    machine.wait_stage("network", &bed.cancel, soon()).await.unwrap();
    drop(machine.qmp().execute(qapi::qmp::query_status {}, soon()).await);
    let error = machine.wait_stage("sshd", &bed.cancel, soon()).await.unwrap_err();
    insta::assert_snapshot!(error, @"QEMU died of signal 9 (`out of luck`) (last stage: network)");
    let WaitError::Ended(ended) = error else { panic!() };
    assert!(matches!(
        ended.state,
        RunState::Gone {
            exit: Exit::Signal(9),
            ..
        }
    ));
}

#[tokio::test]
async fn never_answers() {
    for script in ["mute", "deaf"] {
        let bed = Bed::new(script);
        let (lease, dir) = bed.lease();
        let error = bed.start_until(&dir, at_once()).await.unwrap_err();
        assert!(matches!(error, LaunchError::TimedOut), "{script}: {error:?}");
        drop(lease);
        bed.assert_clean();
    }
}

#[tokio::test]
async fn a_taken_port_is_tried_again_elsewhere() {
    let bed = Bed::new("port-taken 3");
    let (_lease, dir) = bed.lease();
    bed.start(&dir).await.unwrap();
    assert_eq!(std::fs::read(bed.path("starts")).unwrap().len(), 4);
}

#[tokio::test]
async fn a_host_without_any_port_is_not_tried_for_ever() {
    assert_eq!(
        death_at_start("port-taken 1000").await.cause,
        DeathCause::PortTaken
    );
}

#[tokio::test]
async fn an_old_qemu_is_refused_by_its_greeting() {
    let bed = Bed::new("greets 6.2.0");
    let (lease, dir) = bed.lease();
    let error = bed.start(&dir).await.unwrap_err();
    assert!(matches!(error, LaunchError::Qemu(QemuError::TooOld { .. })));
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn ignores_quit_and_is_killed() {
    let bed = Bed::new("stubborn");
    let (lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    let ended = machine.shutdown(at_once(), &bed.cancel).await.unwrap();
    assert!(ended.killed);
    assert_eq!(ended.death.unwrap().exit, Exit::Signal(9));
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn one_interrupt_ends_the_wait_and_two_the_grace() {
    let bed = Bed::new("stubborn");
    let (lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    let (waited, _) = tokio::join!(machine.wait_stage("ready", &bed.cancel, soon()), async {
        bed.cancel.request()
    });
    assert!(matches!(waited, Err(WaitError::Cancelled)));
    let (ended, _) = tokio::join!(machine.shutdown(soon(), &bed.cancel), async {
        bed.cancel.request()
    });
    assert!(ended.unwrap().killed);
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn an_interrupt_during_the_start_leaves_nothing() {
    let bed = Bed::new("mute");
    let (lease, dir) = bed.lease();
    let (started, _) = tokio::join!(bed.start(&dir), async { bed.cancel.request() });
    assert!(matches!(started, Err(LaunchError::Cancelled)));
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn a_dropped_machine_is_killed() {
    let bed = Bed::new("stubborn");
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    let process = machine.record().process.unwrap();
    let gone = machine.exited();
    drop(machine);
    assert_eq!(gone.await, Exit::Signal(9));
    assert!(!process.is_alive());
}
