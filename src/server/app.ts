/** The application: middleware, routes, errors. It knows requests and answers; sockets are server.ts's, models the hosts'. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { routePath } from "hono/route";
import { completions } from "./completions.ts";
import { hostOf, type Service } from "./context.ts";
import { docsPage, styleDigest, type Document } from "./docs-page.ts";
import { ApiError, apiError } from "./errors.ts";
import { infill } from "./infill.ts";
import { laws } from "./laws.ts";
import { likelihood } from "./likelihood.ts";
import { llamaInfill } from "./llama-infill.ts";
import { page, type PageOptions } from "./page.ts";
import { schemasOf } from "./schemas.ts";
import { score } from "./score.ts";
import { allowOrigins, headers, onlyLocalNames, requireKey } from "./security.ts";
import { tokens } from "./tokens.ts";

/** One line of the log. Never texts, unless asked. */
export interface RequestLog {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly milliseconds: number;
  readonly body?: string;
}

export interface AppOptions {
  readonly service: Service;
  readonly version: string;
  readonly page: PageOptions;
  readonly apiKey?: string | undefined;
  /** Origins of pages that may call; none by default. */
  readonly corsOrigins: readonly string[];
  /** Answers to local names alone. */
  readonly loopback: boolean;
  readonly logTexts: boolean;
  readonly log: (line: RequestLog) => void;
  /** Failures of ours, whole; answers say nothing of them. */
  readonly onFailure: (error: unknown) => void;
  readonly stopping: () => boolean;
}

declare module "hono" {
  interface ContextVariableMap {
    /** What failed after the answer had begun. */
    failure: unknown;
    /** The body that was read: not that of a request which was refused before. */
    body: string;
  }
}

export function createApp(options: AppOptions): OpenAPIHono {
  const { service, version, apiKey, corsOrigins, loopback } = options;
  const { hosts, limits, metrics } = service;
  const app = new OpenAPIHono();
  const started = Math.floor(Date.now() / 1000);

  app.use(logged(options));
  app.use(headers(styleDigest));
  if (loopback) app.use(onlyLocalNames);
  if (corsOrigins.length > 0) app.use(allowOrigins(corsOrigins));
  if (apiKey !== undefined) for (const path of ["/v1/*", "/infill", "/metrics"]) app.use(path, requireKey(apiKey));
  app.use(
    bodyLimit({
      maxSize: limits.body,
      onError: () => {
        throw new ApiError(413, `the body is larger than the ${limits.body} bytes that are taken`, { code: "too_large" });
      },
    }),
  );

  const schemas = schemasOf(limits);
  completions(app, service, schemas);
  infill(app, service, schemas);
  llamaInfill(app, service, schemas);
  score(app, service, schemas);
  laws(app, service, schemas);
  likelihood(app, service, schemas);
  tokens(app, service, schemas);

  const get = (path: string, summary: string, handle: (c: Context) => Response | Promise<Response>): void => {
    app.openAPIRegistry.registerPath({
      method: "get",
      path: path.replace(/:(\w+)$/, "{$1}"),
      summary,
      responses: { 200: { description: summary } },
    });
    app.get(path, handle);
  };
  const entry = (id: string) => {
    const { card, state } = hosts.get(id)!;
    const head = { id, object: "model", created: started, owned_by: "sedd", ready: state.ready };
    // While it loads for the first time nothing is known of it.
    if (!card) return head;
    const { length, longest, parameterCount: parameters, vocabularySize: vocabulary, graph, mask, objective } = card;
    return {
      ...head,
      length,
      longest,
      parameters,
      vocabulary,
      graph,
      mask,
      objective,
      limits: { steps: limits.steps, texts: limits.texts },
    };
  };
  get("/v1/models", "The models that are served", (c) => c.json({ object: "list", data: [...hosts.keys()].map(entry) }));
  get("/v1/models/:model", "One of them", (c) => c.json(entry(hostOf(service, c.req.param("model")).id)));
  get("/health", "The process answers", (c) => c.json({ status: "ok" }));
  get("/ready", "All models are loaded, and requests are taken", (c) => {
    const waiting = [...hosts].filter(([, { state }]) => !state.ready).map(([id]) => id);
    const ready = waiting.length === 0 && !options.stopping();
    return c.json(
      { status: ready ? "ready" : options.stopping() ? "stopping" : "loading", ...(ready ? {} : { waiting }) },
      ready ? 200 : 503,
    );
  });
  get("/metrics", "Figures for Prometheus", async (c) => {
    const { type, body } = await metrics.text();
    return c.body(body, 200, { "content-type": type });
  });

  const description = "Text by score-entropy discrete diffusion: written anywhere in a text, in any order.";
  const document = app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "sedd", version, description } });
  app.get("/openapi.json", (c) => c.json(document));
  app.get("/docs", (c) => c.html(docsPage(document as unknown as Document)));
  page(app, options.page);

  app.notFound((c) =>
    answer(
      c,
      new ApiError(404, `there is no ${c.req.method} ${new URL(c.req.url).pathname} here; /docs lists what there is`, {
        code: "not_found",
      }),
    ),
  );
  app.onError((error, c) => {
    c.set("failure", error);
    return answer(c, apiError(error));
  });
  return app;
}

function answer(c: Context, error: ApiError): Response {
  if (error.details.retryAfter !== undefined) c.header("retry-after", String(error.details.retryAfter));
  // OpenAI's clients send again whatever fails on the server's side; what took too long would do so again, and once more.
  if (error.status === 504) c.header("x-should-retry", "false");
  return c.json(error.body, error.status);
}

/** Counts and logs each request at the end of its answer, and failures of ours with what is behind them. */
function logged({ service, log, logTexts, onFailure }: AppOptions) {
  return async (c: Context, next: () => Promise<void>): Promise<void> => {
    const begin = performance.now();
    await next();
    const route = c.res.status === 404 ? "unknown" : routePath(c, -1);
    const { signal } = c.req.raw;
    const left = (): void => finish();
    let finished = false;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      // Node 20 keeps a request's signal until the request is collected: a listener that holds the request keeps both for ever.
      signal.removeEventListener("abort", left);
      const milliseconds = performance.now() - begin;
      const gone = signal.aborted;
      const failure = c.get("failure") as unknown;
      if (failure !== undefined && !(failure instanceof ApiError) && !gone) onFailure(failure);
      // 499: the client left before the answer, as proxies write it.
      const status = gone ? 499 : c.res.status;
      service.metrics.requests.inc({ route, status: String(status) });
      service.metrics.seconds.observe({ route }, milliseconds / 1000);
      const body = logTexts && c.get("body") !== undefined ? { body: c.get("body") } : {};
      log({ method: c.req.method, route, status, milliseconds: Math.round(milliseconds), ...body });
    };
    const stream = c.res.headers.get("content-type")?.startsWith("text/event-stream") ? c.res.body : null;
    if (!stream) return finish();
    signal.addEventListener("abort", left, { once: true });
    c.res = new Response(stream.pipeThrough(new TransformStream({ flush: finish })), c.res);
    return undefined;
  };
}
