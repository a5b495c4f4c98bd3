#!/usr/bin/env node
// Starts the built command line (dist/cli/main.js). Plain JavaScript: an old Node or a checkout that is not built gets a sentence, not a stack.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`sedd: Node ${process.versions.node} is too old; Node 20.19 or newer would do`);
  process.exit(2);
}

let cli;
try {
  cli = await import("../dist/cli/main.js");
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND" || !String(error.url ?? error.message).includes("dist")) throw error;
  console.error(`sedd: not built (${error.message.split("\n")[0]}); run npm ci, or npm run build, in the package's folder`);
  process.exit(2);
}
await cli.main(process.argv.slice(2));
