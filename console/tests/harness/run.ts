/** Around the whole run: servers that a worker left behind are ended and their containers removed. */
import { beginRun, endRun } from "./server";

export default function setUp(): () => void {
  const run = beginRun();
  return () => endRun(run);
}
