mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let a: Option<Approval> = signal("a").timeout().await?;
    let b: Option<Approval> = signal("b").timeout(5).await?;
    let c = sql!("SELECT 1").returns().await?;
    let d = signal("d").returns::<i64>(1).await?;
    schedule("@daily").in_time_zone().await?;
    schedule("@daily").in_time_zone(1).await?;
    schedule("0 25 * * *").in_time_zone(1).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
