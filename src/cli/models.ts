/** `sedd models`: what comes with the package. Reads configurations, not weights. */
import { fileSize, joinPath } from "#platform";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";

export interface ModelSummary {
  readonly name: string;
  readonly parameters: number;
  /** Tokens. */
  readonly length: number;
  /** Bytes of the weights' file. */
  readonly bytes: number;
  readonly parameterization: string;
  readonly folder: string;
}

export const define: Define = (command, io) =>
  void command.option("--json", "print one JSON object a line").action((options: { json?: true }) => run(options, io));

async function run({ json }: { json?: true }, io: Io): Promise<void> {
  const models = await summaries();
  if (json) for (const model of models) io.stdout.write(`${JSON.stringify(model)}\n`);
  else if (models.length === 0) io.stderr.write("sedd: no models in this package\n");
  else io.stdout.write(models.map((model) => `${describe(model)}\n`).join(""));
}

export const describe = ({ name, parameters, length, bytes, parameterization }: ModelSummary): string =>
  `${name}  ${(parameters / 1e6).toFixed(1)} M parameters  length ${length}  ${(bytes / 1e6).toFixed(1)} MB  ${parameterization}`;

/** The shipped models, by name. */
export async function summaries(): Promise<ModelSummary[]> {
  const [{ findModel, shippedModels }, { readModelConfig }, { readSeddConfig }, { dditParameters }, { Layout }] = await Promise.all([
    import("../model.ts"),
    import("../formats/hub.ts"),
    import("../objectives/sedd-config.ts"),
    import("../network/ddit.ts"),
    import("../tensor/index.ts"),
  ]);
  const summarise = async (name: string): Promise<ModelSummary> => {
    const folder = await findModel(name);
    const { sedd, length } = readSeddConfig(await readModelConfig(folder), joinPath(folder, "config.json"));
    const parameters = new Layout(dditParameters(sedd.network)).size;
    const bytes = await fileSize(joinPath(folder, "model.safetensors"));
    return { name, parameters, length, bytes, parameterization: sedd.parameterization, folder };
  };
  return Promise.all((await shippedModels()).map(summarise));
}
