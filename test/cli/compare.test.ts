/** `sedd compare`: what is told while it goes, what is left to do after Ctrl-C, and what is refused. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { comparisonSetting } from "../evaluation/comparison-fixture.ts";
import { cli, hasPipes, pipeIn, recorded, temporaryFolder } from "./support.ts";

test("tells what is trained and measured and of how much, stops at Ctrl-C with 130, and goes on from there", async () => {
  const { recipe, out } = comparisonSetting((setting) => (setting.contestants = { mlm: {}, ar: {} }));
  const stop = new AbortController();
  const stderr = recorded();
  const watched = {
    ...stderr,
    write(piece: string) {
      stderr.write(piece);
      if (piece.includes("measurement 2 of 12")) stop.abort();
    },
    get text() {
      return stderr.text;
    },
  };
  const stopped = await cli(["compare", recipe, "--out", out], { stderr: watched, signal: stop.signal });
  expect(stopped).toMatchObject({ code: 130, stdout: "" });
  // Side by side, whichever begins first.
  for (const begun of ["1 of 3: mlm, 4 steps", "2 of 3: ar, 4 steps"]) expect(stopped.stderr).toContain(`sedd: training ${begun}\n`);
  for (const step of ["mlm: step 1/4 ", "ar: step 4/4 ", "judge: step 8/8 "]) expect(stopped.stderr).toContain(`\n${step}`);
  expect(stopped.stderr).toContain("sedd: training 3 of 3: judge, 8 steps\n");
  expect(stopped.stderr).toMatch(/sedd: measurement 2 of 12: mlm masked, [\d.]+ s\nsedd: stopping; what is done is kept[^\n]*\n$/);

  const rest = await cli(["compare", recipe, "--out", out]);
  expect(rest).toMatchObject({ code: 0, stdout: "" });
  expect(rest.stderr).toContain("sedd: measurement 2 of 12: mlm masked, kept\nsedd: measurement 3 of 12: mlm infilling, ");
  expect(rest.stderr.endsWith(`sedd: 2 models compared; the report is ${join(out, "report.html")}\n`)).toBe(true);
  expect(rest.stderr).not.toContain("step 4/4");

  const again = await cli(["compare", recipe, "--out", out]);
  expect(again.stderr).toContain(`the report is as it was: ${join(out, "report.html")}\n`);
});

test("a recipe that is missing, or beside --quick, is refused in one line", async () => {
  expect(await cli(["compare", "/nowhere.yaml"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^sedd: .*\/nowhere\.yaml.*\n$/),
  });
  expect(await cli(["compare", "x.yaml", "--quick"])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^sedd: recipe x\.yaml: --quick has its own.*\n$/) }); // prettier-ignore
});

test("where the package's own recipe is not, it says where it is", async () => {
  const here = process.cwd();
  onTestFinished(() => process.chdir(here));
  process.chdir(await temporaryFolder());
  for (const [args, recipe] of [
    [[], "recipes/compare.yaml"],
    [["--quick"], "recipes/compare-quick.yaml"],
  ] as const)
    expect(await cli(["compare", ...args])).toEqual({
      ...{ code: 2, stdout: "" },
      stderr: `sedd: there is no ${recipe} here; the comparison runs in a checkout of the repository, or by a recipe of your own\n`,
    });
});

test("a pipe is no training text", async ({ skip }) => {
  skip(!hasPipes, "Windows has no named pipes in folders");
  const pipe = pipeIn(await temporaryFolder());
  const { recipe, out } = comparisonSetting(({ training }) => (training["data"] = { train: [pipe], valid: [pipe] }));
  const line = `sedd: cannot read ${pipe}: it is a pipe or a device, and is read more than once; write it to a file first\n`;
  expect(await cli(["compare", recipe, "--out", out])).toEqual({ code: 2, stdout: "", stderr: line });
});
