use std::time::Duration;

use pg_durable_examples::nightly::{every_night, report, sell, set_up};

use super::kit::run;

/// The wait for the night.
const THE_WAIT: &str = "FROM df.nodes WHERE node_type = 'WAIT_SCHEDULE' AND status = 'running'";

/// As long as a day may be where clocks are changed.
const DAY: Duration = Duration::from_secs(25 * 60 * 60);

fn regions() -> [String; 4] {
    ["north", "east", "south", "west"].map(str::to_owned)
}

#[test]
fn every_day_and_region_is_reported_once() {
    run(async |kit| {
        set_up(&kit.session).await.unwrap();
        sell(&kit.session, &regions(), 3, 100).await.unwrap();
        for _ in 0..2 {
            report(&regions()).start(&kit.client).await.unwrap().result().await.unwrap();
            let days = "SELECT count(*), sum(sales), sum(cents) FROM nightly.days";
            assert_eq!(kit.value(days).await, "3|1200|60600");
            let regions = "SELECT count(*), min(sales), max(sales), min(cents) FROM nightly.regions";
            assert_eq!(kit.value(regions).await, "12|100|100|5050");
        }
    });
}

#[test]
fn a_night_reports_what_the_nights_before_have_missed() {
    run(async |kit| {
        set_up(&kit.session).await.unwrap();
        let run = every_night(&regions()).start(&kit.client).await.unwrap();
        let another = every_night(&regions()).start(&kit.client).await.unwrap();
        assert_eq!(run.id(), another.id(), "one instance, however many start it");
        run.until_waiting_for("schedule 0 4 * * *").await.unwrap();

        sell(&kit.session, &regions(), 2, 10).await.unwrap();
        assert_eq!(kit.value("SELECT count(*) FROM nightly.days").await, "0");
        kit.server().advance(DAY).unwrap();
        kit.until("SELECT count(*) = 2 FROM nightly.days").await;

        run.until_waiting_for("schedule 0 4 * * *").await.unwrap();
        let earlier = "INSERT INTO nightly.sales VALUES ('north', current_date - 1, 7)";
        kit.session.execute(earlier, &[]).await.unwrap();
        let due = kit.value(&format!("SELECT wake_at {THE_WAIT}")).await;
        kit.server().advance(DAY).unwrap();
        kit.until(&format!("SELECT EXISTS (SELECT {THE_WAIT} AND wake_at > '{due}')")).await;
        assert_eq!(kit.value("SELECT sum(sales) FROM nightly.days").await, "80", "a reported day is closed");
        run.cancel("the test is over").await.unwrap();
    });
}
