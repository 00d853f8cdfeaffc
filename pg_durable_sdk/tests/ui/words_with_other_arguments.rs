mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let a: Approval = signal("").await?;
    let b: Approval = signal(1).await?;
    schedule(1).await?;
    schedule("@daily", "@hourly").await?;
    sleep().await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
