//! The trait that an author of a manager implements: what the suite needs of a manager and its server.

use threadwise_core::ManageConnection;

use crate::{Proxy, wait};

/// The connection type of a subject's manager.
pub type ConnectionOf<B> = <<B as ManagerUnderTest>::Manager as ManageConnection>::Connection;

/// The error type of a subject's manager.
pub type ErrorOf<B> = <<B as ManagerUnderTest>::Manager as ManageConnection>::Error;

/// What the suite needs of a manager and of the server that it connects to.
///
/// The first four items are required. Each other method belongs to a part of the suite: implement it,
/// and name the part in the macro call. The suite ignores the tests of a part that the call does not
/// name, and `cargo test` lists them as ignored, "not tried". The test of a part that the call names
/// fails if the method is missing. The [front page](crate#parts) lists the parts.
///
/// A server on TCP needs one method for most of them: [`proxy`](Self::proxy).
///
/// The methods may panic: that fails the test.
pub trait ManagerUnderTest: Sized + Send + Sync + 'static {
    /// The manager.
    type Manager: ManageConnection;

    /// Starts a server, or makes a place on one that tests share, such as a database. Each test calls
    /// it once, and tests run at the same time.
    fn start() -> Self;

    /// A manager that connects to it.
    fn manager(&self) -> Self::Manager;

    /// Uses the connection: sends `nonce` to the server and returns what comes back.
    ///
    /// # Errors
    ///
    /// What the driver returns, for example if the connection is lost.
    fn echo(&self, conn: &mut ConnectionOf<Self>, nonce: u64) -> Result<u64, ErrorOf<Self>>;

    /// The proxy through which all managers of this subject connect. With it, these methods have a
    /// default that works: [`cut`](Self::cut), [`freeze`](Self::freeze), [`thaw`](Self::thaw),
    /// [`stop_server`](Self::stop_server), [`start_server`](Self::start_server) and
    /// [`open_connections`](Self::open_connections).
    fn proxy(&self) -> Option<&Proxy> {
        None
    }

    /// Parts `cut`, `notice`, `quick_check`, `lost`, `commit`: ends the connection from the server's
    /// side, as a restarted server does. The connection has been used before.
    ///
    /// The default cuts all connections of the [`proxy`](Self::proxy).
    fn cut(&self, conn: &mut ConnectionOf<Self>) {
        let _ = conn;
        self.proxy_for("cut").cut();
    }

    /// Parts `silence`, `patience`, `count`: makes the server stop answering, also new connections. It
    /// closes none.
    ///
    /// The default freezes the [`proxy`](Self::proxy).
    fn freeze(&self) {
        self.proxy_for("freeze").freeze();
    }

    /// Parts `silence`, `patience`, `count`: ends the silence. The server answers what it was asked
    /// meanwhile.
    ///
    /// The default thaws the [`proxy`](Self::proxy).
    fn thaw(&self) {
        self.proxy_for("thaw").thaw();
    }

    /// Part `outage`: takes the server away. Returns when all connections are closed and new ones
    /// refused.
    ///
    /// The default lets the [`proxy`](Self::proxy) refuse connections.
    fn stop_server(&self) {
        let proxy = self.proxy_for("stop_server");
        proxy.refuse();
        wait::until("the proxy to refuse connections", || {
            !proxy.is_listening() && proxy.open() == 0
        });
    }

    /// Part `outage`: brings the server back. Returns when it accepts connections.
    ///
    /// The default lets the [`proxy`](Self::proxy) accept connections.
    fn start_server(&self) {
        self.proxy_for("start_server").serve();
    }

    /// Part `count`: how many connections of this subject's managers are open, as the server sees it.
    ///
    /// The default counts those of the [`proxy`](Self::proxy).
    fn open_connections(&self) -> u64 {
        self.proxy_for("open_connections").open()
    }

    /// Part `session`: changes the session in ways that the next user must not find: a transaction in
    /// which something was written, and whatever else a session can carry.
    fn soil(&self, conn: &mut ConnectionOf<Self>) {
        let _ = conn;
        not_tried("soil")
    }

    /// Part `session`: whether the session shows none of the changes that [`soil`](Self::soil) makes.
    /// Asks the server.
    fn is_fresh(&self, conn: &mut ConnectionOf<Self>) -> bool {
        let _ = conn;
        not_tried("is_fresh")
    }

    /// Parts `transaction`, `shared_transaction`, `commit`: begins a transaction.
    fn begin(&self, conn: &mut ConnectionOf<Self>) {
        let _ = conn;
        not_tried("begin")
    }

    /// Part `commit`: ends the transaction and keeps its work.
    ///
    /// # Errors
    ///
    /// What the driver returns. The suite calls it on a connection that it has cut.
    fn commit(&self, conn: &mut ConnectionOf<Self>) -> Result<(), ErrorOf<Self>> {
        let _ = conn;
        not_tried("commit")
    }

    /// Part `failure`: does work that the server refuses on a connection that stays usable, for example
    /// a statement with a syntax error. Returns the error.
    fn fail(&self, conn: &mut ConnectionOf<Self>) -> ErrorOf<Self> {
        let _ = conn;
        not_tried("fail")
    }

    /// Part `refusal`: a manager that connects with a wrong password, or for which `connect` fails for
    /// another reason that stays until a person changes a setting.
    fn refused_manager(&self) -> Self::Manager {
        not_tried("refused_manager")
    }

    /// Part `refusal`: the password of [`refused_manager`](Self::refused_manager), which no text may
    /// show. `None` if there is no password.
    const PASSWORD: Option<&'static str> = None;

    /// Part `retire`: makes the manager want this connection to leave, for example because its host is
    /// about to stop.
    fn retire(&self, conn: &mut ConnectionOf<Self>) {
        let _ = conn;
        not_tried("retire")
    }

    /// Part `threads`: how many threads the managers of this subject run.
    fn threads(&self) -> usize {
        not_tried("threads")
    }

    /// The proxy, for the default of `method`.
    #[doc(hidden)]
    fn proxy_for(&self, method: &str) -> &Proxy {
        self.proxy().unwrap_or_else(|| {
            not_tried(&format!("{method}` or, if the server is on TCP, `ManagerUnderTest::proxy"))
        })
    }
}

/// Fails the test, because the subject lacks what the test needs.
fn not_tried(method: &str) -> ! {
    panic!(
        "not tried: the macro call names a part of the suite that needs \
         `ManagerUnderTest::{method}`, which has no implementation. Implement it, or take the part out \
         of the call: then its tests are listed as ignored"
    )
}
