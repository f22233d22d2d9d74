import { OperationTable } from "./OperationTable";

export function Component() {
  return <OperationTable />;
}
