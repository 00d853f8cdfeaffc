//! Constructs that fail, and that deal with what has failed.

use super::{Construct, Hold, LIMIT, Order, Receipt, construct, new, nothing};
use pg_durable_sdk::{Retry, Step, Workflow, fail, on, signal, sql, workflow};
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

#[workflow(name = "catch", version = 1)]
async fn catches(order: Order) -> Result<Receipt> {
    let hold: Hold = match sql!("SELECT 1 / ({order.qty} - 2) AS id, 'x' AS sku, NULL::text AS note").await {
        Ok(hold) => hold,
        Err(error) => {
            let code: String = sql!("SELECT {error.sqlstate} || ' ' || {error.attempt}").await?;
            Hold { id: order.id, sku: code, note: error.detail }
        }
    };
    let text: String = match async {
        let n: i64 = sql!("SELECT {hold.id} + 1").await?;
        if sql!("SELECT {n} = 8").await? {
            fail!("{n} is not wanted").sqlstate("EIGHT").detail("of {hold.sku}").hint("Try 9.");
        }
        sql!("SELECT 'well'").await
    }
    .await
    {
        Err(hold) => {
            sql!("SELECT concat_ws('|', {hold.sqlstate}, {hold.message}, {hold.detail}, {hold.hint}, {hold.context}, \
                 {hold.node}, {hold.node_type}, {hold.suppressed})")
            .await?
        }
        Ok(text) => text,
    };
    let code: i64 = match sql!("SELECT {hold.id}").await {
        Ok(code) => code,
        Err(error) => fail!("after {text}: {error.message}"),
    };
    match async {
        sql!("SELECT {code}").await?;
        sql!("SELECT 1 / 0").await
    }
    .await
    {
        Ok(_) => {}
        Err(_) => {}
    }
    Ok(Receipt { id: code, text: Some(text) })
}

/// Gives the failures of `body` to `handler` under a name of its own, of which the builder has but one.
fn catch_as(error: &str, body: Workflow, handler: Workflow) -> Workflow {
    new().step(pg_durable_sdk::__private::catch(body.into(), handler.into(), error))
}

fn catches_built() -> Workflow {
    let hold = new()
        .step(sql("SELECT 1 / ($input.qty - 2) AS id, 'x' AS sku, NULL::text AS note").named("hold"))
        .catch(new().step(sql("SELECT $error.sqlstate || ' ' || $error.attempt").named("code")).step(
            sql("SELECT $input.id::bigint AS id, $code AS sku, $error.detail?::text AS note").named("hold"),
        ));
    let refused = fail("$n is not wanted").sqlstate("EIGHT").detail("of $hold.sku").hint("Try 9.");
    let text = new()
        .step(sql("SELECT $hold.id + 1").named("n"))
        .when(sql("SELECT $n = 8"), refused)
        .step(sql("SELECT 'well'").named("text"));
    let said = "SELECT concat_ws('|', $hold_2.sqlstate, $hold_2.message, $hold_2.detail?, $hold_2.hint?, $hold_2.context?, \
                $hold_2.node, $hold_2.node_type, $hold_2.suppressed)";
    let code = new().step(sql("SELECT $hold.id").named("code_2"));
    new()
        .step(hold)
        .step(catch_as("hold_2", text, new().step(sql(said).named("text"))))
        .step(catch_as("error_2", code, new().step(fail("after $text: $error_2.message"))))
        .step(catch_as("error_3", new().step(sql("SELECT $code_2")).step(sql("SELECT 1 / 0")), nothing()))
        .step(sql("SELECT $code_2 AS id, $text AS text"))
}

#[workflow(name = "catch at the end", version = 1)]
async fn catches_at_last(order: Order) -> Result<Receipt> {
    match retry!(often(), async {
        let n: i64 = sql!("SELECT 1 / ({order.id} - 7)").await?;
        Ok(Receipt { id: n, text: None })
    })
    .await
    {
        Ok(receipt) => Ok(receipt),
        Err(error) => {
            if sql!("SELECT {error.sqlstate} = '22012'").await? {
                return Ok(Receipt { id: 0, text: Some(error.message) });
            }
            sql!("SELECT 1::bigint AS id, {error.message} AS text").await
        }
    }
}

