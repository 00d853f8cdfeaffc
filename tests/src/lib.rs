//! What the integration tests share: a server for each test program, sessions, and SQL behaviour as data.

pub mod script;
pub mod server;
pub mod session;
