/** The server: models in their threads, the application on a socket, and an end in good order. */
import { createAdaptorServer } from "@hono/node-server";
import type { Server } from "node:http";
import { pino } from "pino";
import { messageOf, UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";
import { packageVersion } from "../platform/version.ts";
import { createApp } from "./app.ts";
import { modelHost, type ModelHost } from "./host.ts";
import { createMetrics } from "./metrics.ts";
import { namesOf } from "./names.ts";
import { builtPage, shippedFolder } from "./page-files.ts";
import type { Connection, WorkerSettings } from "./protocol.ts";
import { isLoopback } from "./security.ts";
import type { Settings } from "./settings.ts";
import { startWorker } from "./worker.ts";

export interface Running {
  /** Where it listens, for example http://127.0.0.1:8080. */
  readonly address: string;
  /** Takes no more, lets what runs end for as long as the settings say, and closes. */
  stop(): Promise<void>;
}

/** `onProgress`, `signal`: of models that are downloaded first. */
export interface ServeOptions extends OpenOptions {
  /** Where log lines go. */
  readonly log: { write(line: string): unknown };
  /** How a model's worker is started; default in a thread. */
  readonly connect?: (settings: WorkerSettings) => Connection;
  /** The folder of the built page; default the one in the package. */
  readonly page?: string;
}

/** Starts it, and returns when every model is loaded. UserError for a model that does not load or an address that cannot be had. */
export async function serve(
  settings: Settings,
  { log, connect = startWorker, page = builtPage(), onProgress, signal }: ServeOptions,
): Promise<Running> {
  const logger = pino(
    { level: settings.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    log as { write(line: string): void },
  );
  const hosts = new Map<string, ModelHost>();
  const metrics = createMetrics(hosts);
  const shipped = new Map<string, string>();
  const stopHosts = (grace: number) => Promise.all([...hosts.values()].map((host) => host.stop(grace)));
  let stopping = false;
  try {
    for (const [id, path] of await namesOf(settings.model, { onProgress, signal })) {
      const folder = await shippedFolder(path);
      if (folder !== undefined) shipped.set(path, folder);
      const { threads, device, weights, queue, timeLimit } = settings;
      const maxRows = settings.rows;
      hosts.set(
        id,
        modelHost({
          id,
          connect: () => connect({ id, path, device, weights, threads, maxRows: settings.batching ? maxRows : 1 }),
          maxRows,
          queueLimit: queue,
          timeLimit: timeLimit * 1000,
          onCall(rows, runs) {
            metrics.callRows.observe({ model: id }, rows);
            metrics.callRuns.observe({ model: id }, runs);
          },
          onLost(failure) {
            metrics.lost.inc({ model: id });
            logger.error({ model: id }, `worker lost${failure}`);
          },
        }),
      );
    }
    const app = createApp({
      service: {
        hosts,
        metrics,
        limits: { body: settings.bodyLimit, texts: settings.texts, steps: settings.steps },
        trustProxy: settings.trustProxy,
      },
      version: packageVersion,
      page: { folder: page, models: shipped },
      apiKey: settings.apiKey,
      corsOrigins: settings.corsOrigin,
      loopback: isLoopback(settings.host),
      logTexts: settings.logTexts,
      log: (line) => logger.info(line, "request"),
      onFailure: (error) => logger.error({ error: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, "failure"),
      stopping: () => stopping,
    });
    // Listens at once, so that /health answers while models load; /ready says when they are.
    const server = createAdaptorServer({ fetch: app.fetch }) as Server;
    const address = await listen(server, settings);
    try {
      await Promise.all([...hosts.values()].map(({ loaded }) => loaded));
    } catch (error) {
      server.close();
      server.closeAllConnections();
      throw error;
    }
    logger.info({ address, models: [...hosts.keys()] }, "listening");
    return {
      address,
      async stop() {
        stopping = true;
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeIdleConnections();
        await stopHosts(settings.grace * 1000);
        // What is written is being sent; connections that only wait for another request are closed.
        server.closeIdleConnections();
        const timer = setTimeout(() => server.closeAllConnections(), 1000);
        await closed;
        clearTimeout(timer);
        logger.info("stopped");
      },
    };
  } catch (error) {
    await stopHosts(0);
    throw error;
  }
}

function listen(server: Server, { host, port }: Pick<Settings, "host" | "port">): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "is taken by another program; give another --port, or 0 for a free one" : error.message;
      reject(new UserError(`address ${host}:${port}: ${why}`));
    });
    server.listen(port, host, () => {
      const bound = server.address();
      const actual = typeof bound === "object" && bound ? bound.port : port;
      resolve(`http://${host.includes(":") ? `[${host}]` : host}:${actual}`);
    });
  });
}
