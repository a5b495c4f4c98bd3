/**
 * Abuse, driven by the server's own OpenAPI document: whatever is sent, the answer is a result or an error of the sender's in the envelope, holds nothing of the
 * inside, and the server goes on. In this suite against a tiny model; `SEDD_FUZZ=10000 npx vitest run test/server/fuzz.test.ts` (after npm run build)
 * sends as many to a real `sedd serve` with the shipped model, then half as many ordinary ones, and prints how its memory grew over them.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { gunzipSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { packageFolder } from "#platform";
import { mutated, valid, type Schema } from "./schema-bodies.ts";
import { raw, serveTiny } from "./support.ts";

const long = Number(process.env["SEDD_FUZZ"] ?? 0);
const JSON_TYPE = { "content-type": "application/json" };

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

async function send(address: string, { method, path, headers, body }: Sent): Promise<Answer> {
  const answer = await raw(address, path, headers, method, body);
  // A request may have asked for it.
  const decode = { gzip: gunzipSync, deflate: inflateSync }[answer.headers["content-encoding"] ?? ""] ?? ((bytes: Buffer) => bytes);
  const text = (answer.body.length ? decode(answer.body) : answer.body).toString();
  return { status: answer.status, type: answer.headers["content-type"] ?? "", text };
}

/** What may be sent, by the document of the server at an address. */
async function requestsOf(address: string): Promise<fc.Arbitrary<Sent>> {
  const document = JSON.parse((await send(address, { method: "GET", path: "/openapi.json", headers: {} })).text) as {
    paths: Record<string, Record<string, { requestBody?: { content: { "application/json": { schema: Schema } } } }>>;
  };
  const { data } = JSON.parse((await send(address, { method: "GET", path: "/v1/models", headers: {} })).text) as { data: { id: string }[] };
  const known = { model: fc.constantFrom(null, ...data.map(({ id }) => id)) };
  const paths = Object.keys(document.paths);
  const posts = Object.entries(document.paths).flatMap(([path, { post }]) =>
    post?.requestBody ? [[path, post.requestBody] as const] : [],
  );
  expect(posts.length).toBeGreaterThan(5);

  const sound = fc.constantFrom(...posts).chain(([path, { content }]) => {
    const bodies = valid(content["application/json"].schema, known);
    return fc
      .oneof(bodies, mutated(bodies))
      .map((body): Sent => ({ method: "POST", path, headers: JSON_TYPE, body: JSON.stringify(body) }));
  });
  /** The same with a body that is none, or is called something else. */
  const garbled = fc
    .tuple(
      sound,
      fc.oneof(
        fc.double({ min: 0, max: 1, noNaN: true }).map((share) => (body: string) => body.slice(0, Math.floor(share * body.length))),
        fc.constantFrom<((body: string) => string | Uint8Array)[]>(
          () => "",
          () => "[".repeat(50_000),
          () => `{"a":`.repeat(20_000),
          () => '{"prompt": NaN}',
          () => '{"prompt": "a", "prompt": 5, "__proto__": {"n": 3}}',
          () => `{"prompt": ${"9".repeat(400)}, "seed": 1e400}`,
          (body) => `\ufeff${body}`,
          (body) => Uint8Array.of(0xff, 0xfe, ...new TextEncoder().encode(body), 0xc3),
        ),
        fc.uint8Array({ maxLength: 64 }).map((bytes) => () => bytes),
      ),
      fc.constantFrom(
        ...[
          "application/json",
          "application/json; charset=utf-16",
          "APPLICATION/JSON;",
          "text/plain",
          "application/jsonp",
          "multipart/form-data",
          "",
        ],
      ),
    )
    .map(([sent, garble, type]): Sent => ({ ...sent, headers: { "content-type": type }, body: garble(String(sent.body)) }));
  const places = fc.oneof(
    fc.constantFrom(...paths.map((path) => path.replace("{model}", data[0]!.id)), "/", "/docs", "/openapi.json", "/models/index.json"),
    fc.constantFrom(
      ...[
        "//",
        "/%",
        "/%ff",
        "/%00",
        "/v1/models/%E0%A4%A",
        "/v1/models/..%2f..",
        "/v1/../health",
        "/assets/..%2f..%2fpackage.json",
        "/runtime/%2e%2e",
      ],
      ...[
        "/v1/completions/",
        "/V1/completions",
        "/v1//completions",
        "/health?x=%",
        "/health#x",
        "/models/constructor/config.json",
        `/${"a".repeat(7000)}`,
      ],
    ),
    fc.webPath().map((path) => path || "/"),
  );
  const headers = fc.dictionary(
    fc.constantFrom(
      ...["host", "authorization", "accept", "accept-encoding", "content-encoding", "range", "if-none-match", "if-range", "origin"],
      ...["x-forwarded-for", "cookie", "expect", "transfer-encoding", "connection", "x-http-method-override"],
    ),
    fc.oneof(
      fc.constantFrom("", "*", "gzip;q=0", "bytes=-1", "bytes=0-", "Bearer", "evil.example", "keep-alive", "chunked", "a,".repeat(500)),
      fc.webFragments(),
    ),
    { maxKeys: 3 },
  );
  const elsewhere = fc
    .tuple(fc.constantFrom("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"), places, headers)
    .map(([method, path, headers]): Sent => ({ method, path, headers }));
  return fc.oneof({ weight: 6, arbitrary: sound }, { weight: 2, arbitrary: garbled }, { weight: 2, arbitrary: elsewhere });
}

