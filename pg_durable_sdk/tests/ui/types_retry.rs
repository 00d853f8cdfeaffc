mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sql!("SELECT {order.id}").retry(5).await?;
    let hold: Hold = retry!(Retry::new(), async { Ok(order.sku) }).await?;
    Ok(Receipt { id: hold.id })
}

fn main() {}
