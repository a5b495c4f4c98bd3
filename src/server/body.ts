/** Bodies: read as JSON, checked strictly, and described in the OpenAPI document by the same schema. */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { ApiError } from "./errors.ts";

export interface PostRoute<S extends z.ZodType> {
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly schema: S;
  /** Media types of the answer, and what they are. */
  readonly answers: Readonly<Record<string, string>>;
}

/** Error answers, as the document describes them. */
const errorSchema = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string().nullable() }),
});
const errors: Record<number, string> = {
  400: "the body is wrong",
  401: "the API key is missing or wrong",
  404: "the model does not exist",
  413: "the body is too large",
  415: "the body is not JSON",
  429: "too many requests wait; Retry-After says when to try again",
  503: "the server is stopping, or the model's worker stopped",
  504: "the request took too long",
};

/** A body as routes see it: a field that is null is one that was left out. */
export type Given<T> = { [K in keyof T]: Exclude<T[K], null> };

/** A POST route with a checked JSON body. */
export function post<S extends z.ZodType>(
  app: OpenAPIHono,
  { path, summary, description, schema, answers }: PostRoute<S>,
  handle: (c: Context, body: Given<z.output<S>>) => Promise<Response>,
): void {
  app.openAPIRegistry.registerPath({
    method: "post",
    path,
    summary,
    description,
    request: { body: { required: true, content: { "application/json": { schema } } } },
    responses: {
      200: {
        description: Object.values(answers).join("; "),
        content: Object.fromEntries(
          Object.keys(answers).map((type) => [type, { schema: type === "application/json" ? z.looseObject({}) : z.string() }]),
        ),
      },
      ...Object.fromEntries(
        Object.entries(errors).map(([status, text]) => [
          status,
          { description: text, content: { "application/json": { schema: errorSchema } } },
        ]),
      ),
    },
  });
  app.post(path, async (c) => handle(c, await checkedBody(c, schema)));
}

async function checkedBody<S extends z.ZodType>(c: Context, schema: S): Promise<Given<z.output<S>>> {
  // Also what keeps pages of other origins out: without a preflight a browser sends no JSON.
  if (!/^application\/json\s*(;|$)/i.test(c.req.header("content-type") ?? ""))
    throw new ApiError(415, "the body must be JSON, with the header content-type: application/json");
  let json: unknown;
  try {
    const text = await c.req.text();
    c.set("body", text);
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new ApiError(400, "the body is not valid JSON", { code: "invalid_json" });
    throw error;
  }
  const result = schema.safeParse(json);
  if (result.success)
    return Object.fromEntries(Object.entries(result.data as object).filter(([, value]) => value !== null)) as Given<z.output<S>>;
  const issue = deepest(result.error.issues[0]!);
  const param = issue.path.join(".") || undefined;
  if (issue.code === "unrecognized_keys") {
    const name = [...issue.path, issue.keys[0]!].join(".");
    throw new ApiError(400, `${name}: no such field here; see /docs for those there are`, { param: name, code: "unknown_field" });
  }
  throw new ApiError(400, `${param ?? "the body"}: ${issue.message}`, { param, code: "invalid_value" });
}

type Issue = z.core.$ZodIssue;

/** Of a union, the complaint of the branch that came closest, unless the union has a message of its own. */
function deepest(issue: Issue): Issue {
  if (issue.code !== "invalid_union" || issue.message !== "Invalid input") return issue;
  const branches = issue.errors.flatMap(([first]) => (first ? [{ ...first, path: [...issue.path, ...first.path] } as Issue] : []));
  const best = branches.sort((a, b) => b.path.length - a.path.length)[0];
  return best ? deepest(best) : issue;
}
