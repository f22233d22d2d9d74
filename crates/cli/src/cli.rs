//! The tree of commands, noun first as in the API: `session_launch` is `berth session launch`.

use std::any::TypeId;

use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::{
    commands::{
        accounts, applications, auth, events, fleet, ledger, nodes, operations, roles, sessions, settings, sites,
    },
    context::{Context, Global},
    failure::EXIT_CODES,
    output,
    parse::{Limit, Span},
    server_commands::{self, ServerCommand},
};

/// Berth hands out computers: desktops, servers and GPU sessions on the machines a site already has.
#[derive(Parser)]
#[command(name = "berth", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Server(ServerCommand),
    /// Log in to a server, or look after logins
    Login(auth::LoginArgs),
    /// End this login, here and on the server
    Logout,
    /// Who is logged in, and what is left of the quota
    Whoami,
    /// Change your password
    Password(auth::PasswordArgs),
    /// Your own account
    #[command(subcommand)]
    Profile(auth::ProfileCommand),
    /// API tokens for programs
    #[command(subcommand)]
    Token(auth::TokenCommand),
    /// Tenants: the organisations that share this installation
    #[command(subcommand)]
    Tenant(accounts::TenantCommand),
    /// Users
    #[command(subcommand)]
    User(accounts::UserCommand),
    /// What can be permitted
    #[command(subcommand)]
    Permission(roles::PermissionCommand),
    /// What each role may do
    #[command(subcommand)]
    RolePermission(roles::RolePermissionCommand),
    /// Sites
    #[command(subcommand)]
    EdgeDataCenter(sites::EdgeDataCenterCommand),
    /// Groups of nodes with a scheduling policy
    #[command(subcommand)]
    ResourcePool(sites::ResourcePoolCommand),
    /// The whole installation at a glance
    Fleet,
    /// Machines
    #[command(subcommand)]
    Node(nodes::NodeCommand),
    /// Networks between nodes
    #[command(subcommand)]
    NetworkTopology(sites::NetworkTopologyCommand),
    /// The catalogue of what a session can run
    #[command(subcommand)]
    Application(applications::ApplicationCommand),
    /// Sessions: bounded runs of an application
    #[command(subcommand)]
    Session(sessions::SessionCommand),
    /// The ledger: who holds how much of which node
    #[command(subcommand)]
    Allocation(ledger::AllocationCommand),
    /// What sessions consumed, by the hour
    #[command(subcommand)]
    Usage(ledger::UsageCommand),
    /// Long actions and how far they are
    #[command(subcommand)]
    Operation(operations::OperationCommand),
    /// What happened, and what is happening
    #[command(subcommand)]
    Event(events::EventCommand),
    /// Who changed what
    #[command(subcommand)]
    Audit(events::AuditCommand),
    /// Settings of the installation
    #[command(subcommand)]
    Setting(settings::SettingCommand),
    /// Values that only containers ever see
    #[command(subcommand)]
    Secret(settings::SecretCommand),
    /// Print a script that completes commands in your shell
    Completion { shell: Shell },
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Cli {
    /// What this process was called with; ends it where that makes no sense.
    pub fn of_process() -> Self {
        let mut command = numbers_with_a_sign(Self::command());
        let parsed = Self::from_arg_matches_mut(&mut command.get_matches_mut());
        parsed.unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// Lets `-3` through to the option whose value it is, which says what it takes; else it would be an unknown option.
fn numbers_with_a_sign(command: clap::Command) -> clap::Command {
    let numbers = [
        TypeId::of::<f64>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<Span>(),
        TypeId::of::<Limit>(),
    ];
    let let_through = |arg: Arg| {
        if !numbers.iter().any(|number| arg.get_value_parser().type_id() == *number) {
            arg
        } else if arg.is_positional() {
            // An option may follow instead.
            arg.allow_negative_numbers(true)
        } else {
            arg.allow_hyphen_values(true)
        }
    };
    command.mut_args(let_through).mut_subcommands(numbers_with_a_sign)
}

/// Runs a command; returns the exit code.
pub async fn run(cli: Cli) -> anyhow::Result<i32> {
    let global = &cli.global;
    let connect = || Context::connect(global);
    match cli.command {
        Command::Server(command) => return server_commands::run(command).await,
        Command::Completion { shell } => completion(shell)?,
        Command::Login(args) => auth::login(global, args).await?,
        Command::Logout => auth::logout(global).await?,
        Command::Whoami => auth::whoami(&connect()?).await?,
        Command::Password(args) => auth::password(&connect()?, args).await?,
        Command::Profile(command) => auth::profile(&connect()?, command).await?,
        Command::Token(command) => auth::token(&connect()?, command).await?,
        Command::Tenant(command) => accounts::tenant(&connect()?, command).await?,
        Command::User(command) => accounts::user(&connect()?, command).await?,
        Command::Permission(command) => roles::permission(&connect()?, command).await?,
        Command::RolePermission(command) => roles::role_permission(&connect()?, command).await?,
        Command::EdgeDataCenter(command) => sites::edge_data_center(&connect()?, command).await?,
        Command::ResourcePool(command) => sites::resource_pool(&connect()?, command).await?,
        Command::Fleet => fleet::fleet(&connect()?).await?,
        Command::Node(command) => nodes::node(&connect()?, command).await?,
        Command::NetworkTopology(command) => sites::network_topology(&connect()?, command).await?,
        Command::Application(command) => applications::application(&connect()?, command).await?,
        Command::Session(command) => return sessions::session(&connect()?, command).await,
        Command::Allocation(command) => ledger::allocation(&connect()?, command).await?,
        Command::Usage(command) => ledger::usage(&connect()?, command).await?,
        Command::Operation(command) => operations::operation(&connect()?, command).await?,
        Command::Event(command) => events::event(&connect()?, command).await?,
        Command::Audit(command) => events::audit(&connect()?, command).await?,
        Command::Setting(command) => settings::setting(&connect()?, command).await?,
        Command::Secret(command) => settings::secret(&connect()?, command).await?,
    }
    Ok(0)
}

fn completion(shell: Shell) -> anyhow::Result<()> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "berth", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The help of every command in one text, so that a change of the interface shows in review.
    fn help(command: &mut clap::Command, path: &str, text: &mut String) {
        text.push_str(&format!("\n### {path}\n\n"));
        let own = command.render_help().to_string();
        // The options of every command are shown once, at the root.
        let own = if path == "berth" { &own } else { own.split("\nEverywhere:").next().unwrap_or_default() };
        text.push_str(own);
        for child in command.get_subcommands_mut().filter(|child| child.get_name() != "help") {
            help(child, &format!("{path} {}", child.get_name()), text);
        }
    }

    #[test]
    fn help_tree() {
        let mut command = Cli::command().term_width(110).version("0");
        command.build();
        let mut text = String::new();
        help(&mut command, "berth", &mut text);
        insta::with_settings!({snapshot_path => "../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!("help", text);
        });
    }

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn whatever_destroys_can_be_confirmed_beforehand() {
        fn walk(command: &clap::Command, found: &mut Vec<String>) {
            if matches!(command.get_name(), "delete" | "decommission") {
                let yes = command.get_arguments().any(|argument| argument.get_long() == Some("yes"));
                assert!(yes, "{} has no --yes", command.get_display_name().unwrap_or_default());
                found.push(command.get_display_name().unwrap_or_default().to_owned());
            }
            let children = command.get_subcommands().filter(|child| child.get_name() != "help");
            children.for_each(|child| walk(child, found));
        }
        let mut command = Cli::command();
        command.build();
        let mut found = Vec::new();
        walk(&command, &mut found);
        for needed in ["berth-node-delete", "berth-node-decommission", "berth-user-delete", "berth-tenant-delete"] {
            assert!(found.iter().any(|name| name == needed), "{needed} not among {found:?}");
        }
    }
}
