import { EventTable } from "./EventTable";

export function Component() {
  return <EventTable />;
}
