//! A labctl that starts a machine and then hangs, to be killed: `fake-owner ROOT NAME QEMU KERNEL`. Says `up` once the
//! machine runs.

#![expect(clippy::print_stdout, reason = "its parent waits for a line")]
#![expect(clippy::unwrap_used, reason = "a test's tool: a panic is its error message")]

use std::path::Path;
use std::time::Duration;

use labctl::deadline::Deadline;
use labctl::event::Events;
use labctl::supervise::Cancel;
use labctl::vm::{Lease, Qemu, Vm, VmConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let lease = Lease::try_take(Path::new(&args[1]), &args[2], "up").unwrap();
    let dir = lease.create_dir().unwrap();
    let qemu = Qemu::find(&args[3], "".as_ref()).unwrap();
    let config = VmConfig::new(&args[2], &args[4]);
    let deadline = Deadline::after(Duration::from_secs(30));
    let machine = Vm::start(&qemu, &config, &dir, &Cancel::new(), deadline, &Events::silent())
        .await
        .unwrap();
    println!("up");
    machine.exited().await;
}
