/**
 * The one-way rule of the house: a room imports only from rooms that stand before it in ROOMS. `npm run imports` checks it, and so does
 * `npm test`. docs/architecture.md says what each room is.
 */

/** From the ground up. A name that ends in .ts is a file. */
const ROOMS = [
  "platform",
  "tensor",
  "formats",
  "text",
  "diffusion",
  "network",
  "objectives",
  "model.ts",
  "training",
  "evaluation",
  "index.ts",
  "server",
  "cli",
];

const pathOf = (room) => (room.endsWith(".ts") ? `^src/${room.replace(".", "\\.")}$` : `^src/${room}/`);

const oneWay = ROOMS.slice(0, -1).map((room, i) => ({
  name: `${room.replace(".ts", "")}-imports-downwards`,
  comment: `${room} may import only itself and: ${ROOMS.slice(0, i).join(", ") || "nothing else of src"}`,
  severity: "error",
  from: { path: pathOf(room) },
  to: { path: ROOMS.slice(i + 1).map(pathOf) },
}));

const RUNTIME = "(^#onnxruntime|node_modules/onnxruntime-|^onnxruntime-)";
const EXECUTION = "^src/tensor/execution\\.ts$";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    ...oneWay,
    {
      name: "every-file-has-a-room",
      comment: "a file in src/ belongs to a room of ROOMS (.dependency-cruiser.mjs)",
      severity: "error",
      from: { path: "^src/", pathNot: ROOMS.map(pathOf) },
      to: {},
    },
    {
      name: "mathematics-never-executes",
      comment: "diffusion/ and network/ may trace programs but not run them",
      severity: "error",
      from: { path: "^src/(diffusion|network)/" },
      to: { path: EXECUTION },
    },
    {
      name: "one-door-to-the-runtime",
      comment: "only src/tensor/execution.ts imports ONNX Runtime",
      severity: "error",
      from: { path: "^src/", pathNot: EXECUTION },
      to: { path: RUNTIME },
    },
    {
      name: "source-stands-alone",
      comment: "src/ imports nothing of test/, bench/, playground/ or examples/",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|playground|examples|dist)/" },
    },
    {
      name: "the-page-uses-public-names",
      comment: "playground/ imports of src/ what index.ts exports, as any page could",
      severity: "error",
      from: { path: "^playground/" },
      to: { path: "^(src/(?!index\\.ts$)|test/|bench/|examples/)" },
    },
    {
      name: "no-cycles",
      comment: "files do not import in circles",
      severity: "error",
      // The one exception: a broadcast's gradient is a sum and a sum's gradient a broadcast, so operations call each other's inside functions.
      from: { pathNot: "^src/tensor/operations/" },
      // Types vanish in the build, so a circle through them is none.
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "everything-resolves",
      comment: "an import that leads nowhere",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "declared-dependencies",
      comment: "src/ imports only what package.json has under dependencies (types may come from devDependencies)",
      severity: "error",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"],
        dependencyTypesNot: ["type-only", "type-import", "aliased-subpath-import"],
      },
    },
  ],
  required: [
    {
      name: "the-runtime-has-its-door",
      comment: "src/tensor/execution.ts is where ONNX Runtime is imported",
      severity: "error",
      module: { path: EXECUTION },
      to: { path: RUNTIME },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|node_modules/\\.cache)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      conditionNames: ["source", "node", "import", "types", "default"],
      exportsFields: ["exports"],
      mainFields: ["module", "main", "types"],
    },
  },
};
