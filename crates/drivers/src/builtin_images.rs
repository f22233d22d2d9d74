//! The built-in image: a static busybox and a few scripts, made on the spot, so that the catalogue has applications that
//! work without any registry. The same busybox gives the same archive, byte for byte, and so the same image id.

use std::path::Path;

use bytes::Bytes;

use crate::container::ImageConfig;
use crate::{DriverError, Result};

/// The number changes with the content of the image.
pub const REFERENCE: &str = "berth/builtin:1";
/// A shell that waits for people to open terminals in it.
pub const TERMINAL_COMMAND: &str = "berth-terminal";
/// A small web application on [`WEB_PORT`].
pub const WEB_COMMAND: &str = "berth-web";
/// Prints its progress and ends; see the script for what it reads from its environment.
pub const BATCH_COMMAND: &str = "berth-batch";
/// Above 1024, because nothing in this image runs as root.
pub const WEB_PORT: u16 = 8080;
/// Everything runs as `berth`.
pub const USER_ID: u64 = 1000;

/// What containers of the image do unless told otherwise.
pub fn config() -> ImageConfig {
    ImageConfig {
        command: vec![TERMINAL_COMMAND.to_owned()],
        env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin".to_owned())],
        user: Some(format!("{USER_ID}:{USER_ID}")),
        working_dir: Some("/home/berth".to_owned()),
        exposed_ports: vec![WEB_PORT],
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nberth:x:1000:1000:Berth:/home/berth:/bin/sh\n";
const GROUP: &str = "root:x:0:\nberth:x:1000:\n";
const PROFILE: &str = "export PS1='\\u@\\h:\\w\\$ '\nexport PAGER=more\n";

const TERMINAL: &str = r#"#!/bin/sh
# A shell in the background, waited for: only then does the signal to stop get through at once.
trap 'exit 0' TERM INT
echo "Terminal ready on $(hostname)."
while :; do
    sleep 3600 &
    wait $!
done
"#;

const WEB: &str = r#"#!/bin/sh
echo "Web application on port ${PORT:-8080} of $(hostname)."
exec httpd -f -p "${PORT:-8080}" -h /srv/www
"#;

const BATCH: &str = r#"#!/bin/sh
# STEPS (default 5), STEP_SECONDS (default 1) and EXIT_CODE (default 0) come from the environment.
steps=${STEPS:-5}
i=0
echo "Batch job of $steps steps on $(hostname)."
while [ "$i" -lt "$steps" ]; do
    sleep "${STEP_SECONDS:-1}"
    i=$((i + 1))
    echo "step $i of $steps ($((i * 100 / steps)) %)"
done
echo "done"
exit "${EXIT_CODE:-0}"
"#;

const INDEX: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Berth web application</title>
<style>body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }</style>
<h1>It works</h1>
<p>This page comes from a container that Berth started for you.</p>
<p><a href="cgi-bin/status">What the container says of itself</a></p>
</html>
"#;

const STATUS: &str = r#"#!/bin/sh
# Names are chosen by people, so they are made harmless before they go into a page.
clean() { printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }
printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<END
<!doctype html>
<html lang="en">
<title>Status</title>
<dl>
<dt>Container</dt><dd id="hostname">$(clean "$(hostname)")</dd>
<dt>Session</dt><dd id="session">$(clean "${BERTH_SESSION_NAME:-unnamed}")</dd>
<dt>Time (UTC)</dt><dd id="time">$(date -u '+%Y-%m-%d %H:%M:%S')</dd>
<dt>User</dt><dd id="user">$(id -un)</dd>
</dl>
</html>
END
"#;

/// The root file system as a tar archive. `busybox` is a statically linked one for the engine's processor (Debian:
/// package `busybox-static`), and is asked for its commands. Blocks; `Unsupported`, with the remedy, when it is missing or
/// needs a dynamic loader.
pub fn root_filesystem(busybox: &Path) -> Result<Bytes> {
    let missing = |text: String| {
        DriverError::unsupported(format!("{}: {text}; install the package busybox-static", busybox.display()))
    };
    let binary = std::fs::read(busybox).map_err(|error| missing(error.to_string()))?;
    if !is_static_elf(&binary) {
        return Err(missing("not a statically linked executable".to_owned()));
    }
    let listed = std::process::Command::new(busybox)
        .arg("--list")
        .output()
        .map_err(|error| missing(format!("cannot be run: {error}")))?;
    let mut applets: Vec<String> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "busybox" && !name.contains('/'))
        .map(str::to_owned)
        .collect();
    applets.sort_unstable();
    applets.dedup();
    for needed in ["sh", "httpd", "sleep", "sed", "cat", "hostname", "date", "id"] {
        if applets.binary_search_by(|name| name.as_str().cmp(needed)).is_err() {
            return Err(missing(format!("it has no command {needed}")));
        }
    }

    let mut image = Archive(tar::Builder::new(Vec::with_capacity(binary.len() + 1024 * 1024)));
    for directory in [
        "bin",
        "dev",
        "etc",
        "home",
        "proc",
        "srv",
        "srv/www",
        "srv/www/cgi-bin",
        "sys",
        "usr",
        "usr/bin",
        "usr/local",
        "usr/local/bin",
        "var",
    ] {
        image.directory(directory, 0o755, 0)?;
    }
    image.directory("home/berth", 0o755, USER_ID)?;
    image.directory("root", 0o700, 0)?;
    image.directory("tmp", 0o1777, 0)?;
    image.directory("var/tmp", 0o1777, 0)?;
    image.file("bin/busybox", 0o755, &binary)?;
    for applet in &applets {
        image.link(&format!("bin/{applet}"), "busybox")?;
    }
    image.link("usr/bin/env", "/bin/busybox")?;
    for (path, mode, text) in [
        ("etc/passwd", 0o644, PASSWD),
        ("etc/group", 0o644, GROUP),
        ("etc/profile", 0o644, PROFILE),
        ("usr/local/bin/berth-terminal", 0o755, TERMINAL),
        ("usr/local/bin/berth-web", 0o755, WEB),
        ("usr/local/bin/berth-batch", 0o755, BATCH),
        ("srv/www/index.html", 0o644, INDEX),
        ("srv/www/cgi-bin/status", 0o755, STATUS),
    ] {
        image.file(path, mode, text.as_bytes())?;
    }
    image.0.into_inner().map(Bytes::from).map_err(|error| DriverError::internal(error.to_string()))
}

