//! Every example on a real server, and what docs/examples.md says of it.

mod examples {
    mod drawings;
    mod from_psql;
    mod ingest;
    mod kit;
    mod maintenance;
    mod nightly;
    mod order_approval;
    mod page;
    mod programs;
    mod service;
}
