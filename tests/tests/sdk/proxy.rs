//! A proxy before the server that loses requests or answers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

/// What is lost, and the connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The server never hears of it.
    Request,
    /// The server has done it, and the client never hears of that.
    Answer,
}

/// See the module.
pub struct Proxy {
    port: u16,
    plan: Arc<Plan>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct Plan {
    next: Mutex<Option<(&'static str, Loss, usize)>>,
    losses: AtomicUsize,
    requests: AtomicUsize,
    open: Mutex<Vec<AbortHandle>>,
}

impl Plan {
    /// What to do with a request that the client sends.
    fn loss_of(&self, request: &[u8]) -> Option<Loss> {
        let mut next = self.next.lock().expect("no test panics with it");
        let (text, loss, times) = next.as_mut()?;
        if *times == 0 || !request.windows(text.len()).any(|window| window == text.as_bytes()) {
            return None;
        }
        *times -= 1;
        self.losses.fetch_add(1, Ordering::SeqCst);
        Some(*loss)
    }
}

impl Proxy {
    /// Listens on a port of its own.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let plan = Arc::new(Plan::default());
        let listener = tokio::spawn({
            let plan = plan.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let task = tokio::spawn(carry(client, server, plan.clone()));
                    plan.open.lock().expect("no test panics with it").push(task.abort_handle());
                }
            }
        });
        Self { port, plan, listener }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client has sent something.
    pub fn requests(&self) -> usize {
        self.plan.requests.load(Ordering::SeqCst)
    }

    /// From now on, and so many times, loses what contains this text.
    pub fn lose(&self, text: &'static str, loss: Loss, times: usize) {
        *self.plan.next.lock().expect("no test panics with it") = Some((text, loss, times));
    }

    /// How often it lost something.
    pub fn losses(&self) -> usize {
        self.plan.losses.load(Ordering::SeqCst)
    }

    /// Ends all connections and takes no more.
    pub async fn close(mut self) {
        self.listener.abort();
        let _ = (&mut self.listener).await;
        for open in self.plan.open.lock().expect("no test panics with it").drain(..) {
            open.abort();
        }
    }
}

async fn carry(client: TcpStream, server: u16, plan: Arc<Plan>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answers_lost = AtomicBool::new(false);
    // Either ends both, and with them the connection.
    tokio::select! {
        () = requests(from_client, to_server, &plan, &answers_lost) => {}
        () = answers(from_server, to_client, &answers_lost) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, plan: &Plan, answers_lost: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        plan.requests.fetch_add(1, Ordering::SeqCst);
        match plan.loss_of(&buffer[..length]) {
            Some(Loss::Request) => return,
            Some(Loss::Answer) => {
                answers_lost.store(true, Ordering::SeqCst);
            }
            None => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, answers_lost: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // The server flushes an answer when it has committed.
        if answers_lost.load(Ordering::SeqCst) || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
