import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { reportPage } from "../../src/evaluation/report/html.ts";
import { plain, withError } from "../../src/evaluation/report/numbers.ts";
import { type Report, contestantNames, reportSchema } from "../../src/evaluation/report/schema.ts";
import { writeReport } from "../../src/evaluation/report/write.ts";
import { UserError } from "../../src/platform/errors.ts";
import { syntheticReport } from "./report-fixture.ts";

const hostile = `</pre></style><script>alert("1")</script><img src=x onerror='alert(2)'>`;

/** Every text that a report holds, replaced; keys, kinds and other words with a meaning stay. */
function poisoned(report: Report): Report {
  const kept = new Set(["kind", "protocol", "created"]);
  return JSON.parse(
    JSON.stringify(report, (key, value: unknown) => (typeof value === "string" && !kept.has(key) ? hostile : value)),
  ) as Report;
}

describe("the page", () => {
  it("needs nothing from elsewhere and runs nothing", async () => {
    const page = await reportPage(syntheticReport());
    expect(page).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|url\(|@import/i);
    // The name of the SVG format is the only address; nothing is fetched from it.
    expect([...page.matchAll(/https?:\/\/[^"\s]*/g)].filter(([address]) => address !== "http://www.w3.org/2000/svg")).toEqual([]);
  });

  it("shows what a report holds as text, never as markup", async () => {
    const page = await reportPage(reportSchema.parse(poisoned(syntheticReport())));
    expect(page).not.toMatch(/<script|<img/);
    expect(page.match(/<\/style>/g)).toHaveLength((page.match(/<style>/g) ?? []).length);
    expect(page.split("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;").length).toBeGreaterThan(50);
  });

  it("leads from every number to a card, by links that end somewhere", async () => {
    const report = syntheticReport();
    const page = await reportPage(report);
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    const targets = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id!);
    expect(targets.filter((id) => !ids.includes(id))).toEqual([]);
    for (const id of Object.keys(report.protocols)) expect(targets).toContain(`card-${id}`);
    // In a table, what has an error is a link.
    expect(page.match(/<td[^>]*>[^<]*±/g)).toBeNull();
  });

  it("names pictures and tables for those who do not see them", async () => {
    const page = await reportPage(syntheticReport());
    const count = (what: RegExp): number => (page.match(what) ?? []).length;
    expect(count(/<svg/g)).toBe(8);
    expect(count(/<svg[^>]* role="img"[^>]* aria-labelledby="/g)).toBe(8);
    expect(count(/<title id=/g)).toBe(8);
    expect(count(/<desc id=/g)).toBe(8);
    expect(count(/<caption>/g)).toBe(count(/<table>/g));
    expect(count(/<details>/g)).toBe(3);
  });

  it("shows every sample whole, in order", async () => {
    const report = syntheticReport();
    const texts = ["\nfirst\n\n  second line", "b", "a"];
    report.models = { ar: { ...report.models.ar!, samples: texts.map((text, seed) => ({ seed, text })) } };
    const page = await reportPage(report);
    // HTML drops one line end after <pre>.
    expect([...page.matchAll(/<pre>\n([^<]*)<\/pre>/g)].map(([, text]) => text)).toEqual(texts);
    expect([...page.matchAll(/seed (\d+)</g)].map(([, seed]) => Number(seed))).toEqual([0, 1, 2]);
  });

  it("is made of a partial report too, and says what is missing and why", async () => {
    const report = syntheticReport();
    const { parameters, differs, tokensSeen, trainingSeconds } = report.models.ar!;
    const bare = { parameters, differs, tokensSeen, trainingSeconds };
    report.models = { ar: bare, mlm: { ...bare, likelihood: { not: "no likelihood & no bound" } } };
    report.protocols = {};
    delete report.reference;
    const page = await reportPage(reportSchema.parse(report));
    expect(page).toContain("not measured yet");
    expect(page).toContain("no likelihood &amp; no bound");
    expect(page).not.toMatch(/<svg|NaN|undefined|Infinity|\[object/);
    expect(await reportPage({ ...report, models: {} })).toContain("No models");
  });

  it.each(["likelihood", "curve", "generation", "mauve", "quality", "infilling", "speed", "masked", "samples"] as const)(
    "holds without %s of some models",
    async (key) => {
      const report = syntheticReport();
      for (const name of contestantNames.slice(1)) delete report.models[name]![key];
      expect(await reportPage(reportSchema.parse(report))).not.toMatch(/NaN|undefined|Infinity|\[object/);
      delete report.models["sedd-absorb"]![key];
      expect(await reportPage(reportSchema.parse(report))).not.toMatch(/NaN|undefined|Infinity|\[object/);
    },
  );
});

describe("numbers", () => {
  it.each([
    [2.80132, 0.0419, "2.801 ± 0.042"],
    [1234.5, 13, "1,235 ± 13"],
    [1234.5, 250, "1,235 ± 250"],
    [0.5, 0.00012, "0.50000 ± 0.00012"],
    [4.11834, 0, "4.1183"],
  ])("%d with error %d is %s", (value, standardError, text) => expect(withError({ value, standardError })).toBe(text));
  it("without an error have five digits", () => expect([plain(0), plain(1e6), plain(0.00123456)]).toEqual(["0", "1,000,000", "0.0012346"]));
});

describe("the schema", () => {
  it("refuses a number without its card", () => {
    const report = syntheticReport();
    delete report.protocols.mauve;
    expect(() => reportSchema.parse(report)).toThrow("no card for mauve");
  });
  it("refuses an estimate without its error, a perplexity of 0 and a model of another name", () => {
    const refused = (pattern: RegExp, by: string): boolean => {
      const text = JSON.stringify(syntheticReport());
      expect(text).toMatch(pattern);
      return !reportSchema.safeParse(JSON.parse(text.replace(pattern, by))).success;
    };
    expect(refused(/,"standardError":[\d.]+/, "")).toBe(true);
    expect(refused(/"perplexity":\{"value":[\d.]+/, '"perplexity":{"value":0')).toBe(true);
    expect(refused(/"ardm":/, '"gpt":')).toBe(true);
    expect(refused(/"synthetic"/, '"another"')).toBe(false);
  });
});

describe("writing", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sedd-report-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("leaves the JSON, which is the report, the page, and the page's plots one by one", async () => {
    const inside = join(folder, "new", "report");
    await writeReport(inside, syntheticReport());
    expect(await readdir(inside)).toEqual(["plots", "report.html", "report.json"]);
    const page = await readFile(join(inside, "report.html"), "utf8");
    const plots = await readdir(join(inside, "plots"));
    expect(plots).toHaveLength(8);
    for (const plot of plots) expect(page).toContain((await readFile(join(inside, "plots", plot), "utf8")).trim());
    expect(JSON.parse(await readFile(join(inside, "report.json"), "utf8"))).toEqual(syntheticReport());
    expect(page).toBe(await reportPage(syntheticReport()));
  });
  it("writes nothing of a report that is wrong", async () => {
    await expect(writeReport(folder, { ...syntheticReport(), protocols: {} })).rejects.toThrow("no card for likelihood");
    expect(await readdir(folder)).toEqual([]);
  });
  it("says in one line that a file is in the way", async () => {
    await writeFile(join(folder, "taken"), "");
    const error: unknown = await writeReport(join(folder, "taken"), syntheticReport()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^cannot .*taken.*: .*file.*$/);
  });
  it("says in one line that a folder may not be written to", async (context) => {
    if (process.getuid?.() === 0) context.skip("the superuser may write anywhere");
    await chmod(folder, 0o555);
    const error: unknown = await writeReport(folder, syntheticReport()).catch((error: unknown) => error);
    await chmod(folder, 0o755);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toBe(`cannot write ${join(folder, "report.html")}: permission denied`);
  });
});
