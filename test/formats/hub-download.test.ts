/** Models of a hub, against one on this machine: what is asked for, what is kept, and what goes wrong on the way. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { hubFolder } from "../../src/formats/hub-cache.ts";
import { hubModel, isHubId, type HubOptions } from "../../src/formats/hub-download.ts";
import { UserError } from "../../src/platform/errors.ts";
import type { Progress } from "../../src/platform/types.ts";
import { sendFile, sendPart, startHub, type TestHub } from "../support/hub-server.ts";

const ID = "someone/small.model";
const get = (options: Partial<HubOptions> = {}, id = ID): Promise<string> => hubModel(id, { check: () => undefined, ...options });

/** Different at every place, so that bytes at a wrong one are noticed. */
const bytesOf = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) % 256);
const WEIGHTS = bytesOf(300_000);
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

const hubWith = (files: Readonly<Record<string, Uint8Array | string>>): Promise<TestHub> =>
  startHub(Object.fromEntries(Object.entries({ "config.json": "{}", ...files }).map(([name, content]) => [`${ID}/${name}`, content])));

/** A file's bytes against those it should have; comparing as values would take a second. */
const holds = (folder: string, name: string, bytes: Uint8Array): void =>
  expect(readFileSync(join(folder, name)).equals(bytes), name).toBe(true);

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => "no error",
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).not.toContain("\n");
  return (error as UserError).message;
}

const NOT_HERE = `model ${ID}: no such folder and no shipped model; `;

test("ids have two parts of plain characters, none of them of folders", () => {
  for (const id of ["louaaron/sedd-small", "a/b", "A_1.x/b..c", "_/_"]) expect(isHubId(id), id).toBe(true);
  for (const id of [
    "a",
    "a/b/c",
    "/a",
    "a/",
    "../b",
    "a/..",
    "./b",
    "a/.",
    "a b/c",
    "a/b?c",
    "a/b#c",
    "a%2f/b",
    "a\\b/c",
    "ä/b",
    "a--b/c",
    "a-/b",
    "a/-b",
    "a/..b",
    "a/b\n",
  ])
    expect(isHubId(id), id).toBe(false);
});

describe("the cache", () => {
  test("is SEDD_CACHE, else sedd in XDG_CACHE_HOME, else in ~/.cache", () => {
    const folder = (env: Record<string, string>): string => {
      for (const name of ["SEDD_CACHE", "XDG_CACHE_HOME"]) vi.stubEnv(name, env[name]);
      return hubFolder("a/b");
    };
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(folder({ SEDD_CACHE: "/x", XDG_CACHE_HOME: "/y" })).toBe(join("/x", "hub", "a--b"));
    expect(folder({ XDG_CACHE_HOME: "/y" })).toBe(join("/y", "sedd", "hub", "a--b"));
    for (const env of [{}, { SEDD_CACHE: "", XDG_CACHE_HOME: "relative" }] as Record<string, string>[])
      expect(folder(env)).toBe(join(homedir(), ".cache", "sedd", "hub", "a--b"));
  });
});

