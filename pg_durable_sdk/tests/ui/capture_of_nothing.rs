mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let pause: () = sleep(hours(1)).await?;
    sql!("SELECT {pause}").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
