/** `sedd serve`: models over HTTP. */
import { Option } from "commander";
import type { Define } from "./commands.ts";
import { notice, type Io } from "./io.ts";
import { collect, filled, positive, whole, within } from "./options.ts";

export const define: Define = (command, io) =>
  void command
    .addHelpText(
      "after",
      `
Every option but --config can be set by SEDD_… (--api-key: SEDD_API_KEY; --no-batching: SEDD_BATCHING=false) and in the --config file (apiKey, batching) as well; a flag comes first, then the environment, then the file.
docs/server.md says what is served. Example:
  curl http://127.0.0.1:8080/v1/completions -H "content-type: application/json" -d '{"prompt":"Once upon a time","suffix":" The end."}'`,
    )
    .option("--host <H>", "the address to listen on; 0.0.0.0 is every one (default: 127.0.0.1)", filled("--host", "127.0.0.1"))
    .option("--port <P>", "0 takes a free one (default: 8080)", whole("--port", { min: 0, max: 65_535, example: 8080 }))
    .option(
      "--model <M>",
      "a model's folder, shipped name or id on the hub (owner/name), or ID=FOLDER; repeat for more (default: fairytales)",
      collect,
    )
    .option("--api-key <KEY>", "clients must send it; better in SEDD_API_KEY, where others do not see it")
    .option(
      "--cors-origin <URL>",
      "pages of this origin may call, such as https://app.example, or * for any; repeat for more (default: none)",
      collect,
    )
    .addOption(new Option("--device <D>", "what computes (default: cpu)").choices(["cpu", "wasm"]))
    .addOption(new Option("--weights <W>", "of a training run (default: ema)").choices(["ema", "raw"]))
    .option("--threads <N>", "threads of the network (default: all cores)", whole("--threads", { min: 1, max: 256, example: 2 }))
    .option("--no-batching", "requests do not share calls of the network")
    .option("--rows <N>", "texts written at once by a model (default: 32)", whole("--rows", { min: 1, max: 1024, example: 32 }))
    .option(
      "--queue <N>",
      "requests that may wait for a model; more get 429; 0: none waits (default: 128)",
      whole("--queue", { min: 0, max: 100_000, example: 128 }),
    )
    .option("--time-limit <S>", "seconds a request may take (default: 120)", positive("--time-limit", { max: 86_400, example: 60 }))
    .option(
      "--grace <S>",
      "seconds that requests have to end when the server stops (default: 10)",
      within("--grace", { min: 0, max: 3600, example: 60 }),
    )
    .option(
      "--body-limit <B>",
      "bytes of a request (default: 1048576)",
      whole("--body-limit", { min: 1024, max: 2 ** 30, example: 1_048_576 }),
    )
    .option("--texts <N>", "texts of a request at most (default: 16)", whole("--texts", { min: 1, max: 1024, example: 16 }))
    .option("--steps <N>", "steps of a request at most (default: 4096)", whole("--steps", { min: 1, max: 100_000, example: 1024 }))
    .option("--trust-proxy", "clients are told apart by the last address of X-Forwarded-For")
    .addOption(new Option("--log-level <L>", "what is logged (default: info)").choices(["silent", "error", "warn", "info", "debug"]))
    .option("--log-texts", "write what users send into the log")
    .option("--config <file>", "settings in YAML or JSON", filled("--config", "server.yaml"))
    .action(async ({ config, ...flags }: { config?: string; batching?: boolean }) => run(flags, config, io));

async function run({ batching, ...flags }: Record<string, unknown>, config: string | undefined, io: Io): Promise<void> {
  const [{ readSettings, strayVariables, variables }, { serve }, { showingDownloads }] = await Promise.all([
    import("../server/settings.ts"),
    import("../server/server.ts"),
    import("./download-progress.ts"),
  ]);
  // Commander gives true where --no-batching is not there.
  const settings = await readSettings({ ...flags, ...(batching === false ? { batching } : {}) }, io.env, config);
  const stray = strayVariables(io.env);
  if (stray.length > 0) notice(io, `${stray.join(", ")}: not a setting of the server, ignored; there are ${variables.join(", ")}`);
  const server = await showingDownloads(io.stderr, (onProgress) => serve(settings, { log: io.stderr, signal: io.signal, onProgress }));
  notice(io, `${settings.model.join(", ")} on ${server.address} (/docs says how to ask); Ctrl-C stops`);
  if (!io.signal.aborted) await new Promise<void>((resolve) => io.signal.addEventListener("abort", () => resolve(), { once: true }));
  await server.stop();
}
