/** Files to and from tar archives, as sessions take and give them. */
import { createTar, parseTar } from "nanotar";

/** What the name field of a tar header holds. */
const NAME_BYTES = 100;

/** The first file whose name does not fit into an archive. */
export function tooLong(names: readonly string[]): string | undefined {
  const encoder = new TextEncoder();
  return names.find((name) => encoder.encode(name).length > NAME_BYTES);
}

export async function pack(files: readonly File[]): Promise<Blob> {
  const entries = await Promise.all(
    files.map(async (file) => ({
      name: file.name,
      data: new Uint8Array(await file.arrayBuffer()),
      // Root's, as everything in a container is that nobody else made.
      attrs: { mtime: file.lastModified, mode: "644", uid: 0, gid: 0 },
    })),
  );
  const tar = createTar(entries);
  // Two empty blocks end an archive.
  return new Blob([tar as Uint8Array<ArrayBuffer>, new Uint8Array(1024)], { type: "application/x-tar" });
}

/** A single file as it is; anything else as the archive that came. `path` is what was asked for. */
export function unpack(tar: Uint8Array<ArrayBuffer>, path: string): { name: string; content: Blob } {
  const name = path.split("/").filter(Boolean).at(-1) ?? "root";
  const entries = parseTar(tar);
  const only = entries[0];
  if (entries.length === 1 && only?.data && only.type === "file") {
    return { name, content: new Blob([only.data as Uint8Array<ArrayBuffer>]) };
  }
  return { name: `${name}.tar`, content: new Blob([tar], { type: "application/x-tar" }) };
}
