mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let id: i64 = sql!("SELECT 1").await?;
    if sql!("SELECT {id} > 0").await? {
        return Ok(select! { _ = signal("go") => {} _ = sleep(hours(1)) => {} });
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
