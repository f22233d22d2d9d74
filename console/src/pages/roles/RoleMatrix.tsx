// PLACEHOLDER
export function Component() {
  return null;
}
