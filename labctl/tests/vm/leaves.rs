//! What is left behind on purpose, and what must not be.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use labctl::event::Events;
use labctl::supervise::Cancel;
use labctl::vm::{AttachError, Condition, InstanceDir, InstanceRecord, QmpError, Reaped, Vm, reap_stale};

use crate::bed::{Bed, at_once, soon};

#[tokio::test]
async fn a_detached_machine_is_found_and_ended_by_another() {
    let bed = Bed::new("console labctl-init: stage ready 7");
    let (lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    let port = machine.ssh_address().port();
    machine.detach(lease).unwrap();
    assert_eq!(reap_stale(&bed.root()).unwrap(), []);

    let dir = InstanceDir::open(&bed.root(), "m7").unwrap();
    let record = InstanceRecord::read(&dir).unwrap().unwrap();
    assert_eq!((record.condition(), record.ssh_port), (Condition::Running, port));
    let machine = Vm::attach(&dir, soon(), &Events::silent()).await.unwrap();
    // What happened before is seen again: it is all in the console's log.
    machine.wait_stage("ready", &bed.cancel, soon()).await.unwrap();
    drop(machine);
    assert_eq!(
        InstanceRecord::read(&dir).unwrap().unwrap().condition(),
        Condition::Running
    );

    let lease = labctl::vm::Lease::try_take(&bed.root(), "m7", "down m7").unwrap();
    let machine = Vm::attach(&dir, soon(), &Events::silent()).await.unwrap();
    let ended = machine.shutdown(soon(), &bed.cancel).await.unwrap();
    assert!(!ended.killed);
    assert_eq!(record.condition(), Condition::Ended);
    assert!(matches!(
        Vm::attach(&dir, soon(), &Events::silent()).await,
        Err(AttachError::NotRunning)
    ));
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn a_second_client_waits_its_turn() {
    let bed = Bed::new("");
    let (lease, dir) = bed.lease();
    let first = bed.start(&dir).await.unwrap();
    let busy = Vm::attach(&dir, at_once(), &Events::silent()).await;
    assert!(matches!(busy, Err(AttachError::Qmp(QmpError::Busy))));
    let events = Events::silent();
    let (second, ()) = tokio::join!(Vm::attach(&dir, soon(), &events), async {
        first.detach(lease).unwrap();
    });
    second.unwrap().shutdown(soon(), &bed.cancel).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "another labctl, to be killed")]
fn owner(bed: &Bed) -> std::process::Child {
    let mut owner = std::process::Command::new(env!("CARGO_BIN_EXE_fake-owner"))
        .args([bed.root(), "m7".into(), bed.path("qemu"), bed.path("kernel")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "up\n");
    owner
}

#[tokio::test]
async fn what_a_killed_labctl_left_is_reaped() {
    let bed = Bed::new("stubborn");
    let mut owner = owner(&bed);
    assert_eq!(reap_stale(&bed.root()).unwrap(), [], "its owner lives");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let left = Reaped {
        name: "m7".to_owned(),
        was_running: true,
    };
    assert_eq!(reap_stale(&bed.root()).unwrap(), [left]);
    bed.assert_clean();
}

#[tokio::test]
async fn the_next_owner_of_the_same_name_clears_the_way_itself() {
    let bed = Bed::new("");
    let mut owner = owner(&bed);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let (lease, dir) = bed.lease();
    let machine = bed.start(&dir).await.unwrap();
    machine.shutdown(soon(), &Cancel::new()).await.unwrap();
    drop(lease);
    bed.assert_clean();
}

#[tokio::test]
async fn an_orphan_whose_number_was_never_written_down_is_found_by_its_arguments() {
    let bed = Bed::new("");
    let mut owner = owner(&bed);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let path = bed.root().join("m7/instance.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["process"] = serde_json::Value::Null;
    std::fs::write(&path, record.to_string()).unwrap();
    assert!(reap_stale(&bed.root()).unwrap()[0].was_running);
    bed.assert_clean();
}