describe("what is needed comes, and nothing else", () => {
  test.each<[string, Record<string, string | Uint8Array>, string[]]>([
    [
      "safetensors, tokenizer.json",
      { "model.safetensors": WEIGHTS, "tokenizer.json": "{}", "vocab.json": "{}" },
      ["model.safetensors", "tokenizer.json"],
    ],
    ["the first of the weights", { "model.safetensors": WEIGHTS, "pytorch_model.bin": "p", "checkpoint.pth": "c" }, ["model.safetensors"]],
    ["the average beside others", { "pytorch_model.bin": "p", "checkpoint.pth": "c" }, ["pytorch_model.bin", "checkpoint.pth"]],
    [
      "the older form of GPT-2's tokenizer",
      { "checkpoint.pth": "c", "vocab.json": "{}", "merges.txt": "" },
      ["checkpoint.pth", "vocab.json", "merges.txt"],
    ],
    [
      "BERT's",
      { "pytorch_model.bin": "p", "vocab.txt": "[UNK]", "tokenizer_config.json": "{}" },
      ["pytorch_model.bin", "vocab.txt", "tokenizer_config.json"],
    ],
    [
      "parts of weights, each once",
      {
        "model.safetensors.index.json": JSON.stringify({
          weight_map: { a: "m-1.safetensors", b: "m-2.safetensors", c: "m-1.safetensors" },
        }),
        "m-1.safetensors": WEIGHTS,
        "m-2.safetensors": bytesOf(5),
      },
      ["model.safetensors.index.json", "m-1.safetensors", "m-2.safetensors"],
    ],
  ])("%s", async (_, files, wanted) => {
    const hub = await hubWith({ ...files, "README.md": "x", "optimizer.bin": WEIGHTS });
    const folder = await get();
    expect(folder).toBe(join(hub.cache, "hub", "someone--small.model"));
    expect(readdirSync(folder).sort()).toEqual([...wanted, "config.json", "download.json"].sort());
    for (const name of wanted) holds(folder, name, hub.files.get(`${ID}/${name}`)!);
    expect(hub.answers.filter((answer) => answer.endsWith(" 200"))).toEqual(["config.json", ...wanted].map((name) => `${name} 200`));
  });

  test("a second load asks nobody, also with the hub gone and offline", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    const folder = await get();
    const asked = hub.asked.length;
    expect(await get()).toBe(folder);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    vi.stubEnv("HF_ENDPOINT", "no address");
    expect(await get()).toBe(folder);
    expect(hub.asked).toHaveLength(asked);
  });

  test("what somebody removed comes again, and only that", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS, "tokenizer.json": "{}" });
    const folder = await get();
    rmSync(join(folder, "tokenizer.json"));
    hub.answers.length = 0;
    await get();
    expect(hub.answers).toEqual(["config.json 304", "model.safetensors 304", "tokenizer.json 200"]);
    expect(existsSync(join(folder, "tokenizer.json"))).toBe(true);
  });

  test("progress: every file from nothing to all of it", async () => {
    await hubWith({ "model.safetensors": WEIGHTS });
    const reports: Progress[] = [];
    await get({ onProgress: (progress) => reports.push(progress) });
    for (const [file, total] of [
      ["config.json", 2],
      ["model.safetensors", WEIGHTS.length],
    ] as const) {
      const own = reports.filter((report) => report.file === file);
      expect(own[0]).toEqual({ file, loaded: 0, total });
      expect(own.at(-1)).toEqual({ file, loaded: total, total });
    }
  });

  test("a configuration of no model that loads: nothing more is asked for", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    const check: HubOptions["check"] = (config, where) => {
      throw new UserError(`${where}: ${JSON.stringify(config)}`);
    };
    expect(await refusal(get({ check }))).toBe(`model ${ID}: config.json: {}`);
    expect(hub.answers).toEqual(["config.json 200"]);
  });
});

