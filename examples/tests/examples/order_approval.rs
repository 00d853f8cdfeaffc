use std::time::Duration;

use pg_durable_examples::order_approval::{Approval, Receipt, fulfil, place, set_up};

use super::kit::{Kit, run};

/// On hand and held.
async fn stock(kit: &Kit) -> String {
    kit.value("SELECT on_hand, held FROM shop.stock WHERE sku = 'bicycle'").await
}

fn receipt(state: &str, decided_by: Option<&str>) -> Receipt {
    Receipt { state: state.to_owned(), decided_by: decided_by.map(str::to_owned) }
}

#[test]
fn an_order_ships_or_is_declined_as_somebody_says() {
    run(async |kit| {
        set_up(&kit.session).await.unwrap();
        for (approved, state, left) in [(true, "shipped", "8|0"), (false, "declined", "8|0")] {
            let order = place(&kit.session, "bicycle", 2).await.unwrap();
            let id = order.id;
            let run = kit.client.start(fulfil, order).await.unwrap();
            run.until_waiting_for("signal approval").await.unwrap();
            assert!(stock(kit).await.ends_with("|2"), "the goods are held meanwhile");
            run.signal("approval", &Approval { approved, by: "Ada".to_owned() }).await.unwrap();
            assert_eq!(run.result().await.unwrap(), receipt(state, Some("Ada")));
            assert_eq!(stock(kit).await, left);
            assert_eq!(kit.value(&format!("SELECT state FROM shop.orders WHERE id = {id}")).await, state);
        }
    });
}

#[test]
fn an_order_that_nobody_answers_expires_after_a_day() {
    run(async |kit| {
        set_up(&kit.session).await.unwrap();
        let order = place(&kit.session, "bicycle", 2).await.unwrap();
        let run = kit.client.start(fulfil, order).await.unwrap();
        run.until_waiting_for("signal approval").await.unwrap();

        kit.server().advance(Duration::from_secs(23 * 60 * 60)).unwrap();
        run.until_waiting_for("signal approval").await.unwrap();
        assert_eq!(stock(kit).await, "10|2");
        kit.server().advance(Duration::from_secs(60 * 60)).unwrap();
        assert_eq!(run.result().await.unwrap(), receipt("expired", None));
        assert_eq!(stock(kit).await, "10|0");
    });
}

#[test]
fn an_order_of_more_than_there_is_holds_nothing() {
    run(async |kit| {
        set_up(&kit.session).await.unwrap();
        let order = place(&kit.session, "bicycle", 11).await.unwrap();
        let run = kit.client.start(fulfil, order).await.unwrap();
        assert_eq!(run.result().await.unwrap(), receipt("out of stock", None));
        assert_eq!(stock(kit).await, "10|0");
    });
}
