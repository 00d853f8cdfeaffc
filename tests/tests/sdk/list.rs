//! Listing instances.

use std::collections::BTreeSet;

use pg_durable_sdk::{Cursor, ListError, Status, Workflow, sql};

use super::kit::run;

#[test]
fn a_list_is_read_page_by_page_or_as_a_stream() {
    run("sdk_list", async |client, session| {
        session.run("SELECT df.start('SELECT ' || n, 'some') FROM generate_series(1, 25) AS n");
        session.run("SELECT df.start('SELECT 1/0', 'other')");
        session.until("SELECT count(*) = 0 FROM df.instances WHERE status IN ('pending', 'running')");

        let list = client.list().label("some").page_size(10);
        let first = list.page().await.expect("it is right");
        assert_eq!(first.instances.len(), 10);
        assert!(first.instances.iter().all(|instance| instance.label.as_deref() == Some("some")));
        let cursor = first.next.clone().expect("there are more");
        let second = list.clone().after(cursor).page().await.expect("it is right");
        let last =
            list.clone().after(second.next.expect("there are more")).page().await.expect("it is right");
        assert_eq!((last.instances.len(), last.next), (5, None));

        let (mut ids, mut sum) = (BTreeSet::new(), 0);
        let mut stream = list.stream();
        while let Some(instance) = stream.next().await {
            let instance = instance.expect("it is right");
            assert_eq!((instance.status, &instance.error), (Status::Completed, &None));
            assert!(instance.completed_at.is_some_and(|end| end >= instance.created_at));
            sum += instance.output.expect("it completed").one::<i64>().expect("a number");
            ids.insert(instance.id);
        }
        assert_eq!((ids.len(), sum), (25, 325));

        let failed = client.list().status(Status::Failed).page().await.expect("it is right").instances;
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].label.as_deref(), &failed[0].output), (Some("other"), &None));
        assert!(failed[0].error.as_deref().is_some_and(|error| error.contains("division by zero")));

        // Somebody else's instances are nobody's.
        let none = client.list().label("none").stream().next().await;
        assert!(none.is_none());
    });
}

#[test]
fn a_large_result_is_not_in_the_list() {
    run("sdk_list_large", async |client, session| {
        session.run(
            "SELECT df.start($$SELECT string_agg(md5(g::text), '') AS t FROM generate_series(1, 1000) AS g$$)",
        );
        session.until("SELECT count(*) = 1 FROM df.instances WHERE status = 'completed'");
        let page = client.list().page().await.expect("it is right");
        let [large] = &page.instances[..] else { panic!("one instance: {page:?}") };
        assert_eq!((large.status, &large.output, &large.error), (Status::Completed, &None, &None));
        assert!(large.output_bytes.is_some_and(|bytes| bytes > 8192), "{large:?}");
        let text: String =
            client.run(large.id.clone()).result().await.expect("it has one").one().expect("a text");
        assert_eq!(text.len(), 32_000);
    });
}

#[test]
fn a_cursor_of_ones_own_and_a_page_too_large_are_refused() {
    run("sdk_list_refused", async |client, _session| {
        let error = client.list().after("made up").page().await.expect_err("it is no cursor");
        assert!(matches!(error, ListError::Cursor), "{error}");
        let error = client.list().page_size(1_000_000).page().await.expect_err("it is too large");
        assert_eq!(error.sqlstate(), Some("54000"));
        // A stream ends after its error.
        let mut stream = client.list().after(Cursor::from("made up")).stream();
        assert!(matches!(stream.next().await, Some(Err(ListError::Cursor))));
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn an_instance_is_found_by_its_key() {
    run("sdk_find", async |client, _session| {
        let workflow = Workflow::new().step(sql("SELECT 1")).idempotency_key("mine");
        assert!(client.find("mine").await.expect("it is asked").is_none());
        let started = workflow.start(&client).await.expect("it starts");
        let found = client.find("mine").await.expect("it is asked").expect("it is there");
        assert_eq!(found.id(), started.id());
    });
}
