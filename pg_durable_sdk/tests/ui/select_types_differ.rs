mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let text: String = select! {
        go = signal::<i64>("go") => go,
        _ = sleep(hours(1)) => { "late".to_owned() }
    };
    sql!("SELECT {text}").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
