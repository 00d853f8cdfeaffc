mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sql!("SELECT 1").in_time_zone("Europe/Berlin").await?;
    signal("a").in_time_zone("Europe/Berlin").await?;
    schedule("@daily").returns::<i64>().await?;
    schedule("@daily").timeout(hours(1)).await?;
    sleep(hours(1)).returns::<i64>().await?;
    join!(sql!("SELECT 1"), sql!("SELECT 2")).returns::<i64>().await?;
    race!(sql!("SELECT 1"), sql!("SELECT 2")).named("first").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
