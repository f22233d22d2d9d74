//! A harness that starts the real `berth` binary on the real engines and talks to it as its users do. It also knows how
//! to kill it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use berth_client::{Client, Tokens};
use berth_types::{
    UserId,
    identity::{LoginKind, LoginRequest, PasswordChange, Role, UserCreate},
};

/// Password of every user that the harness makes.
pub const PASSWORD: &str = "correct horse battery";

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Socket of a Docker Engine; none: no containers on this machine.
    pub docker: Option<String>,
    pub sim_nodes: u32,
    pub database_url: Option<String>,
    /// Further `BERTH_…` variables.
    pub variables: Vec<(String, String)>,
    /// Listen on all addresses, to prove that sessions cannot reach it all the same.
    pub everywhere: bool,
    /// Put the data directory on a file system of its own with so many MiB; needs root.
    pub disk_mib: Option<u32>,
    /// Built with optimisation.
    pub release: bool,
}

/// The socket of the Docker Engine under test. `None` only when `BERTH_SKIP_DOCKER` says so.
pub fn docker() -> Option<String> {
    if std::env::var_os("BERTH_SKIP_DOCKER").is_some() {
        eprintln!("skipped: BERTH_SKIP_DOCKER is set");
        return None;
    }
    let socket = std::env::var("BERTH_TEST_DOCKER").or_else(|_| std::env::var("DOCKER_HOST"));
    Some(socket.unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned()))
}

/// A PostgreSQL database of its own for one test; dropped with it. `None` only when `BERTH_SKIP_POSTGRES` says so.
pub fn postgres() -> Result<Option<Database>> {
    if std::env::var_os("BERTH_SKIP_POSTGRES").is_some() {
        eprintln!("skipped: BERTH_SKIP_POSTGRES is set");
        return Ok(None);
    }
    let server = std::env::var("BERTH_TEST_POSTGRES_URL").context("BERTH_TEST_POSTGRES_URL names no PostgreSQL")?;
    let name = format!("berth_story_{}", uuid::Uuid::now_v7().simple());
    psql(&server, &format!("CREATE DATABASE {name}"))?;
    let (base, _) = server.rsplit_once('/').context("BERTH_TEST_POSTGRES_URL must end with a database's name")?;
    Ok(Some(Database { url: format!("{base}/{name}"), server, name }))
}

/// See [`postgres`].
pub struct Database {
    pub url: String,
    server: String,
    name: String,
}

impl Database {
    /// Throws everybody out and lets nobody in.
    pub fn shut(&self) -> Result<()> {
        psql(&self.server, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name))?;
        psql(
            &self.server,
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name),
        )
    }

    /// Lets them in again.
    pub fn open(&self) -> Result<()> {
        psql(&self.server, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)) {
            eprintln!("left {} behind: {error}", self.name);
        }
    }
}