/// An ELF file without an interpreter segment (type 3), in its header's own byte order and width.
fn is_static_elf(binary: &[u8]) -> bool {
    let number = |offset: usize, length: usize| -> Option<usize> {
        let bytes = binary.get(offset..offset + length)?;
        let fold = |value: usize, byte: &u8| value << 8 | usize::from(*byte);
        Some(if binary[5] == 1 { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) })
    };
    let has_interpreter = || -> Option<bool> {
        let is_64 = binary.get(4)? == &2;
        let (table, size, count) = if is_64 {
            (number(32, 8)?, number(54, 2)?, number(56, 2)?)
        } else {
            (number(28, 4)?, number(42, 2)?, number(44, 2)?)
        };
        for index in 0..count {
            if number(table.checked_add(index * size)?, 4)? == 3 {
                return Some(true);
            }
        }
        Some(false)
    };
    binary.starts_with(b"\x7fELF") && has_interpreter() == Some(false)
}

struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    fn header(kind: tar::EntryType, mode: u32, owner: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        header.set_size(0);
        header
    }

    fn directory(&mut self, path: &str, mode: u32, owner: u64) -> Result<()> {
        let mut header = Self::header(tar::EntryType::Directory, mode, owner);
        self.finish(path, &mut header, &[])
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let mut header = Self::header(tar::EntryType::Regular, mode, 0);
        header.set_size(content.len() as u64);
        self.finish(path, &mut header, content)
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777, 0);
        self.0
            .append_link(&mut header, path, target)
            .map_err(|error| DriverError::internal(format!("the image's {path}: {error}")))
    }

    fn finish(&mut self, path: &str, header: &mut tar::Header, content: &[u8]) -> Result<()> {
        self.0
            .append_data(header, path, content)
            .map_err(|error| DriverError::internal(format!("the image's {path}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busybox() -> &'static Path {
        Path::new("/bin/busybox")
    }

    #[test]
    fn the_archive_is_the_same_each_time_and_holds_the_applications() {
        let first = root_filesystem(busybox()).unwrap();
        assert_eq!(first, root_filesystem(busybox()).unwrap());
        let mut names = Vec::new();
        for entry in tar::Archive::new(first.as_ref()).entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().to_string_lossy().into_owned());
        }
        for wanted in ["bin/sh", "bin/httpd", "usr/local/bin/berth-batch", "srv/www/cgi-bin/status", "etc/passwd"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted}");
        }
    }

    #[test]
    fn what_is_not_a_static_executable_is_refused() {
        use crate::DriverErrorKind::Unsupported;
        assert_eq!(root_filesystem(Path::new("/nonexistent")).unwrap_err().kind, Unsupported);
        assert_eq!(root_filesystem(Path::new("/etc/passwd")).unwrap_err().kind, Unsupported);
        // This test itself is linked dynamically.
        assert_eq!(root_filesystem(&std::env::current_exe().unwrap()).unwrap_err().kind, Unsupported);
    }
}
