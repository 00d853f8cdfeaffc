#![deny(unreachable_code)]

mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    if order.express {
        fail!("not today");
        sql!("SELECT {order.id}").await?;
    }
    loop {
        break;
        sleep(hours(1)).await?;
    }
    let hold: Hold = sql!("SELECT 1 AS id").await?;
    Ok(Receipt { id: hold.id })
}

#[workflow(name = "order.refuse", version = 1)]
async fn refuse(order: Order) -> Result<Receipt> {
    fail!("never").hint("x");
    let hold: Hold = sql!("SELECT 1 AS id").await?;
    Ok(Receipt { id: hold.id })
}

fn main() {}
