//! The binary `berth`: the server's commands, and a client of the HTTP API for everything else.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cli;
mod commands;
mod context;
mod credentials;
mod failure;
mod forward;
mod names;
mod output;
mod parse;
mod server_commands;
mod terminal;
mod transfer;

fn main() {
    let cli = cli::Cli::of_process();
    let (format, server) = (cli.global.output, cli.global.server.clone());
    let ended = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(cli::run(cli)),
        Err(error) => Err(error.into()),
    };
    let code = match ended {
        Ok(code) => code,
        Err(error) if failure::is_broken_pipe(&error) => 0,
        Err(error) => {
            failure::report(&error, format, server.as_deref());
            failure::exit_code(&error) as i32
        }
    };
    // Not by returning: a thread may still be reading stdin, and that cannot be cancelled.
    std::process::exit(code);
}
