mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    if order.express {
        if sql!("SELECT true").await? {
            return Ok(Receipt { id: 1 });
        }
        sql!("SELECT 1").await?;
    }
    sql!("SELECT 2").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
