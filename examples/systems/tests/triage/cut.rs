//! A proxy before a database that can cut a connection between a commit and its answer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

/// Forwards bytes to a server of MySQL's protocol.
pub(crate) struct Wire {
    address: SocketAddr,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    cut_next_commit: AtomicBool,
    is_down_after: AtomicBool,
    is_down: AtomicBool,
}

impl Wire {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let plan = Arc::new(Plan::default());
        let plan_of_all = Arc::clone(&plan);
        thread::spawn(move || {
            for client in listener.incoming() {
                if !plan_of_all.is_down.load(SeqCst) {
                    let server = TcpStream::connect(target).expect("the server");
                    join(client.expect("a client"), server, &plan_of_all);
                }
            }
        });
        Self { address, plan }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the proxy cut the connection after the next commit: the server runs the commit, and
    /// its answer is lost.
    pub(crate) fn cut_next_commit(&self) {
        self.plan.cut_next_commit.store(true, SeqCst);
    }

    /// Makes the proxy refuse all connections after that, until `mend`.
    pub(crate) fn stay_down_after_it(&self) {
        self.plan.is_down_after.store(true, SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.plan.is_down_after.store(false, SeqCst);
        self.plan.is_down.store(false, SeqCst);
    }
}

fn join(client: TcpStream, server: TcpStream, plan: &Arc<Plan>) {
    let is_committing = Arc::new(AtomicBool::new(false));
    let both = || (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
    let (there, back) = (both(), both());
    let (plan_there, committing) = (Arc::clone(plan), Arc::clone(&is_committing));
    thread::spawn(move || {
        let _ = pump(&there.0, &there.1, |bytes| {
            if bytes.ends_with(b"COMMIT") && plan_there.cut_next_commit.swap(false, SeqCst) {
                committing.store(true, SeqCst);
            }
            !plan_there.is_down.load(SeqCst)
        });
    });
    let plan_back = Arc::clone(plan);
    thread::spawn(move || {
        let _ = pump(&back.1, &back.0, |_| {
            if !is_committing.load(SeqCst) {
                return true;
            }
            // The server speaks only when it is asked, so this is its answer to the commit.
            plan_back.is_down.store(plan_back.is_down_after.load(SeqCst), SeqCst);
            false
        });
    });
}

fn pump(
    mut from: &TcpStream,
    mut to: &TcpStream,
    mut may_pass: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let size = from.read(&mut buffer).unwrap_or(0);
        if size == 0 || !may_pass(&buffer[..size]) || to.write_all(&buffer[..size]).is_err() {
            from.shutdown(Shutdown::Both)?;
            return to.shutdown(Shutdown::Both);
        }
    }
}
