//! Acknowledged signals are not lost: not by the loser of a race, and not by a kill.

use std::thread;
use std::time::Duration;

use pg_durable_sdk::testing::TestServer;

use super::cluster::{self, Client};

/// A loop of races between two waits, each with something behind it; a step that counts follows the winner.
///
/// Both signals are consumed at once, so that one of them always belongs to a branch that loses.
const CART: &str = "df.loop(
    df.as(df.race_tagged(
        df.seq(df.wait_for_signal('add'), 'SELECT pg_sleep(0.004) /* {sys_instance_id} */'),
        df.seq(df.wait_for_signal('checkout'), 'SELECT pg_sleep(0.004)')), 'won')
    ~> 'INSERT INTO public.effects (instance, node) VALUES (''{sys_instance_id}'', $won.branch)',
    'SELECT count(*) < 2 FROM public.effects WHERE instance = ''{sys_instance_id}''')";

/// Sends both in one transaction, once, however often the answer is lost.
fn send_both(alice: &Client<'_>, id: &str) {
    alice.rows(&format!(
        "SELECT df.signal('{id}', name, '{{}}', 'once') FROM (VALUES ('add'), ('checkout')) AS s (name)"
    ));
}

/// Each signal was handled by a winner, once.
fn assert_both_count(alice: &Client<'_>, ids: &[String]) {
    for id in ids {
        assert_eq!(alice.end_of(id), "completed", "{}", alice.state());
        let effects =
            format!("SELECT string_agg(node, ',' ORDER BY node) FROM public.effects WHERE instance = '{id}'");
        assert_eq!(alice.value(&effects), "1,2", "{id}");
    }
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn races_of_two_signals_lose_none() {
    let server = cluster::start(cluster::builder(), &["alice"]);
    let alice = Client::new(&server, "alice");
    for durability in ["step", "barrier"] {
        let ids: Vec<String> =
            (0..12).map(|n| alice.start(CART, &format!("{durability}-{n}"), durability)).collect();
        ids.iter().for_each(|id| send_both(&alice, id));
        assert_both_count(&alice, &ids);
    }
}

/// `PG_DURABLE_RACES` and `PG_DURABLE_KILLS` say how many by hand.
#[test]
fn races_of_two_signals_lose_none_under_kills() {
    let races = number_of("PG_DURABLE_RACES", 60);
    let kills = number_of("PG_DURABLE_KILLS", 4);
    let server = cluster::start(cluster::builder(), &["alice"]);
    let (admin, alice) = (Client::new(&server, "postgres"), Client::new(&server, "alice"));
    let mut ids = Vec::new();
    for n in 0..races {
        let id = alice.start(CART, &format!("cart-{n}"), ["step", "barrier"][n as usize % 2]);
        send_both(&alice, &id);
        ids.push(id);
        let (before, after) = (n * kills / races, (n + 1) * kills / races);
        if before < after {
            // Somewhere between the signals' commit and the decisions.
            thread::sleep(Duration::from_micros(n * 7919 % 20_000));
            if after % 3 == 0 {
                server.kill_postmaster().expect("all processes leave with the postmaster");
                server.start_again().expect("the server starts again");
            } else {
                kill_executor(&server, &admin);
            }
        }
    }
    assert_both_count(&alice, &ids);
}

/// Kills one that is at work, if one is.
fn kill_executor(server: &TestServer, admin: &Client<'_>) {
    let busy = "SELECT pid FROM df.workers() WHERE kind = 'executor' AND instance_id IS NOT NULL LIMIT 1";
    if let Ok(pid) = admin.value(busy).parse() {
        // It may have left meanwhile.
        drop(server.kill_backend(pid));
    }
}
