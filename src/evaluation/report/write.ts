/** A comparison's two files: report.json for machines, report.html for readers. */
import { joinPath, makeFolder, writeFileAtomic } from "#platform";
import { reportPage } from "./html.ts";
import { type Report, reportSchema } from "./schema.ts";

/**
 * Writes both files, each whole or not at all, into a folder that is made where it is missing.
 * @throws UserError for a folder that cannot be written to; a ZodError for a report with a wrong field or a number without its card, before anything is written
 */
export async function writeReport(folder: string, report: Report): Promise<void> {
  const page = await reportPage(reportSchema.parse(report));
  await makeFolder(folder);
  await writeFileAtomic(joinPath(folder, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  await writeFileAtomic(joinPath(folder, "report.html"), page);
}
