import { UserTable } from "./UserTable";

export function Component() {
  return <UserTable />;
}
