/** Bundles a page as a developer would: `sedd` is the built package (dist/), under its name in node_modules. */
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";
import { root } from "../house/tools.ts";

export interface Built {
  /** The finished page. */
  readonly folder: string;
  remove(): Promise<void>;
}

/** Builds a folder of this repository with Vite, by its own configuration if it has one, outside the repository. */
export async function buildPage(source: string): Promise<Built> {
  const place = await mkdtemp(join(tmpdir(), "sedd-page-"));
  await cp(join(root, source), place, { recursive: true });
  await mkdir(join(place, "node_modules"));
  await symlink(root, join(place, "node_modules", "sedd"), "junction");
  await symlink(join(root, "node_modules", "vite"), join(place, "node_modules", "vite"), "junction");
  const folder = join(place, "built");
  await build({
    root: place,
    base: "./",
    worker: { format: "es" },
    build: { outDir: folder, reportCompressedSize: false },
    logLevel: "warn",
  });
  return { folder, remove: () => rm(place, { recursive: true, force: true }) };
}
