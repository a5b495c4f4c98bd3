/** The documentation page: the OpenAPI document as plain HTML, without scripts, and without anything from elsewhere. */
import { createHash } from "node:crypto";

interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> };
}

export interface Document {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const style = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
`;

/** What the content security policy lets through. */
export const styleDigest = createHash("sha256").update(style).digest("base64");

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export function docsPage({ info, paths = {} }: Document): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => section(path, method, operation)),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(info.title)}</title><style>${style}</style></head>
<body><h1>${escaped(info.title)} ${escaped(info.version)}</h1>
<p>${escaped(info.description ?? "")} The same for machines: <a href="openapi.json">openapi.json</a>.</p>
${operations.join("\n")}
</body></html>
`;
}

function section(path: string, method: string, { summary = "", description = "", requestBody }: Operation): string {
  const schema = requestBody?.content?.["application/json"]?.schema;
  const rows = Object.entries(schema?.properties ?? {}).map(([name, property]) => {
    const needed = schema?.required?.includes(name) ? " (required)" : "";
    return `<tr><td><code>${escaped(name)}</code>${needed}</td><td>${escaped([property.type ?? ""].flat().join(" or "))}</td><td>${escaped(property.description ?? "")}</td></tr>`;
  });
  const table = rows.length === 0 ? "" : `<table><tr><th>field</th><th>type</th><th>what</th></tr>${rows.join("")}</table>`;
  return `<h2><code>${method.toUpperCase()} ${escaped(path)}</code></h2><p>${escaped(summary)}. ${escaped(description)}</p>${table}`;
}
