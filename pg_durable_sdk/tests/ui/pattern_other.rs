mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    if let Ok(n) = order.note {
        sql!("SELECT {n}").await?;
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