describe("interrupted", () => {
  /** The hub sends the beginning of the weights, once. */
  async function cut(then: "hang up" | "wait" = "hang up"): Promise<TestHub> {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.odd = (name, _, response, content) => {
      if (name !== "model.safetensors") return false;
      hub.odd = undefined;
      return sendPart(response, content, 100_000, then);
    };
    return hub;
  }
  const part = (hub: TestHub): number => statSync(join(hub.cache, "hub", "someone--small.model", "model.safetensors.part")).size;
  const rangeOf = (hub: TestHub): string | undefined => hub.asked.findLast(({ path }) => path.endsWith("model.safetensors"))!.headers.range;

  test("cut short: one line; the next load goes on from there", async () => {
    const hub = await cut();
    expect(await refusal(get())).toMatch(
      new RegExp(
        `^model ${ID}: model\\.safetensors broke off after \\d+ of 300000 bytes \\(\\w+\\); try again, which goes on from there if it can$`,
      ),
    );
    const size = part(hub);
    expect(size).toBeGreaterThan(0);
    hub.answers.length = 0;
    const reports: Progress[] = [];
    const folder = await get({ onProgress: (progress) => reports.push(progress) });
    holds(folder, "model.safetensors", WEIGHTS);
    expect(hub.answers.slice(0, 2)).toEqual(["config.json 304", "model.safetensors 206"]);
    expect(rangeOf(hub)).toBe(`bytes=${size}-`);
    expect(reports.find(({ file }) => file === "model.safetensors")).toEqual({ file: "model.safetensors", loaded: size, total: 300_000 });
    expect(readdirSync(folder).sort()).toEqual(["config.json", "download.json", "model.safetensors"]);
  });

  test("aborted: the signal's reason; what came is kept", async () => {
    const hub = await cut("wait");
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ loaded }: Progress): void => void (loaded > 50_000 && controller.abort(reason));
    await expect(get({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(part(hub)).toBeGreaterThan(50_000);
    holds(await get(), "model.safetensors", WEIGHTS);
    expect(hub.answers).toContain("model.safetensors 206");
  });

  test.each(["the server notices", "the server gives a range all the same", "it has become shorter"])(
    "the file changed in the meantime: it comes anew (%s)",
    async (how) => {
      const hub = await cut();
      await refusal(get());
      const changed = bytesOf(how.includes("shorter") ? 1000 : 300_000, 9);
      hub.files.set(`${ID}/model.safetensors`, changed);
      hub.commit = "c2";
      if (how !== "the server notices")
        hub.odd = (_, request, response, content) => {
          delete request.headers["if-range"];
          sendFile(request, response, content);
          return true;
        };
      hub.answers.length = 0;
      holds(await get(), "model.safetensors", changed);
      const inVain = how.includes("notices") ? [] : [`model.safetensors ${how.includes("shorter") ? 416 : 206}`];
      expect(hub.answers.slice(0, -3)).toEqual(["config.json 304", ...inVain, "model.safetensors 200"]); // and no tokenizer
    },
  );

  test("a server without ranges or tags: it comes anew", async () => {
    const hub = await cut();
    await refusal(get());
    hub.odd = (name, _, response, content) => name === "model.safetensors" && Boolean(response.writeHead(200).end(content));
    holds(await get(), "model.safetensors", WEIGHTS);
  });

  test("stopped between the last byte and the move: the last byte is asked for again", async () => {
    const hub = await cut();
    await refusal(get());
    writeFileSync(join(hub.cache, "hub", "someone--small.model", "model.safetensors.part"), WEIGHTS);
    holds(await get(), "model.safetensors", WEIGHTS);
    expect(rangeOf(hub)).toBe("bytes=299999-");
  });

  test("a file that came whole, but is another by now, comes again", async () => {
    const hub = await cut();
    hub.files.set(`${ID}/config.json`, text('{"a":1}'));
    await refusal(get());
    hub.files.set(`${ID}/config.json`, text('{"a":2}'));
    hub.odd = (name, _, response, content) => name === "config.json" && sendPart(response, content, 3, "hang up");
    expect(await refusal(get())).toContain("config.json broke off");
    hub.odd = undefined;
    holds(await get(), "config.json", text('{"a":2}'));
  });

  test("weights that the hub has taken back, and their parts, do not stand in the way", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS, "tokenizer.json": "{}" });
    const folder = await get();
    rmSync(join(folder, "tokenizer.json"));
    for (const name of ["model.safetensors", "tokenizer.json"]) hub.files.delete(`${ID}/${name}`);
    hub.files.set(`${ID}/pytorch_model.bin`, WEIGHTS);
    await get();
    expect(readdirSync(folder).sort()).toEqual(["config.json", "download.json", "pytorch_model.bin"]);
    const asked = hub.asked.length;
    await get();
    expect(hub.asked).toHaveLength(asked);
  });

  test("another state of the repository half-way: one line, and the next load is of one state", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.odd = (name) => {
      if (name === "config.json") hub.commit = "c2";
      return false;
    };
    expect(await refusal(get())).toBe(`model ${ID}: it changed at ${hub.address} while it was downloaded; load it again`);
    await get();
  });
});

