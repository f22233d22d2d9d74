/** What flows between the browser and a session: terminals, logs, files, and the way to its application. */
import { api, ApiProblem, authFetch, type Schemas, take } from "./client";

type Purpose = Schemas["TicketPurpose"];

const ticket = (id: string, purpose: Purpose) =>
  take<Schemas["Ticket"]>(api.POST("/api/v1/sessions/{id}/tickets", { params: { path: { id } }, body: { purpose } }));

/** A WebSocket to a session; a ticket in its address is its authority. Bytes come as `ArrayBuffer`. */
export async function openStream(id: string, purpose: "terminal" | "logs"): Promise<WebSocket> {
  const { url } = await ticket(id, purpose);
  const address = new URL(url, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Where a session's application opens, once. */
export const applicationUrl = async (id: string): Promise<string> => (await ticket(id, "application")).url;

const path = (id: string, part: string) => `/api/v1/sessions/${encodeURIComponent(id)}/${part}`;

async function refusal(status: number, text: string): Promise<ApiProblem> {
  let problem: Partial<Schemas["Problem"]> = {};
  try {
    problem = JSON.parse(text) as Partial<Schemas["Problem"]>;
  } catch {
    // Not the server's own words: a proxy's page, perhaps.
  }
  return new ApiProblem(status, problem);
}

type Progress = (done: number, total: number | undefined) => void;

/** All bytes of an answer, told as they come. */
async function receive(address: string, onProgress: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const response = await authFetch(new Request(new URL(address, location.href))).catch((error: unknown) => {
    throw new ApiProblem(0, { detail: error instanceof Error ? error.message : String(error) });
  });
  if (!response.ok || !response.body) throw await refusal(response.status, await response.text());
  const length = Number(response.headers.get("Content-Length"));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let done = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { value, done: ended } = await reader.read();
    if (ended) break;
    parts.push(value);
    done += value.length;
    onProgress(done, length > 0 ? length : undefined);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

export const logBytes = (id: string) => receive(path(id, "logs"), () => undefined);

/** A tar archive of what stands at `file`. */
export const filesGet = (id: string, file: string, onProgress: Progress) =>
  receive(`${path(id, "files")}?${new URLSearchParams({ path: file })}`, onProgress);

function cookie(name: string): string {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1) ?? "";
}

/** Unpacks a tar archive into `directory`. An `XMLHttpRequest`: only that tells how much was sent. */
export async function filesPut(id: string, directory: string, tar: Blob, onProgress: Progress): Promise<void> {
  // Renews the login where it is about to end: what follows is sent once.
  await take(api.GET("/api/v1/sessions/{id}", { params: { path: { id } } }));
  await new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `${path(id, "files")}?${new URLSearchParams({ path: directory })}`);
    request.setRequestHeader("Content-Type", "application/x-tar");
    request.setRequestHeader("X-Berth-CSRF", cookie("berth_csrf"));
    request.upload.onprogress = (event) => onProgress(event.loaded, event.lengthComputable ? event.total : undefined);
    request.onload = () => {
      if (request.status < 300) resolve();
      else void refusal(request.status, request.responseText).then(reject);
    };
    request.onerror = () => reject(new ApiProblem(0, {}));
    request.send(tar);
  });
}
