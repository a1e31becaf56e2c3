//! What becomes of a boot.

use std::sync::{Arc, Mutex};

use labctl::event::{Event, Events};
use labctl::vm::{Exit, PanicInfo, PowerCause, RunState, Vm, WaitError};

use crate::bed::{Bed, at_once, soon};

#[tokio::test]
async fn stages_are_seen_as_they_come_and_reported() {
    let bed = Bed::new(
        "console labctl-init: stage start 1000\n\
         await query-status\n\
         console labctl-init: stage ready 2000",
    );
    let (lease, dir) = bed.lease();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let events = Events::new({
        let notes = notes.clone();
        move |event| {
            if let Event::Progress { note, .. } = event {
                notes.lock().unwrap().push(note);
            }
        }
    });
    let machine = Vm::start(&bed.qemu(), &bed.config(), &dir, &bed.cancel, soon(), &events)
        .await
        .unwrap();
    let start = machine.wait_stage("start", &bed.cancel, soon()).await.unwrap();
    assert_eq!(start.uptime_us, 1000);
    assert_eq!(machine.state(), RunState::Booting);
    machine
        .qmp()
        .execute(qapi::qmp::query_status {}, soon())
        .await
        .unwrap();
    machine.wait_stage("ready", &bed.cancel, soon()).await.unwrap();
    assert_eq!(machine.state(), RunState::Running);
    let ended = machine.shutdown(soon(), &bed.cancel).await.unwrap();
    assert!(!ended.killed);
    let gone = RunState::Gone {
        exit: Exit::Code(0),
        panic: None,
        power: Some(PowerCause::Host),
    };
    assert_eq!(ended.state, gone);
    assert_eq!(*notes.lock().unwrap(), ["start", "ready"]);
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn a_panic_ends_the_wait_with_its_reason_and_the_console() {
    let bed = Bed::new(
        "console labctl-init: stage start 1000\n\
         console [    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs\n\
         console [    1.100000] Call Trace:\n\
         console [    1.200000] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---",
    );
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    let error = machine
        .wait_stage("ready", &bed.cancel, soon())
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"the guest's kernel panicked: `VFS: Unable to mount root fs` (last stage: start)");
    let WaitError::Ended(ended) = error else { panic!() };
    assert_eq!(ended.console.len(), 4);
}

#[tokio::test]
async fn a_panic_that_reboots_at_once_is_still_a_panic() {
    let bed = Bed::new(
        "await query-status\n\
         event {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n\
         console [    1.000000] Kernel panic - not syncing: Fatal exception\n\
         exit 0",
    );
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    machine
        .qmp()
        .execute(qapi::qmp::query_status {}, soon())
        .await
        .unwrap();
    let ended = machine.ended().await;
    let panic = PanicInfo::Kernel {
        reason: "Fatal exception".to_owned(),
    };
    assert_eq!(ended.state.panic(), Some(&panic));
    assert_eq!(ended.death.unwrap().exit, Exit::Code(0));
}

#[tokio::test]
async fn an_init_that_gives_up_names_its_stage() {
    let bed = Bed::new(
        "console labctl-init: fatal: layers: /dev/vda: no such device\n\
         exit 0",
    );
    let (_lease, dir) = bed.lease();
    match bed.start(&dir).await {
        Ok(machine) => {
            let error = machine
                .wait_stage("ready", &bed.cancel, soon())
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains("gave up in `layers`: /dev/vda"),
                "{error}"
            );
        }
        // It may be gone before it could be greeted.
        Err(error) => assert!(matches!(error, labctl::vm::LaunchError::Died(_))),
    }
}

#[tokio::test]
async fn a_hung_boot_ends_at_the_deadline_and_says_how_far_it_came() {
    let bed = Bed::new("console labctl-init: stage network 5000");
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    machine.wait_stage("network", &bed.cancel, soon()).await.unwrap();
    let error = machine
        .wait_stage("sshd", &bed.cancel, at_once())
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"the guest did not reach `sshd` in time (last stage: network)");
}

#[tokio::test]
async fn an_event_from_the_future_changes_nothing() {
    let bed = Bed::new(
        "await query-status\n\
         event {\"event\": \"FROM_THE_FUTURE\", \"data\": {}}\n\
         console labctl-init: stage ready 1",
    );
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    machine
        .qmp()
        .execute(qapi::qmp::query_status {}, soon())
        .await
        .unwrap();
    machine.wait_stage("ready", &bed.cancel, soon()).await.unwrap();
    machine
        .qmp()
        .execute(qapi::qmp::query_status {}, soon())
        .await
        .unwrap();
    assert_eq!(machine.state(), RunState::Running);
}

#[tokio::test]
async fn a_question_that_was_given_up_harms_no_other() {
    let bed = Bed::new("");
    let (_lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    let given_up = machine.qmp().execute(qapi::qmp::query_status {}, soon());
    // Polled once, which sends it, and then dropped.
    tokio::select! {
        biased;
        _ = given_up => {}
        () = std::future::ready(()) => {}
    }
    machine
        .qmp()
        .execute(qapi::qmp::query_status {}, soon())
        .await
        .unwrap();
}
