//! Pulling an image once for everybody who waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bollard::models::CreateImageInfo;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::container::{ImageInfo, ProgressSink, PullProgress};
use crate::{DriverError, Result};

/// What waiters see of one transfer.
#[derive(Clone, Default)]
struct PullState {
    progress: PullProgress,
    outcome: Option<Result<ImageInfo>>,
}

/// One transfer under way; ends when the last waiter lets go of it.
pub(super) struct Pull {
    state: watch::Receiver<PullState>,
    task: AbortHandle,
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Transfers by image and account: somebody without rights must not ride on another's.
#[derive(Default)]
pub(super) struct Pulls(Mutex<HashMap<String, Weak<Pull>>>);

impl Pulls {
    /// Joins the transfer under `key` or begins it.
    pub(super) fn join<F>(&self, key: String, begin: impl FnOnce(Reporter) -> F) -> Arc<Pull>
    where
        F: Future<Output = Result<ImageInfo>> + Send + 'static,
    {
        let mut pulls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pulls.retain(|_, pull| pull.strong_count() > 0);
        if let Some(pull) = pulls.get(&key).and_then(Weak::upgrade)
            && pull.state.borrow().outcome.is_none()
        {
            return pull;
        }
        let (sender, receiver) = watch::channel(PullState::default());
        let sender = Arc::new(sender);
        let transfer = begin(Reporter(sender.clone()));
        let task = tokio::spawn(async move {
            let outcome = transfer.await;
            sender.send_modify(|state| state.outcome = Some(outcome));
        });
        let pull = Arc::new(Pull { state: receiver, task: task.abort_handle() });
        pulls.insert(key, Arc::downgrade(&pull));
        pull
    }
}

impl Pull {
    pub(super) async fn finished(&self, progress: Option<ProgressSink>) -> Result<ImageInfo> {
        let mut state = self.state.clone();
        loop {
            let seen = state.borrow_and_update().clone();
            if let Some(progress) = &progress
                && !seen.progress.message.is_empty()
            {
                progress(seen.progress);
            }
            if let Some(outcome) = seen.outcome {
                return outcome;
            }
            if state.changed().await.is_err() {
                return Err(DriverError::internal("the pull ended without a result"));
            }
        }
    }
}

pub(super) struct Reporter(Arc<watch::Sender<PullState>>);

impl Reporter {
    fn report(&self, progress: PullProgress) {
        self.0.send_modify(|state| state.progress = progress);
    }
}

#[derive(Default)]
struct Layer {
    downloaded: u64,
    unpacked: u64,
    size: u64,
}

/// Adds the layers up. Unpacking counts as much as downloading, since it takes about as long on a fast network.
#[derive(Default)]
pub(super) struct Tally {
    layers: HashMap<String, Layer>,
    percent: f64,
}

impl Tally {
    fn take(&mut self, info: &CreateImageInfo) -> PullProgress {
        let status = info.status.clone().unwrap_or_default();
        if let Some(id) = &info.id {
            let detail = info.progress_detail.as_ref();
            let current = detail.and_then(|d| d.current).and_then(|n| u64::try_from(n).ok());
            let total = detail.and_then(|d| d.total).and_then(|n| u64::try_from(n).ok());
            match status.as_str() {
                "Pulling fs layer" | "Waiting" => {
                    self.layers.entry(id.clone()).or_default();
                }
                "Downloading" => {
                    let layer = self.layers.entry(id.clone()).or_default();
                    layer.size = layer.size.max(total.unwrap_or(0));
                    layer.downloaded = current.unwrap_or(layer.downloaded);
                }
                "Extracting" => {
                    let layer = self.layers.entry(id.clone()).or_default();
                    layer.size = layer.size.max(total.unwrap_or(0));
                    layer.downloaded = layer.size;
                    layer.unpacked = current.unwrap_or(layer.unpacked).min(layer.size);
                }
                "Verifying Checksum" | "Download complete" => {
                    let layer = self.layers.entry(id.clone()).or_default();
                    layer.downloaded = layer.size;
                }
                "Pull complete" | "Already exists" => {
                    let layer = self.layers.entry(id.clone()).or_default();
                    layer.downloaded = layer.size;
                    layer.unpacked = layer.size;
                }
                _ => {}
            }
        }
        let total: u64 = self.layers.values().map(|layer| layer.size).sum();
        let downloaded: u64 = self.layers.values().map(|layer| layer.downloaded).sum();
        let unpacked: u64 = self.layers.values().map(|layer| layer.unpacked).sum();
        if total > 0 {
            self.percent = self.percent.max((downloaded + unpacked) as f64 * 50.0 / total as f64).min(100.0);
        }
        let message = match &info.id {
            Some(id) if self.layers.contains_key(id) => format!("{status} {id}"),
            _ => status,
        };
        PullProgress { percent: self.percent, message, current_bytes: downloaded, total_bytes: total }
    }
}

/// Reads the engine's messages to the end. `stall` is how long it may stay silent.
pub(super) async fn follow(
    mut messages: BoxStream<'_, Result<CreateImageInfo, bollard::errors::Error>>,
    reporter: &Reporter,
    stall: std::time::Duration,
) -> Result<(), Option<bollard::errors::Error>> {
    let mut tally = Tally::default();
    loop {
        match tokio::time::timeout(stall, messages.next()).await {
            Err(_) => return Err(None),
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => return Err(Some(error)),
            Ok(Some(Ok(info))) => reporter.report(tally.take(&info)),
        }
    }
}

/// Repository and tag (or digest) of a reference, as the engine's `fromImage` and `tag` want them.
pub(super) fn split_reference(reference: &str) -> (&str, &str) {
    if let Some((repository, digest)) = reference.split_once('@') {
        return (repository, digest);
    }
    let name_start = reference.rfind('/').map_or(0, |slash| slash + 1);
    match reference[name_start..].rfind(':') {
        Some(colon) => (&reference[..name_start + colon], &reference[name_start + colon + 1..]),
        None => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn message(id: &str, status: &str, current: Option<i64>, total: Option<i64>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current, total }),
            ..Default::default()
        }
    }

    #[test]
    fn references_split() {
        assert_eq!(split_reference("a"), ("a", "latest"));
        assert_eq!(split_reference("a/b:1"), ("a/b", "1"));
        assert_eq!(split_reference("h:5000/a"), ("h:5000/a", "latest"));
        assert_eq!(split_reference("h:5000/a:2"), ("h:5000/a", "2"));
        assert_eq!(split_reference("a@sha256:0"), ("a", "sha256:0"));
    }

    #[test]
    fn percent_grows_to_the_end() {
        let mut tally = Tally::default();
        let mut last = 0.0;
        for step in [
            message("l1", "Pulling fs layer", None, None),
            message("l1", "Downloading", Some(50), Some(100)),
            message("l2", "Downloading", Some(10), Some(1000)),
            message("l2", "Download complete", None, None),
            message("l1", "Extracting", Some(100), Some(100)),
            message("l1", "Pull complete", None, None),
            message("l2", "Pull complete", None, None),
        ] {
            let now = tally.take(&step);
            assert!(now.percent >= last);
            last = now.percent;
        }
        assert_eq!(last, 100.0);
    }

    #[tokio::test]
    async fn one_transfer_serves_all() {
        let pulls = Pulls::default();
        let started = Arc::new(AtomicUsize::new(0));
        let (release, wait) = watch::channel(false);
        let waiters: Vec<_> = (0..5)
            .map(|_| {
                let (started, mut wait) = (started.clone(), wait.clone());
                pulls.join("image".to_owned(), move |_| async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    wait.wait_for(|open| *open).await.map_err(|e| DriverError::internal(e.to_string()))?;
                    Ok(ImageInfo { id: "1".to_owned(), size_bytes: 1, architecture: None })
                })
            })
            .collect();
        release.send(true).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.finished(None).await.unwrap().id, "1");
        }
        assert_eq!(started.load(Ordering::SeqCst), 1);
    }
}
