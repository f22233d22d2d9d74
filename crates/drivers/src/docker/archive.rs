//! An image of one layer as `docker load` takes it. Loading, unlike `docker import`, keeps the given configuration and
//! time, so the same input has the same image id on every host and a repetition changes nothing.

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::container::ImageConfig;
use crate::{DriverError, Result};

/// `architecture` in the words of the OCI image specification, e.g. `amd64`.
pub(super) fn image_archive(reference: &str, layer: &Bytes, config: &ImageConfig, architecture: &str) -> Result<Bytes> {
    let layer_digest = hex(&Sha256::digest(layer));
    let ports: serde_json::Map<_, _> =
        config.exposed_ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
    let env: Vec<_> = config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let description = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Cmd": config.command,
            "Env": env,
            "User": config.user.clone().unwrap_or_default(),
            "WorkingDir": config.working_dir.clone().unwrap_or_default(),
            "ExposedPorts": ports,
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "berth" }],
    })
    .to_string();
    let config_name = format!("{}.json", hex(&Sha256::digest(&description)));
    let layer_name = format!("{layer_digest}/layer.tar");
    let manifest = json!([{ "Config": config_name, "RepoTags": [reference], "Layers": [layer_name] }]).to_string();

    let mut archive = tar::Builder::new(Vec::with_capacity(layer.len() + 16 * 1024));
    for (name, content) in
        [(config_name.as_str(), description.as_bytes()), (&layer_name, layer), ("manifest.json", manifest.as_bytes())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, name, content).map_err(|error| DriverError::internal(error.to_string()))?;
    }
    archive.into_inner().map(Bytes::from).map_err(|error| DriverError::internal(error.to_string()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the engine calls its processor, in the words of the OCI image specification.
pub(super) fn oci_architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
}
