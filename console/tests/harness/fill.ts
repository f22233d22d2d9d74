/** A fleet as it looks after a busy morning: people, sessions in many states, a node on its way out. */
import { type Api, type Schemas, type Server, until } from "./server";

/** Addresses of things that pages can show. */
export interface Facts {
  session: string;
  node: string;
  operation: string;
  tenant: string;
  user: string;
  application: string;
}

const filled = new WeakMap<Server, Promise<Facts>>();

/** Fills a server once. */
export function fill(server: Server): Promise<Facts> {
  let facts = filled.get(server);
  if (!facts) {
    facts = fillNow(server);
    filled.set(server, facts);
  }
  return facts;
}

const work = ["protein-folding", "harbour-model", "thesis-figures", "tide-tables", "lecture-04", "sensor-cleaning"];

async function fillNow(server: Server): Promise<Facts> {
  const admin = await server.as("admin");
  const apis: Api[] = [await server.as("uma"), await server.as("tina"), admin];
  for (const username of ["nadia", "ruben", "ines"]) {
    await server.person(username, "user");
    apis.push(await server.as(username));
  }
  const made: { api: Api; id: string }[] = [];
  for (const [index, name] of work.entries()) {
    for (const [number, api] of apis.entries()) {
      const application = ["terminal", "web", "batch"][(index + number) % 3]!;
      const cpu = [0.5, 2, 8, 16][(index + number) % 4]!;
      const session = await api.launch(number === 0 ? name : `${name}-${number}`, {
        application,
        cpu_request: cpu,
        memory_request_gb: cpu * 2,
      });
      made.push({ api, id: session.id });
    }
  }
  const [uma] = apis as [Api, ...Api[]];
  await uma.launch("too-large-for-any-node", { application: "batch", cpu_request: 4096 });
  await uma.launch("ends-with-an-error", { application: "batch", command: ["sh", "-c", "echo the input is empty; exit 3"] });
  await uma.post("/secrets", { name: "registry-token", value: "not shown again" });
  await admin.post("/tenants", { name: "maritime-institute", description: "Guests from the other side of the river" });
  for (const [index, { api, id }] of made.entries()) {
    await api.reaches(id, "running", "completed", "failed");
    if (index % 5 === 1) await api.post(`/sessions/${id}/stop`, {});
    if (index % 7 === 2) await api.post(`/sessions/${id}/pause`).catch(() => undefined);
  }
  const nodes = await admin.items<Schemas["Node"]>("/nodes");
  await admin.post(`/nodes/${nodes.at(-1)!.id}/drain`, { deadline_minutes: 30 });
  await admin.post(`/nodes/${nodes.at(-2)!.id}/maintenance`).catch(() => undefined);
  const operation = await until("an operation", async () => (await admin.items<Schemas["Operation"]>("/operations?kind=node_drain"))[0]);
  const profile = await uma.get<Schemas["Profile"]>("/profile");
  return {
    session: made[0]!.id,
    node: nodes[0]!.id,
    operation: operation.id,
    tenant: profile.tenant.id,
    user: profile.user.id,
    application: "terminal",
  };
}
