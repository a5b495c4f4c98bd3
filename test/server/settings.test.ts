/** Flags before environment before file before defaults, and mistakes by the name they were made under. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSettings } from "../../src/server/settings.ts";
import { temporaryFolder } from "../cli/support.ts";

async function fileOf(text: string): Promise<string> {
  const file = join(await temporaryFolder(), "server.yaml");
  await writeFile(file, text);
  return file;
}

test("which one counts", async () => {
  const file = await fileOf("port: 1000\nqueue: 7\nmodel: one\nrows: 3\n");
  const env = { SEDD_PORT: "2000", SEDD_QUEUE: "8", SEDD_MODEL: "a, b=c", SEDD_LOG_TEXTS: "true", SEDD_API_KEY: "12345678" };
  const settings = await readSettings({ port: 3000, queue: undefined }, env, file);
  expect(settings).toMatchObject({
    port: 3000,
    queue: 8,
    rows: 3,
    model: ["a", "b=c"],
    logTexts: true,
    apiKey: "12345678",
    host: "127.0.0.1",
  });
  expect(await readSettings({}, {})).toMatchObject({
    host: "127.0.0.1",
    port: 8080,
    model: ["fairytales"],
    corsOrigin: [],
    logTexts: false,
  });
});

test("mistakes", async () => {
  await expect(readSettings({}, { SEDD_PORT: "many" })).rejects.toThrow(/SEDD_PORT "many"/);
  for (const origin of [
    "https://page.example/",
    "page.example",
    "https://page.example/app",
    "HTTPS://page.example",
    "https://page.example:443",
    "app://x/y",
    "null",
  ])
    await expect(readSettings({ corsOrigin: ["https://fine.example", origin] }, {})).rejects.toThrow(
      `--cors-origin ["https://fine.example","${origin}"]: ${origin} is no origin; give one as browsers write it, without a path or a default port, such as https://example.org, or * for any`,
    );
  for (const list of [["https://page.example", "http://localhost:5173", "app://obsidian.md"], ["*"]])
    expect(await readSettings({}, { SEDD_CORS_ORIGIN: list.join(", ") })).toMatchObject({ corsOrigin: list });
  await expect(readSettings({ apiKey: "short" }, {})).rejects.toThrow("--api-key: at least 8 characters");
  await expect(readSettings({ apiKey: "contraseña-larga" }, {})).rejects.toThrow(/^--api-key: ASCII letters/);
  expect(await readSettings({}, { SEDD_API_KEY: "from-a-secret-file\n" })).toMatchObject({ apiKey: "from-a-secret-file" });
  const file = await fileOf("prot: 80\n");
  await expect(readSettings({}, {}, file)).rejects.toThrow(/prot is no setting; there are host, port/);
  await expect(readSettings({}, {}, await fileOf("- a\n"))).rejects.toThrow(/expected settings by name/);
});