fn catches_at_last_built() -> Workflow {
    let tried = new()
        .step(sql("SELECT 1 / ($input.id - 7)").named("n"))
        .step(sql("SELECT $n AS id, NULL AS text"))
        .retry(often());
    tried.catch(new().branch(
        sql("SELECT $error.sqlstate = '22012'"),
        sql("SELECT 0 AS id, $error.message::text AS text"),
        sql("SELECT 1::bigint AS id, $error.message AS text"),
    ))
}

#[workflow(name = "catch in a loop", version = 1)]
async fn catches_in_loop() -> Result<i64> {
    let n: i64 = loop {
        let turn: i64 = signal("number").await?;
        match async {
            sql!("SELECT 6 / ({turn}::int - 3)").await?;
            sql!("SELECT 6 / ({turn}::int - 1)").await?;
            Ok(())
        }
        .await
        {
            Ok(()) => {}
            Err(error) => {
                if sql!("SELECT {turn} = 3 AND {error.sqlstate} = '22012'").await? {
                    break turn;
                }
                continue;
            }
        }
    };
    Ok(n)
}

fn catches_in_loop_built() -> Workflow {
    let tried = new()
        .step(sql("SELECT 6 / ($turn.data::int - 3)"))
        .step(sql("SELECT 6 / ($turn.data::int - 1)"))
        .catch(new().when(
            sql("SELECT $turn.data = 3 AND $error.sqlstate = '22012'"),
            new().step(sql("SELECT $turn.data::bigint AS value").named("n")).break_loop(),
        ));
    new()
        .repeat(new().wait_for_signal(signal("number").named("turn")).step(tried))
        .step(sql("SELECT $n AS value"))
}

#[workflow(name = "catch that continues", version = 1)]
async fn catches_and_continues() -> Result<String> {
    let said: String = loop {
        let turn: i64 = signal("number").await?;
        let share: i64 = match sql!("SELECT 6 / ({turn}::int - 3)").await {
            Ok(share) => share,
            Err(error) => {
                if let Some(detail) = error.detail {
                    sql!("SELECT {detail}").await?;
                }
                continue;
            }
        };
        if sql!("SELECT {share} = 6").await? {
            break sql!("SELECT {turn} || ' of ' || {share}").await?;
        }
    };
    Ok(said)
}

fn catches_and_continues_built() -> Workflow {
    let share = told("share", "error", new().step(sql("SELECT 6 / ($turn.data::int - 3)").named("share")));
    let leave = new().step(sql("SELECT $turn.data || ' of ' || $share").named("said")).break_loop();
    let detail = "$share.caught_error.detail";
    let body = new().wait_for_signal(signal("number").named("turn")).step(share).branch(
        went_well("share"),
        new().when(sql("SELECT $share = 6"), leave),
        new().when(sql(format!("SELECT {detail}?::text IS NOT NULL")), sql(format!("SELECT {detail}"))),
    );
    new().repeat(body).step(sql("SELECT $said AS value"))
}

#[workflow(name = "catch that returns", version = 1)]
async fn catches_and_returns(order: Order) -> Result<Receipt> {
    let hold: Hold = match async {
        let hold: Hold = sql!("SELECT 5::bigint AS id, 'x' AS sku, NULL::text AS note").await?;
        Ok(hold)
    }
    .await
    {
        Ok(hold) => hold,
        Err(error) => return Ok(Receipt { id: 0, text: Some(error.message) }),
    };
    match sql!("SELECT 1 / ({order.qty} - 2)").await {
        Ok(_) => {
            sql!("SELECT 'not reached'").await?;
        }
        Err(error) => {
            sql!("SELECT {error.sqlstate}, {hold.note}::text").await?;
            return Ok(Receipt { id: hold.id, text: Some(error.message) });
        }
    }
    sql!("SELECT {hold.sku}").await?;
    Ok(Receipt { id: 1, text: None })
}

/// A body that binds a name at its end, and a handler that binds it to the failure.
fn told(name: &str, error: &str, body: Workflow) -> Workflow {
    catch_as(error, body, new().step(sql(format!("SELECT ${error} AS caught_error")).named(name)))
}

