/** The page and its files over HTTP. They hold nothing secret, so no key is asked for; models are served only if they come with the package. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { compress } from "hono/compress";
import { exists, joinPath } from "#platform";
import { modelFiles, modelIndex, runtimeFiles, runtimeFolder } from "./page-files.ts";
import { sendFile } from "./send-file.ts";

export interface PageOptions {
  /** Of the built page; without one, / leads to the documentation. */
  readonly folder: string;
  /** Folders of the models that browsers may have, by name. */
  readonly models: ReadonlyMap<string, string>;
}

/** What the page may do: its own scripts and WebAssembly, calls to where it came from, and nothing else. Workers have the policy of their own answer. */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  ...["worker-src", "style-src", "connect-src", "font-src"].map((source) => `${source} 'self'`),
  "img-src 'self' data:",
  ...["base-uri", "form-action", "frame-ancestors"].map((source) => `${source} 'none'`),
].join("; ");

export function page(app: OpenAPIHono, { folder, models }: PageOptions): void {
  const send = async (c: Context, file: string, caching: string): Promise<Response> => {
    c.header("content-security-policy", policy);
    return (await sendFile(c, file, caching)) ?? c.notFound();
  };
  const always = "public, max-age=31536000, immutable";
  for (const path of ["/", "/assets/*", "/runtime/*", "/models/*"]) app.use(path, compress());
  app.get("/", async (c) => {
    const file = joinPath(folder, "index.html");
    return (await exists(file)) ? send(c, file, "no-cache") : c.redirect("docs");
  });
  app.get("/assets/:name{[\\w-][\\w.-]*}", (c) => send(c, joinPath(folder, "assets", c.req.param("name")), always));
  app.get("/runtime/:name", (c) => {
    const name = c.req.param("name");
    return runtimeFiles.includes(name) ? send(c, joinPath(runtimeFolder(), name), "no-cache") : c.notFound();
  });
  app.get("/models/index.json", async (c) =>
    c.body(await modelIndex(models), 200, { "content-type": "application/json", "cache-control": "no-cache" }),
  );
  app.get("/models/:model/:file", (c) => {
    const { model, file } = c.req.param();
    const found = models.get(model);
    return found !== undefined && modelFiles.includes(file) ? send(c, joinPath(found, file), "no-cache") : c.notFound();
  });
}
