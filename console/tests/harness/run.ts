/** Around the whole run: servers that a worker left behind are ended and their containers removed. */
import { beginRun, endRun } from "./server";
import { openTunnel } from "./tunnel";

export default async function setUp(): Promise<() => void> {
  const tunnel = process.env.BERTH_TUNNEL ? await openTunnel(process.env.BERTH_TUNNEL) : undefined;
  const run = beginRun();
  return () => {
    tunnel?.close();
    return endRun(run);
  };
}
