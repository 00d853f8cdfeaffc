mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    if sql!("SELECT 1 = {order.id}").await? {
        fail!("");
    } else if sql!("SELECT 2 = {order.id}").await? {
        fail!("order {}", order.id);
    } else if sql!("SELECT 3 = {order.id}").await? {
        fail!("order $order");
    } else if sql!("SELECT 4 = {order.id}").await? {
        fail!(order.id);
    } else if sql!("SELECT 5 = {order.id}").await? {
        fail!("order").sqlstate("PAY");
    } else if sql!("SELECT 6 = {order.id}").await? {
        fail!("order").sqlstate("00000");
    } else if sql!("SELECT 7 = {order.id}").await? {
        fail!("order").detail(order.id);
    } else if sql!("SELECT 8 = {order.id}").await? {
        fail!("order").hint({ order.id });
    } else if sql!("SELECT 9 = {order.id}").await? {
        fail!("order").returns::<i64>();
    } else if sql!("SELECT 10 = {order.id}").await? {
        fail!("order").sqlstate();
    } else if sql!("SELECT 11 = {order.id}").await? {
        fail!("order {orders}").detail("{orders.*}");
    }
    race!(fail!("at once"), sleep(hours(1))).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
