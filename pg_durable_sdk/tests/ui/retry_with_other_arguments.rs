mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sql!("SELECT 1").retry().await?;
    sql!("SELECT 1").retry(Retry::new().attempts(order.qty)).await?;
    signal("a").retry(Retry::new()).await?;
    join!(sql!("SELECT 1"), sql!("SELECT 2")).retry(Retry::new()).await?;
    retry!(Retry::new()).await?;
    retry!(Retry::new(), sql!("SELECT 1")).await?;
    retry!(async { sql!("SELECT 1").await }).await?;
    retry!(Retry::new(), async { sql!("SELECT 1").await });
    retry!(Retry::new().on([order.sku]), async { return sql!("SELECT 1").await }).await?;
    let n = retry!(Retry::new(), async { sql!("SELECT 1").await }).await?;
    loop {
        retry!(Retry::new(), async { break }).await?;
    }
}

fn main() {}
