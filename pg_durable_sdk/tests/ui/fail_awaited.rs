mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    if order.express {
        fail!("not today").await?;
    } else if sql!("SELECT {order.id} = 1").await? {
        return fail!("not this one");
    } else if sql!("SELECT {order.id} = 2").await? {
        fail!("nor this one")?;
    }
    fail!("at all").sqlstate("PAY01").await
}

fn main() {}