fn psql(url: &str, sql: &str) -> Result<()> {
    let output = Command::new("psql").args([url, "--quiet", "--command", sql]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The binary under test: beside the test's own, or where `BERTH_BIN` says.
pub fn binary(release: bool) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BERTH_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let profile =
        own.ancestors().find(|path| path.file_name().is_some_and(|name| name == "debug" || name == "release"));
    let profile = profile.context("not run by cargo: set BERTH_BIN")?;
    let path = profile.with_file_name(if release { "release" } else { "debug" }).join("berth");
    ensure!(path.exists(), "{} is missing: cargo build --bin berth", path.display());
    Ok(path)
}

/// A server of its own data directory and ports. Dropping it kills it and removes what it made on the engine.
pub struct Server {
    child: Option<Child>,
    options: Options,
    directory: tempfile::TempDir,
    port: u16,
    applications_port: u16,
}

impl Server {
    /// Starts and waits until it is ready.
    pub async fn start(options: Options) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (port, applications_port) = (free_port()?, free_port()?);
        if let Some(size) = options.disk_mib {
            let size = format!("size={size}m,mode=700");
            let status =
                Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).status()?;
            ensure!(status.success(), "cannot mount a small file system; BERTH_SKIP_DISK_FULL=1 leaves this out");
        }
        let mut server = Self { child: None, options, directory, port, applications_port };
        server.spawn()?;
        server.ready().await?;
        Ok(server)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Process id of the running server.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(binary(self.options.release)?);
        // What the person who runs the tests has set must not leak into the server.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BERTH_")) {
            command.env_remove(name);
        }
        command.env("BERTH_DATA_DIR", self.directory.path());
        command.env("BERTH_DOCKER", self.options.docker.as_deref().unwrap_or("none"));
        if let Some(url) = &self.options.database_url {
            command.env("BERTH_DATABASE_URL", url);
        }
        command.envs(self.options.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn spawn(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = self.command()?;
        command
            .arg("up")
            .args([
                "--listen",
                &format!("{}:{}", if self.options.everywhere { "0.0.0.0" } else { "127.0.0.1" }, self.port),
            ])
            .args(["--applications-listen", &format!("127.0.0.1:{}", self.applications_port)])
            .args(["--sim", &self.options.sim_nodes.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("server-output.log")
    }

    /// Everything it has printed, in all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    async fn ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()).transpose()? {
                bail!("the server ended with {status}:\n{}", self.log());
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            ensure!(started.elapsed() < Duration::from_secs(30), "not ready after 30 s:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL, as by the kernel.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Kills it if it lives, and starts it on the same data and ports.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.spawn()?;
        self.ready().await
    }

    /// The first admin, logged in, the password changed.
    pub async fn admin(&self) -> Result<Client> {
        let file = self.directory.path().join("first-admin-password");
        if let Ok(first) = std::fs::read_to_string(&file) {
            let client = self.login("admin", first.trim()).await?;
            let change =
                PasswordChange { current_password: first.trim().to_owned(), new_password: PASSWORD.to_owned() };
            client.password_change(&change).await?;
        }
        self.login("admin", PASSWORD).await
    }

    /// A client with a fresh login.
    pub async fn login(&self, username: &str, password: &str) -> Result<Client> {
        let anonymous = Client::builder(self.url()).build()?;
        let request =
            LoginRequest { username: username.to_owned(), password: password.to_owned(), kind: LoginKind::Cli };
        let response = anonymous.auth_login(&request).await?;
        let tokens = Tokens::of(&response).context("no tokens")?;
        Ok(Client::builder(self.url()).token(tokens.access_token).build()?)
    }

    /// A new user who may work at once, logged in.
    pub async fn user(&self, admin: &Client, username: &str, role: Role) -> Result<(UserId, Client)> {
        let create: UserCreate = serde_json::from_value(
            serde_json::json!({"username": username, "password": "initial password", "role": role}),
        )?;
        let user = admin.user_create(&create).await?;
        let client = self.login(username, "initial password").await?;
        let change =
            PasswordChange { current_password: "initial password".to_owned(), new_password: PASSWORD.to_owned() };
        client.password_change(&change).await?;
        Ok((user.id, self.login(username, PASSWORD).await?))
    }

    /// The mark of what this installation makes on an engine.
    pub fn installation(&self) -> String {
        let text = std::fs::read_to_string(self.directory.path().join("installation-id")).unwrap_or_default();
        text.trim().to_owned()
    }

    /// Runs the Docker client against the engine under test and returns what it prints.
    pub fn docker(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.options.docker.as_deref().context("this server has no Docker Engine")?;
        let output = Command::new("docker").args(["-H", socket]).args(arguments).output()?;
        ensure!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Names of this installation's containers, running ones or all, as `docker ps` says.
    pub fn containers(&self, all: bool) -> Result<Vec<String>> {
        let filter = format!("label=berth.installation={}", self.installation());
        let mut arguments = vec!["ps", "--format", "{{.Names}}", "--filter", &filter];
        if all {
            arguments.push("--all");
        }
        let mut names: Vec<String> = self.docker(&arguments)?.lines().map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Runs `berth` on this server's data, e.g. `["admin", "fsck"]`; returns exit code and output.
    pub fn berth(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let output = self.command()?.args(arguments).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned()))
    }

    fn clean(&self) -> Result<()> {
        if self.options.docker.is_none() || self.installation().is_empty() {
            return Ok(());
        }
        let filter = format!("label=berth.installation={}", self.installation());
        for container in self.docker(&["ps", "--all", "--quiet", "--filter", &filter])?.lines() {
            self.docker(&["rm", "--force", "--volumes", container])?;
        }
        for network in self.docker(&["network", "ls", "--quiet", "--filter", &filter])?.lines() {
            self.docker(&["network", "rm", network])?;
        }
        let table = format!("berth_{}", self.installation());
        // Absent where the host cannot filter.
        let _ = Command::new("nft").args(["delete", "table", "inet", &table]).stderr(Stdio::null()).status();
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let cleaned = self.kill().and_then(|()| self.clean());
        if self.options.disk_mib.is_some() {
            // The directory can only be removed once nothing is mounted there.
            let _ = Command::new("umount").arg(self.directory.path()).status();
        }
        if let Err(error) = cleaned {
            eprintln!("left something behind: {error}");
        }
        if std::thread::panicking() {
            eprintln!("--- server's output ---\n{}", self.log());
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Asks until it is true, for at most `seconds`; says `what` when it never was.
pub async fn eventually<F>(what: &str, seconds: u64, mut ask: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let started = Instant::now();
    loop {
        if ask().await? {
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