/// Whether there was none.
fn went_well(name: &str) -> Step {
    sql(format!("SELECT ${name}.caught_error? IS NULL"))
}

fn no_error(name: &str) -> Step {
    sql("SELECT NULL AS caught_error").named(name)
}

fn catches_and_returns_built() -> Workflow {
    let hold = new()
        .step(sql("SELECT 5::bigint AS id, 'x' AS sku, NULL::text AS note").named("hold_2"))
        .step(sql("SELECT * FROM $hold_2.* LIMIT 1").named("hold"));
    let divided = new().step(sql("SELECT 1 / ($input.qty - 2)")).step(no_error("caught"));
    let rest = told("caught", "error_2", divided).branch(
        went_well("caught"),
        new()
            .step(sql("SELECT 'not reached'"))
            .step(sql("SELECT $hold.sku"))
            .step(sql("SELECT 1 AS id, NULL AS text")),
        new()
            .step(sql("SELECT $caught.caught_error.sqlstate, $hold.note?::text"))
            .step(sql("SELECT $hold.id AS id, $caught.caught_error.message::text AS text")),
    );
    let otherwise = sql("SELECT 0 AS id, $hold.caught_error.message::text AS text");
    told("hold", "error", hold).branch(went_well("hold"), rest, otherwise)
}

#[workflow(name = "catch with steps behind it", version = 1)]
async fn catches_and_goes_on(order: Order) -> Result<Receipt> {
    let id: i64 = match sql!("SELECT 1 / ({order.qty} - 1)").returns::<i64>().await {
        // What fails here is caught by the one around it only.
        Ok(n) => match sql!("SELECT {n} / 0").await {
            Ok(_) => sql!("SELECT 0::bigint").await?,
            Err(error) => sql!("SELECT {n} + 1 + {error.attempt}::bigint").await?,
        },
        Err(_) => sql!("SELECT 100::bigint").await?,
    };
    match async {
        sql!("SELECT {id}").await?;
        Ok(())
    }
    .await
    {
        Ok(()) => Ok(Receipt { id, text: order.note }),
        Err(error) => Ok(Receipt { id: 0, text: error.hint }),
    }
}

fn catches_and_goes_on_built() -> Workflow {
    let divided = new().step(sql("SELECT $n / 0")).step(no_error("caught"));
    let inner = told("caught", "error_2", divided).branch(
        went_well("caught"),
        sql("SELECT 0::bigint").named("id"),
        sql("SELECT $n + 1 + $caught.caught_error.attempt::bigint").named("id"),
    );
    told("n", "error", new().step(sql("SELECT 1 / ($input.qty - 1)").named("n")))
        .branch(went_well("n"), inner, sql("SELECT 100::bigint").named("id"))
        .step(told("caught_2", "error_3", new().step(sql("SELECT $id")).step(no_error("caught_2"))))
        .branch(
            went_well("caught_2"),
            sql("SELECT $id AS id, $input.note?::text AS text"),
            sql("SELECT 0 AS id, $caught_2.caught_error.hint?::text AS text"),
        )
}

pub fn constructs() -> Vec<Construct> {
    vec![
        construct("catch", catches, catches_built()).gives(json!([{
            "id": 7, "text": "EIGHT|8 is not wanted|of 22012 1|Try 9.|0000000f|FAIL|[]",
        }])),
        construct("catch_at_last", catches_at_last, catches_at_last_built())
            .gives(json!([{"id": 0, "text": "division by zero"}])),
        construct("catch_in_loop", catches_in_loop, catches_in_loop_built())
            .signal("number", json!(2))
            .signal("number", json!(1))
            .signal("number", json!(3))
            .gives(json!([{"value": 3}])),
        construct("catch_and_continue", catches_and_continues, catches_and_continues_built())
            .signal("number", json!(3))
            .signal("number", json!(5))
            .signal("number", json!(3))
            .signal("number", json!(4))
            .gives(json!([{"value": "4 of 6"}])),
        construct("catch_and_return", catches_and_returns, catches_and_returns_built())
            .gives(json!([{"id": 5, "text": "division by zero"}])),
        construct("catch_and_go_on", catches_and_goes_on, catches_and_goes_on_built())
            .gives(json!([{"id": 3, "text": null}])),
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
