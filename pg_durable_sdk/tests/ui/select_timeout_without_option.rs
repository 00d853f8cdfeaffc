mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    select! {
        go: i64 = signal("go").timeout(hours(2)) => { sql!("SELECT {go}").await?; }
        _ = sleep(hours(1)) => {}
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
