use deadpool_postgres::{Manager, Pool};
use pg_durable_examples::{order_approval, service};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;

use super::kit::{Kit, run};

/// Serves, and returns the address.
async fn serve(kit: &Kit) -> String {
    order_approval::set_up(&kit.another_session().await).await.unwrap();
    let manager = Manager::new(kit.url().parse().unwrap(), NoTls);
    let pool = Pool::builder(manager).max_size(4).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async { axum::serve(listener, service::router(pool)).await });
    address
}

/// Sends a request and returns its connection. HTTP/1.0, so that the end of the answer is the connection's.
async fn send(address: &str, method: &str, path: &str, body: Option<Value>) -> TcpStream {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all((head + &body).as_bytes()).await.unwrap();
    connection
}

/// The status and the body of the answer.
async fn ask(address: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut answer = String::new();
    send(address, method, path, body).await.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn placed(address: &str) -> String {
    let order = json!({"sku": "bicycle", "qty": 2});
    let (status, placed) = ask(address, "POST", "/orders", Some(order)).await;
    assert_eq!(status, 201);
    format!("/orders/{}", placed["run"].as_str().expect("an id"))
}

#[test]
fn an_order_is_placed_followed_and_approved() {
    run(async |kit| {
        let address = serve(kit).await;
        let run = placed(&address).await;
        let events = send(&address, "GET", &format!("{run}/events"), None).await;
        let mut events = BufReader::new(events).lines();
        let mut seen = Vec::new();
        let mut is_answered = false;
        while let Some(line) = events.next_line().await.unwrap() {
            if line.contains("signal approval") && !is_answered {
                let answer = json!({"approved": true, "by": "Ada"});
                assert_eq!(ask(&address, "POST", &format!("{run}/approval"), Some(answer)).await.0, 202);
                is_answered = true;
            }
            seen.push(line);
        }
        assert!(is_answered, "{seen:#?}");
        let all = seen.join("\n");
        assert!(all.contains("content-type: text/event-stream"), "{all}");
        assert!(all.trim_end().ends_with("event: status\ndata: completed"), "{all}");

        let receipt = json!({"state": "shipped", "decided_by": "Ada"});
        let expected = (200, json!({"status": "completed", "receipt": receipt}));
        assert_eq!(ask(&address, "GET", &run, None).await, expected);
        let late = json!({"approved": false, "by": "Bob"});
        assert_eq!(ask(&address, "POST", &format!("{run}/approval"), Some(late)).await.0, 409);
        assert_eq!(kit.value("SELECT on_hand, held FROM shop.stock").await, "8|0");
    });
}

#[test]
fn what_cannot_be_done_is_answered_and_leaves_nothing() {
    run(async |kit| {
        let address = serve(kit).await;
        for (sku, qty) in [("unicycle", 1), ("bicycle", 0)] {
            let order = json!({"sku": sku, "qty": qty});
            assert_eq!(ask(&address, "POST", "/orders", Some(order)).await.0, 422, "{qty} {sku}");
        }
        for path in ["/orders/0badcafe", "/orders/0badcafe/events"] {
            assert_eq!(ask(&address, "GET", path, None).await.0, 404, "{path}");
        }
        let left = "SELECT (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM df.instances)";
        assert_eq!(kit.value(left).await, "0|0");
    });
}

#[test]
fn a_run_goes_on_without_the_service_and_its_server() {
    run(async |kit| {
        let address = serve(kit).await;
        let run = placed(&address).await;
        kit.until("SELECT count(*) = 1 FROM df.nodes WHERE waiting_for = 'signal approval'").await;
        tokio::task::block_in_place(|| kit.server().restart()).unwrap();
        let answer = json!({"approved": false, "by": "Ada"});
        // Another service, which knows the run's id only.
        let address = serve(kit).await;
        assert_eq!(ask(&address, "POST", &format!("{run}/approval"), Some(answer)).await.0, 202);
        kit.until("SELECT status = 'completed' FROM df.instances").await;
        assert_eq!(ask(&address, "GET", &run, None).await.1["receipt"]["state"], "declined");
    });
}
