/** `sedd playground`: what it writes, what it replaces and what it leaves alone. Needs the built page, which `npm run build` makes. */
import { lstat, mkdir, readdir, readFile, rmdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cli, temporaryFolder, writeTinyModel } from "./support.ts";

test("a whole page in a new folder; written again over itself; with models of one's own", async () => {
  const parent = await temporaryFolder();
  const site = join(parent, "new", "site");
  const first = await cli(["playground", site]);
  expect(first).toMatchObject({ code: 0, stderr: "" });
  for (const part of ["page", "runtime", "models/fairytales", site])
    expect(first.stdout).toMatch(new RegExp(`^${part}\\s+\\d+\\.\\d\\d MB in \\d+ files$`, "m"));
  expect(await readdir(site)).toEqual(["assets", "index.html", "models", "runtime", "sedd-playground.json"]);
  expect(await readFile(join(site, "index.html"), "utf8")).toContain('http-equiv="Content-Security-Policy"');
  expect((await readdir(join(site, "runtime"))).sort()).toEqual([
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
  ]);
  expect((await readdir(join(site, "models", "fairytales"))).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  expect(JSON.parse(await readFile(join(site, "models", "index.json"), "utf8"))).toMatchObject({ models: [{ name: "fairytales" }] });

  const own = join(parent, "own");
  await mkdir(own);
  await writeTinyModel(own);
  expect(await cli(["playground", site, "--model", `mine=${own}`])).toMatchObject({ code: 0, stderr: "" });
  expect(await readdir(join(site, "models"))).toEqual(["index.json", "mine"]);
  expect(await readdir(join(parent, "new"))).toEqual(["site"]); // nothing left beside it
});

test("a folder that holds anything else is left as it is", async () => {
  const parent = await temporaryFolder();
  const site = join(parent, "site");
  const refused = async (message: RegExp, ...more: string[]) => {
    const { code, stdout, stderr } = await cli(["playground", site, ...more]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain("\n");
    expect(await readdir(parent)).toEqual(["site"]);
  };
  await writeFile(site, "a file");
  await refused(/cannot write the page to .*site: /);
  const other = join(parent, "site2");
  await mkdir(other);
  expect((await cli(["playground", other])).code).toBe(0); // an empty one will do
  await writeFile(join(other, "CNAME"), "example.org");
  expect(await cli(["playground", other])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/site2: holds CNAME, which this command did not write/),
  });
  expect(await readFile(join(other, "CNAME"), "utf8")).toBe("example.org");
  const linked = join(parent, "site3");
  await mkdir(linked);
  await symlink("nowhere", join(linked, "broken"));
  expect((await cli(["playground", linked])).stderr).toContain("holds broken");
});

test("the folder stays the same one, a shell's or a link's, and nothing lies beside it; no name is none", async () => {
  const parent = await temporaryFolder();
  const [site, link] = [join(parent, "site"), join(parent, "link")];
  await mkdir(site);
  const { ino } = await stat(site);
  await symlink(site, link);
  for (const place of [site, link]) {
    expect(await cli(["playground", place])).toMatchObject({ code: 0, stderr: "" });
    expect((await stat(site)).ino).toBe(ino);
  }
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
  expect((await readdir(parent)).sort()).toEqual(["link", "site"]);
  for (const none of ["", " "]) {
    const line = `sedd: <dir> ${JSON.stringify("")}: empty; expected for example <dir> site\n`;
    expect(await cli(["playground", none])).toEqual({ code: 2, stdout: "", stderr: line });
  }
});

test("after a run that was stopped half-way another one ends it, and removes what it left", async () => {
  const site = await temporaryFolder();
  const whole = ["assets", "index.html", "models", "runtime", "sedd-playground.json"];
  const leftover = join(site, ".sedd-playground.01234567-89ab-cdef-0123-456789abcdef.tmp");
  await mkdir(join(leftover, "assets"), { recursive: true }); // killed while the files were made
  await writeFile(join(leftover, "assets", "page.js"), "half");
  await mkdir(join(site, "index.html")); // in the way when assets are in their place already
  const { code, stderr } = await cli(["playground", site]);
  expect([code, stderr.split("\n").length]).toEqual([2, 2]);
  expect(stderr).toMatch(/^sedd: cannot write the page to /);
  expect(await readdir(join(site, "assets"))).not.toEqual([]);
  await rmdir(join(site, "index.html"));
  expect(await cli(["playground", site])).toMatchObject({ code: 0, stderr: "" });
  expect(await readdir(site)).toEqual(whole);
  // Of an older page, and gone with its folder.
  const marker = join(site, "sedd-playground.json");
  const { files } = JSON.parse(await readFile(marker, "utf8")) as { files: string[] };
  await mkdir(join(site, "old", "deep"), { recursive: true });
  await writeFile(join(site, "old", "deep", "page.js"), "");
  await writeFile(marker, JSON.stringify({ files: [...files, "old/deep/page.js"] }));
  expect(await cli(["playground", site])).toMatchObject({ code: 0, stderr: "" });
  expect(await readdir(site)).toEqual(whole);
  expect(JSON.parse(await readFile(marker, "utf8"))).toEqual({ files });
});

test("wrong models and a stop: one line, and nothing is there", async () => {
  const parent = await temporaryFolder();
  const site = join(parent, "site");
  const folder = join(parent, "a model");
  await mkdir(folder);
  await writeTinyModel(folder);
  expect((await cli(["playground", site, "--model", "none"])).stderr).toMatch(/^sedd: model none: no such folder/);
  expect((await cli(["playground", site, "--model", folder])).stderr).toMatch(/"a model" is no name for an address; name it, for example/);
  expect((await cli(["playground", site, "--model", "fairytales", "--model", "fairytales"])).stderr).toMatch(
    /another model called fairytales/,
  );
  expect((await cli(["playground", site], { signal: AbortSignal.abort() })).code).toBe(130);
  expect((await cli(["playground"])).code).toBe(2);
  expect(await readdir(parent)).toEqual(["a model"]);
});