describe("the token", () => {
  test("goes to the hub, and to no other origin that it sends to", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.token = "hf_secret";
    hub.elsewhere = /^model\.safetensors$/;
    vi.stubEnv("HF_TOKEN", " hf_secret\n");
    holds(await get(), "model.safetensors", WEIGHTS);
    const sent = hub.asked
      .filter(({ path }) => /config|model\.s[^.]*$/.test(path))
      .map(({ path, headers }) => [path, headers.authorization]);
    expect(sent).toEqual([
      [`${ID}/resolve/main/config.json`, "Bearer hf_secret"],
      [`${ID}/resolve/main/model.safetensors`, "Bearer hf_secret"],
      [`cdn ${ID}/model.safetensors`, undefined],
    ]);
  });

  test("goes along where the hub sends to another address of its own", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.token = "hf_secret";
    vi.stubEnv("HF_TOKEN", "hf_secret");
    hub.odd = (name, { url }, response) =>
      name === "config.json" && !url!.endsWith("?again") && Boolean(response.writeHead(307, { location: `${url}?again` }).end());
    holds(await get(), "config.json", text("{}"));
    expect(hub.answers.slice(0, 2)).toEqual(["config.json 307", "config.json 200"]);
  });

  test("a download that is gone on with elsewhere", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.elsewhere = /^model\.safetensors$/;
    hub.odd = (name, _, response, content) => name === "model.safetensors" && sendPart(response, content, 100_000, "hang up");
    await refusal(get());
    hub.odd = undefined;
    holds(await get(), "model.safetensors", WEIGHTS);
    expect(hub.answers).toContain("model.safetensors 206");
  });

  test("missing, wrong, or none that could be sent", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.token = "right";
    const says = `${NOT_HERE}${hub.address} answers 401: it has no such model, or gives it to those alone whose token may read it; HF_TOKEN `;
    expect(await refusal(get())).toBe(`${says}is not set`);
    vi.stubEnv("HF_TOKEN", "wrong");
    expect(await refusal(get())).toBe(`${says}holds one that may not`);
    vi.stubEnv("HF_TOKEN", "a\nb");
    expect(await refusal(get())).toBe("HF_TOKEN: holds characters that no token has");
  });
});

