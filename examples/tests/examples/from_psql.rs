use pg_durable_examples::database::ROLE;
use pg_durable_examples::from_psql::{SCRIPT, register};

use super::kit::{Kit, run};

/// What the script gives as a role.
fn psql(kit: &Kit, sql: &str) -> Result<String, String> {
    tokio::task::block_in_place(|| kit.server().psql_as(ROLE, "postgres", sql))
        .map_err(|error| error.to_string())
}

#[test]
fn the_workflow_runs_from_psql() {
    run(async |kit| {
        // Services start more than once.
        for _ in 0..2 {
            register(&kit.client, &kit.session).await.unwrap();
        }
        let printed = psql(kit, SCRIPT).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[0], r#"order.fulfil|1|["id", "sku", "qty"]"#);
        assert!(lines.contains(&"completed"), "{printed}");
        assert_eq!(lines.last(), Some(&r#"{"state": "shipped", "decided_by": "Ada"}"#));
        assert_eq!(kit.value("SELECT on_hand, held FROM shop.stock").await, "8|0");
        assert_eq!(kit.value("SELECT state FROM shop.orders").await, "shipped");
    });
}

#[test]
fn an_input_that_does_not_fit_is_refused() {
    run(async |kit| {
        register(&kit.client, &kit.session).await.unwrap();
        for (input, pointer) in [
            (r#"{"id": 1, "sku": "bicycle", "qty": 0}"#, "/qty"),
            (r#"{"id": "one", "sku": "bicycle", "qty": 1}"#, "/id"),
            (r#"{"id": 1, "sku": "bicycle"}"#, "\"qty\""),
        ] {
            let error = psql(kit, &format!("SELECT df.run('order.fulfil', '{input}')")).unwrap_err();
            assert!(error.contains(pointer), "{input}: {error}");
        }
        assert_eq!(kit.value("SELECT count(*) FROM df.instances").await, "0");
    });
}
