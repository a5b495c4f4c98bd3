import { describe, expect, test } from "vitest";
import { reportError } from "../../src/cli/program.ts";
import { UserError } from "../../src/platform/errors.ts";
import { cli, recorded } from "./support.ts";

const whole = (flag: string, value: string, range: string): RegExp =>
  new RegExp(`^sedd: ${flag} ${value}: expected a whole number from ${range}, for example ${flag} \\d+\\n$`);
const TOO_LARGE = "99999999999999999999";

describe("a wrong argument ends with 2 and one line that names it, its value and what would do", () => {
  test.each<[string[], RegExp]>([
    [["sample", "--steps", "0"], whole("--steps", "0", "1 to 100000")],
    [["sample", "--steps", TOO_LARGE], whole("--steps", TOO_LARGE, "1 to 100000")],
    [["sample", "--steps", "1e3"], whole("--steps", "1e3", "1 to 100000")],
    [["sample", "--steps", "NaN"], whole("--steps", "NaN", "1 to 100000")],
    [["sample", "--steps", ""], whole("--steps", '""', "1 to 100000")],
    [["sample", "--count", "-1"], whole("--count", "-1", "1 to 10000")],
    [["sample", "--length", "abc"], whole("--length", "abc", "1 to 65536")],
    [["infill", "a [[2]]", "--length", "70000"], whole("--length", "70000", "1 to 65536")],
    [["sample", "--seed", "1.5"], whole("--seed", "1.5", "0 to 9007199254740991")],
    [["sample", "--seed", "9007199254740993"], whole("--seed", "9007199254740993", "0 to 9007199254740991")],
    [["sample", "--threads", "0x10"], whole("--threads", "0x10", "1 to 256")],
    [["eval", "--data", "x", "--samples", "1"], whole("--samples", "1", "2 to 100000")],
    [["tokenizer", "train", "--data", "x", "--out", "y", "--size", "0"], whole("--size", "0", "1 to 1048576")],
    [
      ["sample", "--sampler", "ddim"],
      /'--sampler <name>' argument 'ddim' is invalid\. Allowed choices are analytic, euler, first-hitting, left-to-right; see sedd sample --help\n$/,
    ],
    [["sample", "--device", "tpu"], /'--device <D>' argument 'tpu' is invalid\. Allowed choices are cpu, wasm; see/],
    [["sample", "--model", ""], /^sedd: --model "": empty; expected for example --model fairytales\n$/],
    [["sample", "--model", "./nowhere/at-all"], /^sedd: model \.\/nowhere\/at-all: no such folder and no shipped model; .*\n$/],
    [["sample", "--stepz", "4"], /^sedd: unknown option '--stepz' \(Did you mean --steps\?\); see sedd sample --help\n$/],
    [["sample", "--steps"], /^sedd: option '--steps <K>' argument missing; see sedd sample --help\n$/],
    [["sample", "hello"], /^sedd: argument hello: sample takes no argument; see sedd sample --help\n$/],
    [
      ["infill", "Once", "upon"],
      /^sedd: argument upon: infill takes 1 argument \(a text of several words goes in quotes\); see sedd infill --help\n$/,
    ],
    [
      ["infill", "- Once [[3]]"],
      /^sedd: unknown option '- Once \[\[3\]\]'; put -- before a text that begins with a dash; see sedd infill --help\n$/,
    ],
    [["smaple"], /^sedd: unknown command 'smaple' \(Did you mean sample\?\); see sedd --help\n$/],
    [["tokenizer", "trian"], /^sedd: unknown command 'trian' \(Did you mean train\?\); see sedd tokenizer --help\n$/],
    [["help", "smaple"], /^sedd: unknown command 'smaple' \(Did you mean sample\?\); see sedd --help\n$/],
    [["--debug", "help", "nosuch"], /^sedd: unknown command 'nosuch'; see sedd --help\n$/],
    [["nosuch", "--help"], /^sedd: unknown command 'nosuch'; see sedd --help\n$/],
    [["help", "tokenizer", "trian"], /^sedd: unknown command 'trian' \(Did you mean train\?\); see sedd tokenizer --help\n$/],
    [["replay", "run.jsonl", "--tolerance", "0.001"], /^sedd: --tolerance 0\.001: needs --verify, without which nothing is compared\n$/],
    [
      ["score", "[[a]]", "--candidate", "b", "--top", "3"],
      /^sedd: --top 3: lists .*, and candidates are ranked without it; leave it out\n$/,
    ],
    [["score", "[[a]]", "--candidates", "nowhere.txt", "--top", "0"], /^sedd: --top 0: .*\n$/],
    [["serve", "--grace", "4000"], /^sedd: --grace 4000: expected a number from 0 to 3600, for example --grace 60\n$/],
    [["serve", "--grace", "-1"], /^sedd: --grace -1: expected a number from 0 to 3600, .*\n$/],
    [["serve", "--grace", "0", "--port", "65536"], whole("--port", "65536", "0 to 65535")], // 0 will do
    [["serve", "--grace", "0.5", "--port", "65536"], whole("--port", "65536", "0 to 65535")],
    [["train"], /^sedd: missing required argument 'recipe'; see sedd train --help\n$/],
    [["train", "nowhere.yaml"], /^sedd: cannot read nowhere\.yaml: there is no such file or folder\n$/],
    [["eval"], /^sedd: required option '--data <file>' not specified; see sedd eval --help\n$/],
    [["eval", "--data", "nowhere.txt"], /^sedd: cannot read nowhere\.txt: there is no such file or folder\n$/],
    [
      ["tokenizer", "train", "--data", "x", "--out", "y"],
      /^sedd: --size: none given; a bpe tokenizer needs one, for example --size 2048\n$/,
    ],
  ])("%j", async (argv, line) => {
    const { code, stdout, stderr } = await cli(argv);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd()).not.toContain("\n");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

test.each([[[]], [["tokenizer"]]])("a command that needs a subcommand shows its help on standard error: %j", async (argv) => {
  const { code, stdout, stderr } = await cli(argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("Commands:");
});

test("help and version go to standard output and end with 0", async () => {
  expect(await cli(["--version"])).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" });
  const help = await cli(["sample", "--help"]);
  expect(help).toEqual({ code: 0, stdout: expect.stringContaining("--steps <K>"), stderr: "" });
  expect(await cli(["help", "sample"])).toEqual(help);
  expect(await cli(["--debug", "help", "sample"])).toEqual(help);
  expect(await cli(["help", "tokenizer", "train"])).toEqual(await cli(["tokenizer", "train", "--help"]));
  expect(await cli(["help", "help"])).toEqual(await cli(["--help"]));
  expect(await cli(["help"])).toEqual(await cli(["--help"]));
});

test("a user's mistake is one line, a failure of ours says so; the stack only with --debug", () => {
  const report = (error: unknown, debug: boolean): [number, string] => {
    const stderr = recorded();
    return [reportError(error, stderr, debug), stderr.text];
  };
  expect(report(new UserError("--x 1: no;\n  two would do"), false)).toEqual([2, "sedd: --x 1: no; two would do\n"]);
  expect(report(new Error("broken"), false)).toEqual([1, "sedd: internal error: broken (--debug shows where)\n"]);
  expect(report("thrown text", false)).toEqual([1, "sedd: internal error: thrown text (--debug shows where)\n"]);
  expect(report(new Error("broken"), true)).toEqual([1, expect.stringMatching(/^sedd: internal error: broken\nError: broken\n {4}at /)]);
});
