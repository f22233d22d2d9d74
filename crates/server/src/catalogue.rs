//! The applications that every installation begins with: three that Berth makes itself, without any registry, and
//! entries for well-known public images, which Berth's own tests never ran and which are marked so.

use berth_drivers::builtin_images;
use berth_store::applications::Shipped;
use berth_types::{
    applications::{ApplicationCreate, ApplicationProtocol},
    sessions::{NetworkPolicyKind, SessionType},
};

fn entry(name: &str, title: &str, description: &str, icon: &str, image: &str) -> ApplicationCreate {
    ApplicationCreate {
        name: name.to_owned(),
        title: title.to_owned(),
        description: Some(description.to_owned()),
        icon: Some(icon.to_owned()),
        container_image: image.to_owned(),
        command: Vec::new(),
        session_type: SessionType::Interactive,
        protocol: ApplicationProtocol::None,
        port: None,
        shell: Vec::new(),
        environment_variables: Default::default(),
        default_cpu: 0.25,
        default_memory_gb: 0.125,
        default_storage_gb: 0.5,
        default_gpu: 0,
        default_max_runtime_minutes: 480,
        default_network_policy: NetworkPolicyKind::Default,
        enabled: true,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Everything in the catalogue from the first start.
pub fn builtin() -> Vec<Shipped> {
    let image = builtin_images::REFERENCE;
    let own = [
        ApplicationCreate {
            command: words(builtin_images::TERMINAL_COMMAND),
            ..entry("terminal", "Terminal", "A small Linux with a shell; open its terminal.", "terminal", image)
        },
        ApplicationCreate {
            command: words(builtin_images::WEB_COMMAND),
            protocol: ApplicationProtocol::Http,
            port: Some(i32::from(builtin_images::WEB_PORT)),
            ..entry("web", "Web page", "A small web application that shows where it runs.", "globe", image)
        },
        ApplicationCreate {
            command: words(builtin_images::BATCH_COMMAND),
            session_type: SessionType::Batch,
            ..entry("batch", "Batch job", "A job that counts for some seconds, writes a log and ends.", "list", image)
        },
    ];
    let big = |application: ApplicationCreate| ApplicationCreate {
        default_cpu: 2.0,
        default_memory_gb: 4.0,
        default_storage_gb: 10.0,
        ..application
    };
    let http = |port: i32, application: ApplicationCreate| ApplicationCreate {
        protocol: ApplicationProtocol::Http,
        port: Some(port),
        shell: vec!["/bin/bash".to_owned()],
        ..big(application)
    };
    let public = [
        ApplicationCreate {
            // Berth's own authorisation stands before the page, so a second password would only be in the way.
            command: vec!["start-notebook.py".to_owned(), "--IdentityProvider.token=".to_owned()],
            ..http(
                8888,
                entry(
                    "jupyterlab",
                    "JupyterLab",
                    "Notebooks with Python.",
                    "notebook",
                    "quay.io/jupyter/scipy-notebook:latest",
                ),
            )
        },
        ApplicationCreate {
            command: words("--auth none --bind-addr 0.0.0.0:8080"),
            ..http(
                8080,
                entry(
                    "vscode",
                    "VS Code",
                    "The editor in the browser.",
                    "code",
                    "docker.io/codercom/code-server:latest",
                ),
            )
        },
        ApplicationCreate {
            environment_variables: [("DISABLE_AUTH".to_owned(), "true".to_owned())].into(),
            ..http(8787, entry("rstudio", "RStudio", "R in the browser.", "chart", "docker.io/rocker/rstudio:latest"))
        },
        http(
            6901,
            entry(
                "desktop",
                "Linux desktop",
                "A desktop shown by VNC in the browser.",
                "desktop",
                "docker.io/consol/debian-xfce-vnc:latest",
            ),
        ),
        ApplicationCreate {
            command: words("sleep infinity"),
            shell: vec!["/bin/bash".to_owned()],
            session_type: SessionType::AiTraining,
            default_gpu: 1,
            ..big(entry(
                "cuda",
                "CUDA shell",
                "A shell with CUDA and one GPU.",
                "gpu",
                "docker.io/nvidia/cuda:12.6.3-devel-ubuntu24.04",
            ))
        },
    ];
    own.into_iter()
        .map(|application| Shipped { application, builtin: true, untested: false })
        .chain(public.into_iter().map(|application| Shipped { application, builtin: false, untested: true }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_valid_and_named_once() {
        let mut names = std::collections::BTreeSet::new();
        for entry in builtin() {
            entry.application.validate().unwrap();
            assert!(names.insert(entry.application.name.clone()));
        }
        assert_eq!(names.len(), 8);
    }
}
