import { expect, test } from "vitest";
import { shippedModels } from "../../src/model.ts";
import { cli } from "./support.ts";

test("doctor runs a program on both devices; one line a question", async () => {
  const shipped = await shippedModels();
  const { code, stdout } = await cli(["doctor"]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.map((line) => line.split(/\s+/)[0])).toEqual(["node", "platform", "cores", "cpu", "wasm", "models"]);
  expect(lines.slice(0, 5).map((line) => line.split(/\s+/)[1])).toEqual(Array(5).fill("ok"));
  expect(lines[5]).toMatch(shipped.length > 0 ? /ok .*M parameters/ : /FAIL/);
  expect(code).toBe(shipped.length > 0 ? 0 : 2);
});

test("models lists what the package ships, as text and as JSON", async () => {
  const names = await shippedModels();
  const [text, json] = [await cli(["models"]), await cli(["models", "--json"])];
  expect([text.code, json.code]).toEqual([0, 0]);
  const objects = json.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { name: string; parameters: number; bytes: number });
  expect(objects.map(({ name }) => name)).toEqual(names);
  for (const { name, parameters, bytes } of objects) {
    expect(text.stdout).toContain(`${name}  ${(parameters / 1e6).toFixed(1)} M parameters`);
    expect(bytes).toBeGreaterThan(parameters); // at least a byte a parameter
  }
});
