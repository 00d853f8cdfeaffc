//! The SDK against a real server.

mod sdk {
    mod check;
    mod connections;
    mod definitions;
    mod kit;
    mod list;
    mod loss;
    mod pgbouncer;
    mod pooler;
    mod proxy;
    mod roles;
    mod runs;
    mod tls;
    mod transactions;
    mod typed;
    mod types;
    mod waiting;
    mod watch;
}
