use std::time::Duration;

use labctl::deadline::Deadline;
use labctl::guest::{AttemptError, ConnectError, Nudge, Patience, connect_until};
use labctl::supervise::Cancel;
use tokio::net::TcpListener;

use super::plenty;
use crate::fake_ssh::{FakeSsh, Greeting, Script};

/// Gives up on each step almost at once, so that tests of the retries need not wait.
fn impatient() -> Patience {
    Patience {
        nudge: Duration::ZERO,
        banner: Duration::from_millis(100),
        handshake: Duration::from_millis(300),
        ..Patience::for_running(10.0)
    }
}

async fn connect(
    fake: &FakeSsh,
    patience: &Patience,
    deadline: Deadline,
) -> Result<labctl::guest::Guest, ConnectError> {
    connect_until(
        fake.address,
        &fake.access,
        patience,
        deadline,
        &Cancel::new(),
        &Nudge::new(),
    )
    .await
}

#[tokio::test]
async fn a_healthy_server_takes_one_connection() {
    let fake = FakeSsh::start(Script::default()).await;
    let guest = connect(&fake, &Patience::for_running(10.0), plenty())
        .await
        .unwrap();
    assert_eq!(fake.connections(), 1);
    assert!(!guest.is_lost());
}

#[tokio::test]
async fn early_connections_that_lead_nowhere_are_tried_again() {
    let fake = FakeSsh::start(Script {
        greetings: vec![
            Greeting::HangUp,
            Greeting::Mute,
            Greeting::StallInHandshake,
            Greeting::HangUp,
        ],
        ..Script::default()
    })
    .await;
    // The handshake that ends well gets the patience of a slow machine; only the mute ones are given up early.
    let patience = Patience {
        handshake: Duration::from_secs(2),
        ..impatient()
    };
    connect(&fake, &patience, plenty()).await.unwrap();
    // On a busy machine the fifth may be given up, too.
    assert!(fake.connections() >= 5);
}

#[tokio::test]
async fn a_port_that_is_closed_at_first_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fake = FakeSsh::start_on(listener, Script::default());
    let access = fake.access.clone();
    drop(fake);
    let cancel = Cancel::new();
    let result = connect_until(
        address,
        &access,
        &impatient(),
        Deadline::after(Duration::from_secs(1)),
        &cancel,
        &Nudge::new(),
    )
    .await;
    let Err(ConnectError::NotReady { attempts, last, .. }) = result else {
        panic!("{result:?}");
    };
    assert!(matches!(last, Some(AttemptError::Connect(_))), "{last:?}");
    // Pauses of 5, 10, 20 … 200 ms: more than one attempt, and far from a busy loop.
    assert!((2..=12).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn a_nudge_ends_the_wait_and_a_mute_connection() {
    let fake = FakeSsh::start(Script {
        greetings: vec![Greeting::Mute],
        ..Script::default()
    })
    .await;
    let nudge = Nudge::new();
    // Without nudges this would take two hours.
    let patience = Patience {
        nudge: Duration::from_secs(3600),
        banner: Duration::from_secs(3600),
        ..Patience::for_running(10.0)
    };
    let cancel = Cancel::new();
    let connecting = connect_until(fake.address, &fake.access, &patience, plenty(), &cancel, &nudge);
    let nudging = async {
        nudge.now();
        while fake.connections() == 0 {
            tokio::task::yield_now().await;
        }
        nudge.now();
    };
    let (guest, ()) = tokio::join!(connecting, nudging);
    guest.unwrap();
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn another_host_key_is_an_error_at_once() {
    let fake = FakeSsh::start(Script {
        wrong_host_key: true,
        ..Script::default()
    })
    .await;
    let error = connect(&fake, &patient(), plenty()).await.unwrap_err();
    let ConnectError::HostKeyMismatch { expected, got, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*expected, fake.access.host_fingerprint());
    assert_ne!(expected, got);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_refused_key_is_an_error_at_once() {
    let fake = FakeSsh::start(Script {
        refuse_auth: true,
        ..Script::default()
    })
    .await;
    let error = connect(&fake, &patient(), plenty()).await.unwrap_err();
    assert!(matches!(error, ConnectError::AuthRefused { .. }), "{error:?}");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_key_lets_in_where_the_password_was_changed() {
    let fake = FakeSsh::start(Script {
        refuse_password: true,
        ..Script::default()
    })
    .await;
    connect(&fake, &patient(), plenty()).await.unwrap();
    assert_eq!(fake.connections(), 1);
}

fn patient() -> Patience {
    Patience::for_running(100.0)
}

#[tokio::test]
async fn at_the_deadline_the_last_obstacle_is_named() {
    for (greeting, says) in [
        (Greeting::HangUp, "nothing listens"),
        (Greeting::Mute, "nothing was said"),
        (Greeting::StallInHandshake, "not finished in time"),
    ] {
        let fake = FakeSsh::start(Script {
            greetings: vec![greeting; 1000],
            ..Script::default()
        })
        .await;
        let error = connect(&fake, &impatient(), Deadline::after(Duration::from_millis(1500)))
            .await
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(says), "{greeting:?}: {source}");
        assert!(fake.connections() > 1, "{greeting:?}");
    }
}

#[tokio::test]
async fn a_request_to_stop_ends_the_wait() {
    let fake = FakeSsh::start(Script {
        greetings: vec![Greeting::Mute],
        ..Script::default()
    })
    .await;
    let cancel = Cancel::new();
    let patience = Patience::for_boot(1000.0);
    let nudge = Nudge::new();
    let connecting = connect_until(fake.address, &fake.access, &patience, plenty(), &cancel, &nudge);
    let (result, _) = tokio::join!(connecting, async { cancel.request() });
    assert!(matches!(result, Err(ConnectError::Cancelled(_))), "{result:?}");
}
