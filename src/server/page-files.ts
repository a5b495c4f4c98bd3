/**
 * What the page consists of, as `sedd serve` serves it and `sedd playground` writes it: the built page, the runtime's files that browsers load, and models.
 *   index.html, assets/…    the page (dist/playground/); names in assets/ hold a digest of the content
 *   runtime/…               ONNX Runtime for WebAssembly and WebGPU
 *   models/index.json       which models lie beside it: { models: [{ name, bytes }] }
 *   models/NAME/…           each of them
 */
import { createRequire } from "node:module";
import { dirName, exists, fileSize, joinPath, packageFolder } from "#platform";
import { findModel } from "../model.ts";

/** Where the build puts the page. */
export const builtPage = (): string => joinPath(packageFolder(), "dist", "playground");

/** Of the runtime's many builds, those of the devices wasm and webgpu. */
export const runtimeFiles = ["", ".asyncify"].flatMap((build) => ["mjs", "wasm"].map((end) => `ort-wasm-simd-threaded${build}.${end}`));
export const runtimeFolder = (): string => dirName(createRequire(import.meta.url).resolve(`onnxruntime-web/${runtimeFiles[0]}`));

export const modelFiles = ["config.json", "model.safetensors", "tokenizer.json"];

/** The folder of a model that comes with the package; undefined for any other. */
export async function shippedFolder(name: string): Promise<string | undefined> {
  const folder = joinPath(packageFolder(), "models", name);
  return (await findModel(name)) === folder && (await exists(joinPath(folder, "tokenizer.json"))) ? folder : undefined;
}

/** models/index.json for model folders by name. */
export async function modelIndex(folders: Iterable<readonly [string, string]>): Promise<string> {
  const entries = Array.from(folders, async ([name, folder]) => {
    const sizes = await Promise.all(modelFiles.map((file) => fileSize(joinPath(folder, file))));
    return { name, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  });
  return `${JSON.stringify({ models: await Promise.all(entries) })}\n`;
}
