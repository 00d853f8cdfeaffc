//! Constructs that fail, and that deal with what has failed.

use super::{Construct, Hold, LIMIT, Order, Receipt, construct, new};
use pg_durable_sdk::{Workflow, fail, on, signal, sql, workflow};
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

pub fn constructs() -> Vec<Construct> {
    vec![
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
