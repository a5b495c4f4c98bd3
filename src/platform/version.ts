/** The version of this package, as its package.json has it. */
import { joinPath, packageFolder, readText } from "#platform";

export async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readText(joinPath(packageFolder(), "package.json"))) as { version: string };
  return version;
}
