#![deny(unused_variables)]

mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let hold: Hold = sql!("SELECT 1 AS id").await?;
    let used: i64 = sql!("SELECT 1").await?;
    let (left, right): (i64, i64) = join!(sql!("SELECT {used}"), sql!("SELECT 2")).await?;
    let _kept: i64 = sql!("SELECT 1").await?;
    let last: Option<i64> = sql!("SELECT {left}").await?;
    if let Some(last) = last {
        sql!("SELECT 1").await?;
    }
    let n: i64 = if sql!("SELECT true").await? { used } else { left };
    let n: i64 = sql!("SELECT {n}").await?;
    Ok(Receipt { id: order.id })
}

#[allow(unused_variables)]
#[workflow(name = "order.quiet", version = 1)]
async fn quiet() -> Result<()> {
    let hold: Hold = sql!("SELECT 1 AS id").await?;
    Ok(())
}

fn main() {}
