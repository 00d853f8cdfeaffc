//! Constructs that fail, and that deal with what has failed.

use super::{Construct, Hold, LIMIT, Order, Receipt, construct, new};
use pg_durable_sdk::{Retry, Workflow, fail, on, signal, sql, workflow};
use serde_json::json;
use std::time::Duration;

const ODD: &str = "ODD01";

#[workflow(name = "fail", version = 1)]
async fn fails(order: Order) -> Result<Receipt> {
    let hold: Option<Hold> = sql!("SELECT 3::bigint AS id, 'x' AS sku, NULL::text AS note").await?;
    let Some(hold) = hold else {
        fail!("nothing holds {order.sku}");
    };
    if sql!("SELECT {order.qty} % 2 = 1").await? {
        fail!("{order.qty} is odd").sqlstate(ODD);
    }
    let text: String = if sql!("SELECT {hold.id} = 4").await? {
        sql!("SELECT 'four'").await?
    } else {
        fail!(
            "order {order.id} of {order.customer.name}: is it {hold.note}? {{At most}} {LIMIT}, {hold.sku}."
        )
        .sqlstate("ord01")
        .detail("{order.qty}s, {order.customer.city}|")
        .hint("Enter it anew.")
    };
    Ok(Receipt { id: hold.id, text: Some(text) })
}

fn fails_built() -> Workflow {
    let of_order =
        fail("order $input.id of $input.customer.name: is it $hold.note? ? {At most} 100, $hold.sku.")
            .sqlstate("ORD01")
            .detail("$input.qty s, $input.customer.city? |")
            .hint("Enter it anew.");
    let rest = new()
        .when(sql("SELECT $input.qty % 2 = 1"), fail("$input.qty is odd").sqlstate("ODD01"))
        .branch(sql("SELECT $hold.id = 4"), sql("SELECT 'four'").named("text"), of_order)
        .step(sql("SELECT $hold.id AS id, $text AS text"));
    new().step(sql("SELECT 3::bigint AS id, 'x' AS sku, NULL::text AS note").named("hold")).branch_on_rows(
        "hold",
        rest,
        fail("nothing holds $input.sku"),
    )
}

#[workflow(name = "fail in blocks", version = 1)]
async fn fails_in_blocks() -> Result<i64> {
    let number: i64 = select! {
        number = signal::<i64>("number") => sql!("SELECT {number}::bigint").await?,
        _ = signal("never") => fail!("instance {run.id}"),
    };
    race!(sleep(hours(1)), async {
        let next: i64 = sql!("SELECT {number} + 1").await?;
        fail!("nothing is {next}").sqlstate("BRA01")
    })
    .await?;
    loop {
        sql!("SELECT {number}").await?;
        fail!("not even once");
    }
}

fn fails_in_blocks_built() -> Workflow {
    let first = new().select([
        on(signal("number"), sql("SELECT $selected.result.data::bigint").named("number")),
        on(signal("never"), fail("instance {sys_instance_id}")),
    ]);
    let second =
        new().step(sql("SELECT $number + 1").named("next")).step(fail("nothing is $next").sqlstate("BRA01"));
    first
        .race((new().sleep(Duration::from_secs(3600)), second))
        .repeat(new().step(sql("SELECT $number")).step(fail("not even once")))
}

fn often() -> Retry {
    Retry::new().attempts(4).every(Duration::from_millis(1)).on(["22012"])
}

/// The numbers that come out of the sequence stay out of it when a step fails.
const THIRD: [&str; 2] = ["CREATE SEQUENCE third", "DROP SEQUENCE third"];

#[workflow(name = "retry of steps", version = 1)]
async fn retries_steps(order: Order) -> Result<Receipt> {
    sql!("CREATE SEQUENCE third").await?;
    sql!("SELECT 1").retry(Retry::new()).await?;
    let hold: Hold =
        sql!("SELECT 6 / (nextval('third') = 3)::int AS id, 'x' AS sku, {order.note}::text AS note")
            .retry(often())
            .await?;
    let n = sql!("SELECT 4 + {hold.id}")
        .returns::<i64>()
        .retry(Retry::new().backoff(seconds(1), 1.5, minutes(2)).within(hours(1)).except(["40*", "53200"]))
        .await?;
    if sql!("SELECT {n} = 10").retry(Retry::new().unlimited().without_jitter()).await? {
        sql!("DROP SEQUENCE third").await?;
    }
    let (sku, _): (String, i64) =
        join!(sql!("SELECT {hold.sku}").retry(often()), sql!("SELECT 1").retry(often())).await?;
    let text: Option<String> =
        if order.express { sql!("SELECT {sku} || {n}").retry(often()).await? } else { None };
    Ok(Receipt { id: n, text })
}