describe("refused in one line", () => {
  test("no such model, no weights, no such part", async () => {
    const hub = await hubWith({ "x.txt": "" });
    expect(await refusal(get({}, "no/one"))).toBe(
      `model no/one: no such folder and no shipped model; ${hub.address} has no such model, or no config.json of it`,
    );
    // At the same time too, when one takes the folder away under the other; none is left.
    await Promise.all(Array.from({ length: 4 }, async () => expect(await refusal(get({}, "no/one"))).toContain("has no such model")));
    expect(readdirSync(join(hub.cache, "hub"))).toEqual([]);
    expect(await refusal(get())).toBe(
      `model ${ID}: ${hub.address} has no weights of it; one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, checkpoint.pth would do`,
    );
    const index = (shard: unknown): void =>
      void hub.files.set(`${ID}/model.safetensors.index.json`, text(JSON.stringify({ weight_map: { a: shard } })));
    index("m-1.safetensors");
    expect(await refusal(get())).toBe(`model ${ID}: ${hub.address} has no m-1.safetensors, which its model.safetensors.index.json names`);
    for (const name of ["download.json", ".lock", ".x.safetensors"]) {
      index(name);
      expect(await refusal(get())).toContain(`names "${name}", which is no name of a part of the weights`);
    }
    for (const name of ["../x.safetensors", "a/b.safetensors", 3]) {
      index(name);
      expect(await refusal(get())).toContain("which is not a file of its folder");
    }
  });

  test("a hub that is not there, is no hub, is out of order, or sends round in circles", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    hub.odd = (_, _request, response) => Boolean(response.writeHead(503).end());
    expect(await refusal(get())).toBe(`${NOT_HERE}${hub.address} answers 503; try again later`);
    hub.odd = (_, _request, response) => Boolean(response.writeHead(304).end());
    expect(await refusal(get())).toBe(`model ${ID}: ${hub.address} answers 304 for config.json; try again later`);
    hub.odd = (_, _request, response) => Boolean(response.writeHead(200, { "content-type": "text/html" }).end("<html>"));
    expect(await refusal(get())).toBe(`${NOT_HERE}${hub.address} answers with a web page, as no hub does`);
    for (const location of ["config.json", "file:///etc/passwd", "http://"]) {
      hub.odd = (_, _request, response) => Boolean(response.writeHead(302, { location }).end());
      expect(await refusal(get())).toBe(`model ${ID}: ${hub.address} sends from one address to another, and nowhere to config.json`);
    }
    const free = await freePort();
    vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${free}/`);
    expect(await refusal(get())).toBe(
      `${NOT_HERE}http://127.0.0.1:${free} cannot be reached (ECONNREFUSED); the path of a folder that was downloaded would do too`,
    );
    vi.stubEnv("HF_ENDPOINT", "hub.example");
    expect(await refusal(get())).toBe("HF_ENDPOINT hub.example: is no address of a hub; for example https://huggingface.co");
  });

  test("offline, and not here", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    const folder = join(hub.cache, "hub", "someone--small.model");
    expect(await refusal(get())).toBe(`${NOT_HERE}HF_HUB_OFFLINE is set, and it is not, or not all of it, in ${folder}`);
    expect([hub.asked, existsSync(folder)]).toEqual([[], false]);
  });

  test("a body that is shorter than its server says", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    // Node's server would not send such an answer itself.
    hub.odd = (_, { socket }) => Boolean(socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"));
    expect(await refusal(get())).toMatch(/config\.json broke off after \d of 10 bytes/);
    expect(existsSync(join(hub.cache, "hub", "someone--small.model", "config.json"))).toBe(false);
  });

  test("the cache is no folder", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    writeFileSync(join(hub.cache, "file"), "");
    vi.stubEnv("SEDD_CACHE", join(hub.cache, "file"));
    expect(await refusal(get())).toMatch(
      /^model .*: no such folder and no shipped model; cannot make the folder .*: a part of the path is a file, not a folder; SEDD_CACHE/,
    );
  });

  test("a full disk", async ({ skip }) => {
    skip(!existsSync("/dev/full"), "this system has no /dev/full");
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    const folder = join(hub.cache, "hub", "someone--small.model");
    mkdirSync(folder, { recursive: true });
    symlinkSync("/dev/full", join(folder, "model.safetensors.part"));
    expect(await refusal(get())).toBe(`cannot write ${join(folder, "model.safetensors")}: the disk is full`);
    rmSync(join(folder, "model.safetensors.part"));
    holds(await get(), "model.safetensors", WEIGHTS);
  });
});

describe("at the same time", () => {
  test("loads of one model download it once", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS, "tokenizer.json": "{}" });
    const folders = await Promise.all([get(), get(), get()]);
    expect(new Set(folders).size).toBe(1);
    expect(hub.answers).toEqual(["config.json 200", "model.safetensors 200", "tokenizer.json 200"]);
    expect(readdirSync(folders[0]!).sort()).toEqual(["config.json", "download.json", "model.safetensors", "tokenizer.json"]);
  });

  test("another process that downloads is waited for; the signal ends the wait", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    const folder = join(hub.cache, "hub", "someone--small.model");
    mkdirSync(folder, { recursive: true });
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    try {
      writeFileSync(join(folder, ".lock"), `${other.pid}\n`);
      const controller = new AbortController();
      const reason = new Error("enough");
      setTimeout(() => controller.abort(reason), 300);
      await expect(get({ signal: controller.signal })).rejects.toBe(reason);
      const waiting = get();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(hub.asked).toEqual([]);
      rmSync(join(folder, ".lock"));
      holds(await waiting, "model.safetensors", WEIGHTS);
    } finally {
      other.kill();
    }
  });

  test("the lock of one that ended without a word is taken over", async () => {
    const hub = await hubWith({ "model.safetensors": WEIGHTS });
    const folder = join(hub.cache, "hub", "someone--small.model");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, ".lock"), "999999999\n");
    await get();
    expect(existsSync(join(folder, ".lock"))).toBe(false);
  });
});
