//! `labctl dmesg`: the kernel log as the host recorded it, so it works for a guest that has panicked, too.

use lab_kmsg::kmsg::{Record, Stream};
use lab_kmsg::sanitize;

use super::target::choose;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::session::AttachError;
use crate::vm::{Follower, InstanceDir, InstanceError, InstanceRecord};

pub(super) async fn run(context: &Context, module: Option<&str>, follow: bool) -> Result<Exit, Failure> {
    context.reap()?;
    let name = choose(context, module)?;
    let dir = InstanceDir::open(&context.settings.instances_dir(), &name).map_err(|error| match error {
        InstanceError::Missing(_) => Failure::from(AttachError::NotRunning { name: name.clone() }),
        error => error.into(),
    })?;
    let mut stream = Stream::default();
    let mut log = Follower::open(&dir.kmsg_log())?;
    loop {
        let bytes = log.available()?;
        if bytes.is_empty() {
            break;
        }
        print(stream.push(&bytes))?;
    }
    print(stream.take_idle())?;
    if !follow {
        return Ok(Exit::Done);
    }
    loop {
        let process = InstanceRecord::read(&dir)?.and_then(|record| record.process);
        let ended = async {
            match process {
                // The log of a machine that has ended never grows again.
                Some(process) => crate::vm::gone(process).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = context.cancel.requested() => return Ok(Exit::Done),
            () = ended => {
                print(stream.push(&log.available()?))?;
                print(stream.finish())?;
                break;
            }
            bytes = log.next() => {
                print(stream.push(&bytes?))?;
                // A record is held back for its dictionary, which the kernel writes together with it.
                print(stream.take_idle())?;
            }
        }
    }
    Ok(Exit::Done)
}

/// As `dmesg` prints it.
fn print(records: impl IntoIterator<Item = Record>) -> Result<(), Failure> {
    let mut text = String::new();
    for record in records {
        let (seconds, micros) = (record.ts_us / 1_000_000, record.ts_us % 1_000_000);
        for line in record.lines() {
            text.push_str(&format!(
                "[{seconds:5}.{micros:06}] {}\n",
                sanitize::line(&line, 4000)
            ));
        }
    }
    if !text.is_empty() {
        output::result(&text)?;
    }
    Ok(())
}