fn retries_steps_built() -> Workflow {
    let minute = Duration::from_secs(60);
    let backoff = Retry::new()
        .backoff(Duration::from_secs(1), 1.5, 2 * minute)
        .within(60 * minute)
        .except(["40*", "53200"]);
    let hold = "SELECT 6 / (nextval('third') = 3)::int AS id, 'x' AS sku, $input.note?::text AS note";
    new()
        .step(sql(THIRD[0]))
        .step(sql("SELECT 1").retry(Retry::new()))
        .step(sql(hold).named("hold").retry(often()))
        .step(sql("SELECT 4 + $hold.id").named("n").retry(backoff))
        .when(sql("SELECT $n = 10").retry(Retry::new().unlimited().without_jitter()), sql(THIRD[1]))
        .fan_out((sql("SELECT $hold.sku").named("sku").retry(often()), sql("SELECT 1").retry(often())))
        .branch(
            sql("SELECT $input.express::boolean"),
            sql("SELECT $sku || $n").named("text").retry(often()),
            sql("SELECT NULL AS value WHERE false").named("text"),
        )
        .step(sql("SELECT $n AS id, $text? AS text"))
}

#[workflow(name = "retry of blocks", version = 1)]
async fn retries_blocks(order: Order) -> Result<Receipt> {
    sql!("CREATE SEQUENCE third").await?;
    let hold: Hold = retry!(Retry::new().attempts(4).every(millis(1)).on(["22012"]), async {
        let id: i64 = sql!("SELECT nextval('third')").await?;
        sql!("SELECT 1 / ({id} / 3)").await?;
        Ok(Hold { id, sku: order.sku, note: None })
    })
    .await?;
    retry!(often(), async { sql!("SELECT {hold.id}").await }).await?;
    let n: i64 = loop {
        break retry!(often(), async {
            sql!("DROP SEQUENCE third").await?;
            sql!("SELECT {hold.id} + 1").await
        })
        .await?;
    };
    retry!(often(), async {
        sql!("SELECT {hold.sku}").await?;
        Ok(Receipt { id: n, text: hold.note })
    })
    .await
}

fn retries_blocks_built() -> Workflow {
    let hold = new()
        .step(sql("SELECT nextval('third')").named("id"))
        .step(sql("SELECT 1 / ($id / 3)"))
        .step(sql("SELECT $id AS id, $input.sku::text AS sku, NULL AS note").named("hold"));
    let last = new().step(sql("SELECT $hold.sku")).step(sql("SELECT $n AS id, $hold.note? AS text"));
    new()
        .step(sql(THIRD[0]))
        .step(hold.retry(often()))
        .step(sql("SELECT $hold.id").retry(often()))
        .repeat(
            new()
                .step(new().step(sql(THIRD[1])).step(sql("SELECT $hold.id + 1").named("n")).retry(often()))
                .break_loop(),
        )
        .step(last.retry(often()))
}

pub fn constructs() -> Vec<Construct> {
    vec![
        construct("retry_of_steps", retries_steps, retries_steps_built())
            .gives(json!([{"id": 10, "text": "x10"}])),
        construct("retry_of_blocks", retries_blocks, retries_blocks_built())
            .gives(json!([{"id": 4, "text": null}])),
        construct("fail", fails, fails_built()).fails([
            Some("ORD01"),
            Some("order 7 of O'Neil: is it NULL ? {At most} 100, x."),
            Some("2 s, NULL |"),
            Some("Enter it anew."),
        ]),
        construct("fail_in_blocks", fails_in_blocks, fails_in_blocks_built())
            .signal("number", json!(4))
            .fails([Some("BRA01"), Some("nothing is 5"), None, None]),
    ]
}
