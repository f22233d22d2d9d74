// The tunnel's end inside of the browser's network namespace: TCP in, the Unix socket out. Ends with the browser, which is
// its parent process.
import { connect, createServer } from "node:net";

const [socket, port] = process.argv.slice(2);
const parent = process.ppid;
createServer((inside) => {
  const outside = connect(socket);
  inside.pipe(outside).pipe(inside);
  inside.on("error", () => outside.destroy());
  outside.on("error", () => inside.destroy());
}).listen(Number(port), "127.0.0.1");
setInterval(() => process.ppid === parent || process.exit(0), 500);
