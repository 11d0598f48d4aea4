//! The examples, run as programs.

mod examples;
mod web_server;
