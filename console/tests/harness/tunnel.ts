/** The tunnel's end outside of the browser's network namespace: SOCKS 5 (RFC 1928) on a Unix socket, CONNECT only. */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Reads what a request needs; more may come with it and stays in the stream. */
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  for (;;) {
    const chunk = socket.read(bytes) as Buffer | null;
    if (chunk) return chunk;
    await new Promise<void>((resolve, reject) => {
      socket.once("readable", resolve);
      socket.once("end", () => reject(new Error("ended")));
    });
  }
}

async function serve(socket: Socket): Promise<void> {
  const [, methods = 0] = await read(socket, 2);
  await read(socket, methods);
  socket.write(Buffer.from([5, 0]));
  const [, , , kind] = await read(socket, 4);
  let host: string;
  if (kind === 1) host = [...(await read(socket, 4))].join(".");
  else if (kind === 3) host = (await read(socket, (await read(socket, 1))[0] ?? 0)).toString();
  else host = ((await read(socket, 16)).toString("hex").match(/.{4}/g) ?? []).join(":");
  const port = (await read(socket, 2)).readUInt16BE();
  const target = connect({ host, port, noDelay: true });
  target.once("connect", () => {
    socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    socket.pipe(target).pipe(socket);
  });
  target.once("error", () => socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])));
  socket.once("close", () => target.destroy());
}

/** Listens until it is closed. */
export function openTunnel(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    serve(socket).catch(() => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}
