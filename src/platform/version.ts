/** The version of this package, as its package.json has it. */
import { joinPath, packageFolder, readText } from "#platform";

let reading: Promise<string> | undefined;

export const packageVersion = (): Promise<string> =>
  (reading ??= readText(joinPath(packageFolder(), "package.json")).then((text) => (JSON.parse(text) as { version: string }).version));