const inside = /node_modules|file:\/\/|\.[cm]?[jt]s:\d+|\n\s+at /;

/** One request and what must hold of its answer. */
async function check(address: string, sent: Sent): Promise<number> {
  const { status, type, text } = await send(address, sent);
  const about = `${status} ${text.slice(0, 300)}`;
  // 504: valid, and more work than this server has time for.
  expect(status < 500 || status === 504, about).toBe(true);
  expect(text).not.toContain("internal_error");
  if (status < 400) {
    if (type.startsWith("text/event-stream")) expect(text, about).toMatch(/^: begun\n\n(data: .*\n\n)*$/);
    return status;
  }
  expect(text).not.toMatch(inside);
  expect(text).not.toContain(packageFolder());
  // What is no HTTP never comes as far as the routes; what a HEAD would have got is not sent.
  if (text !== "" || ![400, 417, 431].includes(status)) {
    if (sent.method === "HEAD") return status;
    const error = {
      message: expect.any(String),
      type: expect.any(String),
      param: expect.toSatisfy(orNull),
      code: expect.toSatisfy(orNull),
    };
    expect(JSON.parse(text), about).toEqual({ error });
  }
  return status;
}
const orNull = (value: unknown): boolean => value === null || typeof value === "string";

async function fuzz(address: string, numRuns: number): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(await requestsOf(address), async (sent) => {
      const status = await check(address, sent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }),
    // Shrinking would send thousands more.
    { numRuns, seed: 5, endOnFailure: true },
  );
  expect((await send(address, { method: "GET", path: "/ready", headers: {} })).status).toBe(200);
  expect(await metric(address, "sedd_workers_lost_total")).toBe(0);
  return statuses;
}

async function metric(address: string, name: string): Promise<number> {
  const { text } = await send(address, { method: "GET", path: "/metrics", headers: {} });
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? 0);
}

if (!long)
  test("no request brings it down, and no answer is a failure of ours", async () => {
    const { address, log } = await serveTiny({ steps: 8, texts: 4, timeLimit: 5 });
    const statuses = await fuzz(address, 400);
    // It went through the doors, and not only against them.
    for (const status of [200, 400, 404, 415]) expect(statuses.get(status) ?? 0).toBeGreaterThan(8);
    expect(log()).not.toContain('"msg":"failure"');
  });

/** A server of its own process; ends with the test. */
async function startServer(): Promise<string> {
  const flags = ["--port", "0", "--log-level", "error", "--steps", "8", "--texts", "2", "--time-limit", "5"];
  const child = spawn(process.execPath, [join(packageFolder(), "bin", "sedd.js"), "serve", ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill());
  let said = "";
  return new Promise((resolve, reject) => {
    child.stderr.on("data", (piece: Buffer) => {
      said += piece.toString();
      const [address] = /http:\/\/[\d.]+:\d+/.exec(said) ?? [];
      if (address) resolve(address);
    });
    child.on("exit", () => reject(new Error(said)));
  });
}

/** Requests as programs send them, wrong ones among them. */
const ordinary = (k: number): Sent => {
  const post = (path: string, body: object): Sent => ({
    method: "POST",
    path,
    headers: JSON_TYPE,
    body: JSON.stringify({ ...body, seed: k }),
  });
  const requests = [
    post("/v1/completions", { prompt: "Once upon a time", max_tokens: 8, steps: 4 }),
    post("/v1/completions", { prompt: "Once", suffix: " end.", max_tokens: 8, steps: 4, stream: true, n: 2 }),
    post("/v1/infill", { template: "The [[4]] saw the [[4]].", steps: 4, stream: true, diffusing: true }),
    post("/v1/score", { template: "The[[ king]] was", samples: 4 }),
    { ...post("/v1/laws", {}), body: JSON.stringify({ tokens: [5, 2048, 7], sigma: 1 }) },
    post("/v1/completions", { prompt: 5 }),
    { method: "GET", path: "/", headers: { "accept-encoding": "gzip" } },
    { method: "GET", path: "/health", headers: {} },
  ];
  return requests[k % requests.length]!;
};

/** The least-squares line through points: its slope, and the standard error of that. */
function slopeOf(points: readonly (readonly [number, number])[]): { slope: number; error: number } {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x0, y0] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - y0 - slope * (x - x0)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (points.length - 2) / spread) };
}

if (long)
  test(
    "a real server, many requests: no failure, and memory that stays",
    async () => {
      const address = await startServer();
      const statuses = await fuzz(address, long);
      console.log(`${long} fuzzed requests: ${[...statuses].sort().map(([status, count]) => `${status} × ${count}`).join(", ")}`); // prettier-ignore
      const count = Math.ceil(long / 2);
      const points: [number, number][] = [];
      for (let k = 0; k < count; k++) {
        const { status, text } = await send(address, ordinary(k));
        expect([200, 302, 400], text).toContain(status);
        if (k % 10 === 0) points.push([k, await metric(address, "process_resident_memory_bytes")]);
      }
      // The first fifth warms up: shapes are compiled, the heap finds its size.
      const { slope, error } = slopeOf(points.filter(([k]) => k >= count / 5));
      const last = (points.at(-1)![1] / 1e6).toFixed(0);
      console.log(`${count} ordinary requests: ${slope.toFixed(0)} ± ${error.toFixed(0)} bytes a request (least squares after the first fifth), ${last} MB at the end`); // prettier-ignore
      // A shorter run is warming up all along.
      if (long >= 10_000) expect(slope - 2 * error).toBeLessThan(2048);
    },
    6 * 3600_000,
  );
