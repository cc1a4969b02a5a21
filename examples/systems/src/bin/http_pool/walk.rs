//! The steps.

use std::error::Error;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use threadwise::{AnyPool, Pool};
use threadwise_systems::http::server::Server;
use threadwise_systems::http::{Connection, Error as HttpError, Http};

pub(crate) struct Walk {
    pub(crate) pool: AnyPool<Http>,
    /// `None` if the user named a server.
    pub(crate) server: Option<Server>,
    pub(crate) target: String,
}

type Done = Result<(), Box<dyn Error>>;

impl Walk {
    pub(crate) fn run(&self) -> Done {
        self.show(0);
        self.borrow()?;
        self.exhaust()?;
        self.ask_for_a_head()?;
        if self.server.is_some() {
            self.read_in_chunks()?;
            self.stop_reading()?;
            self.be_told_that_it_is_the_last()?;
            self.be_left_while_idle()?;
            self.be_left_in_the_middle()?;
        }
        self.close();
        Ok(())
    }

    fn borrow(&self) -> Done {
        title("borrow a connection, ask, give it back; and again");
        for _ in 0..2 {
            let mut conn = self.pool.get()?;
            println!("  GET {}: {}", self.target, told(conn.steady(|conn| self.ask(conn))));
            self.show(1);
        }
        Ok(())
    }

    fn exhaust(&self) -> Done {
        title("two threads hold a connection each, a third one wants one");
        let first = self.pool.get()?;
        let (holds, held) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        thread::scope(|threads| {
            let second = threads.spawn(move || {
                let second = self.pool.get_timeout(Duration::from_secs(10));
                let _ = holds.send(());
                let _ = ended.recv();
                drop(second);
            });
            let _ = held.recv();
            self.show(2);
            let third = threads.spawn(|| {
                said("try_get", self.pool.try_get());
                said("get_timeout", self.pool.get_timeout(Duration::from_millis(50)));
            });
            let _ = third.join();
            drop(first);
            drop(end);
            let _ = second.join();
        });
        println!("  both are given back");
        self.show(0);
        Ok(())
    }

    fn ask_for_a_head(&self) -> Done {
        title("HEAD: the answer has a length, and no body");
        let mut conn = self.pool.get()?;
        let head = conn.steady(|conn| {
            let answer = conn.head(&self.target)?;
            let length = answer.header("content-length").unwrap_or("none").to_owned();
            Ok(format!("{}, content-length {length}", answer.status()))
        });
        println!("  HEAD {}: {}", self.target, told(head));
        drop(conn);
        self.show(0);
        Ok(())
    }

    fn read_in_chunks(&self) -> Done {
        title("an answer in chunks, whose length is unknown before its end");
        self.get("/chunked")?;
        self.show(0);
        Ok(())
    }

    fn stop_reading(&self) -> Done {
        for target in ["/small", "/large"] {
            title(&format!("{target} is given back after its first bytes"));
            let mut conn = self.pool.get()?;
            let mut answer = conn.get(target)?;
            answer.read_some(&mut [0; 100])?;
            drop(conn); // reads a small rest, and closes the connection before a large one
            self.get("/")?;
            self.show(0);
        }
        Ok(())
    }

    fn be_told_that_it_is_the_last(&self) -> Done {
        title("the server says `Connection: close`");
        self.get("/last")?;
        self.get("/")?;
        self.show(0);
        Ok(())
    }

    fn be_left_while_idle(&self) -> Done {
        title("the server closes an idle connection, and does not say so");
        self.get("/quit")?;
        if let Some(server) = &self.server {
            let _ = server.wait(Duration::from_secs(5), |counts| counts.left > 0);
        }
        self.get("/")?;
        self.show(0);
        Ok(())
    }

    fn be_left_in_the_middle(&self) -> Done {
        title("the server closes a connection while a request is on its way");
        let mut conn = self.pool.get()?;
        for target in ["/", "/race"] {
            let text = conn.steady(|conn| conn.get(target)?.text());
            println!("  GET {target}: {}", told(text)); // sent again, on another connection
        }
        let paid = conn.steady(|conn| conn.post("/race", b"pay")?.text());
        println!("  POST /race: {}", told(paid)); // never
        drop(conn);
        self.show(0);
        Ok(())
    }

    fn close(&self) {
        title("the pool is closed");
        self.pool.close();
        said("get", self.pool.get());
        self.show(0);
    }

    fn get(&self, target: &str) -> Done {
        let mut conn = self.pool.get()?;
        println!("  GET {target}: {}", told(conn.steady(|conn| conn.get(target)?.text())));
        Ok(())
    }

    /// Sends a request, and returns the beginning of the answer.
    fn ask(&self, conn: &mut Connection) -> Result<String, HttpError> {
        let answer = conn.get(&self.target)?;
        let status = answer.status();
        let body = answer.text()?;
        let is_ours = self.server.is_some();
        Ok(if is_ours { body } else { format!("{status}, {} bytes", body.len()) })
    }

    /// Prints the state of the pool while this walk holds `held` connections.
    fn show(&self, held: usize) {
        let end = Instant::now() + Duration::from_secs(1);
        while self.pool.state().borrowed > held && Instant::now() < end {
            thread::yield_now(); // a shared pool closes a lost connection on a thread of its own
        }
        let state = self.pool.state();
        print!("    pool: {} open, {} borrowed, {} idle", state.open, state.borrowed, state.idle);
        match &self.server {
            None => println!(),
            Some(server) => {
                let counts = server.counts();
                println!("; server: connections {}, requests {}", counts.used, counts.requests);
            }
        }
    }
}

fn title(step: &str) {
    println!("\n{step}");
}

fn said<T, E: Error>(what: &str, result: Result<T, E>) {
    match result {
        Ok(_) => println!("  {what}: a connection"),
        Err(error) => println!("  {what}: {}", threadwise::chain(&error)),
    }
}

fn told(result: Result<String, HttpError>) -> String {
    result.unwrap_or_else(|error| threadwise::chain(&error).to_string())
}
