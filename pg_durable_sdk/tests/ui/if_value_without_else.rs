mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let n: i64 = if order.express {
        sql!("SELECT 1").await?
    };
    Ok(Receipt { id: order.id })
}

fn main() {}
