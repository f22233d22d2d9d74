import { createTar, parseTar } from "nanotar";
import { expect, test } from "vitest";
import { pack, tooLong, unpack } from "./archive";

const bytes = (text: string) => new TextEncoder().encode(text);

test("files are packed with their names and contents, empty ones too", async () => {
  const files = [new File(["hello"], "grüße.txt"), new File([], "empty")];
  const archive = await pack(files);
  const entries = parseTar(new Uint8Array(await archive.arrayBuffer()));
  expect(entries.map(({ name, text, type }) => [name, text, type])).toEqual([
    ["grüße.txt", "hello", "file"],
    ["empty", "", "file"],
  ]);
});

test("a name that an archive cannot hold is found, counted in bytes", () => {
  expect(tooLong(["a".repeat(100)])).toBeUndefined();
  expect(tooLong(["a", "ü".repeat(51)])).toBe("ü".repeat(51));
});

test("a single file comes as it is, a directory as an archive", async () => {
  const file = unpack(createTar([{ name: "hosts", data: bytes("127.0.0.1") }]) as Uint8Array<ArrayBuffer>, "/etc/hosts");
  expect([file.name, await file.content.text()]).toEqual(["hosts", "127.0.0.1"]);
  const many = createTar([{ name: "etc/" }, { name: "etc/hosts", data: bytes("x") }]) as Uint8Array<ArrayBuffer>;
  expect(unpack(many, "/etc/").name).toBe("etc.tar");
});
