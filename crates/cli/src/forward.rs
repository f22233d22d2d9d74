//! `session port-forward`: a local port whose connections end at a port of the session, each through its own WebSocket.

use std::time::Duration;

use berth_client::{Client, ClientError, Message};
use berth_types::{
    SessionId,
    sessions::{TicketCreate, TicketPurpose},
};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::output::note;

/// How long a connection that was closed here waits for the session to say something more.
const LINGER: Duration = Duration::from_secs(300);

/// Accepts until the process ends. Connections that fail are reported and do not end the others.
pub async fn serve(client: &Client, id: SessionId, listener: TcpListener, port: u16) -> anyhow::Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        let client = client.clone();
        tokio::spawn(async move {
            if let Err(error) = carry(&client, id, connection, port).await {
                note(&format!("berth: {error:#}"));
            }
        });
    }
}

async fn carry(client: &Client, id: SessionId, mut connection: TcpStream, port: u16) -> anyhow::Result<()> {
    connection.set_nodelay(true)?;
    let create = TicketCreate { purpose: TicketPurpose::PortForward, port: Some(port), command: None };
    let ticket = client.ticket_create(id, &create).await?;
    let (mut sink, mut source) = client.open_web_socket(&ticket).await?.split();
    let (mut reader, mut writer) = connection.split();
    let mut buffer = vec![0; 1 << 15];
    let mut open = true;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LINGER), if !open => {
                let _ = sink.close().await;
                return Ok(());
            }
            message = source.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    // The local side has gone: nothing is left to carry.
                    if writer.write_all(&bytes).await.is_err() {
                        let _ = sink.close().await;
                        return Ok(());
                    }
                }
                Some(Ok(Message::Close(_))) | None => {
                    let _ = writer.shutdown().await;
                    return Ok(());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(interrupted(client, &error)),
            },
            read = reader.read(&mut buffer), if open => match read {
                // Half-closed: the answer may still be on its way. An empty frame stands for the end of the input,
                // because after a close frame nothing more could come back.
                Ok(0) => {
                    open = false;
                    let sent = sink.send(Message::Binary(Vec::new().into())).await;
                    sent.map_err(|error| interrupted(client, &error))?;
                }
                Ok(count) => {
                    let sent = sink.send(Message::Binary(buffer[..count].to_vec().into())).await;
                    sent.map_err(|error| interrupted(client, &error))?;
                }
                Err(_) => {
                    let _ = sink.close().await;
                    return Ok(());
                }
            },
        }
    }
}

fn interrupted(client: &Client, error: &dyn std::fmt::Display) -> anyhow::Error {
    ClientError::Interrupted { server: client.server().to_owned(), reason: error.to_string() }.into()
}
