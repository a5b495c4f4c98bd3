/** A comparison's files: report.json for machines, report.html for readers, and its plots by themselves for other texts. */
import { joinPath, makeFolder, writeFileAtomic } from "#platform";
import { figures } from "./figures.ts";
import { reportPage } from "./html.ts";
import { svg } from "./plot.ts";
import { type Report, reportSchema } from "./schema.ts";

/**
 * Writes `report.json`, `report.html` and `plots/*.svg`, each whole or not at all, into a folder that is made where it is missing.
 * @throws UserError for a folder that cannot be written to; a ZodError for a report with a wrong field or a number without its card, before anything is written
 */
export async function writeReport(folder: string, report: Report): Promise<void> {
  const page = await reportPage(reportSchema.parse(report));
  await makeFolder(folder);
  await writeFileAtomic(joinPath(folder, "report.html"), page);
  const plots = joinPath(folder, "plots");
  await makeFolder(plots);
  for (const plot of Object.values(figures(report)).flat())
    await writeFileAtomic(joinPath(plots, `${plot.id}.svg`), `${await svg(plot)}\n`);
  // Last: where it is, all is.
  await writeFileAtomic(joinPath(folder, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
}
