mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let first: Approval = race!(
        signal("a"),
        async {
            let answer: Approval = signal("b").await?;
            Ok(answer)
        },
    )
    .await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
