/** Who may ask: the API key, names of this host that a browser may have come by, other origins; and the headers that keep browsers careful. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { ApiError } from "./errors.ts";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** `Authorization: Bearer KEY`, compared in constant time: digests of one length, whatever was sent. */
export function requireKey(key: string): MiddlewareHandler {
  const wanted = digest(key);
  return async (c, next) => {
    const given = /^Bearer\s+(.+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
    if (!timingSafeEqual(digest(given.trim()), wanted)) {
      c.header("www-authenticate", "Bearer");
      throw new ApiError(401, "the API key is missing or wrong; send the header Authorization: Bearer KEY", { code: "invalid_api_key" });
    }
    await next();
  };
}

/** Names and addresses by which a machine reaches itself alone. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host);

/**
 * On loopback alone: refuses other names for this host. A page of the internet whose name was made to point to 127.0.0.1 (DNS rebinding) would be of the
 * server's own origin otherwise.
 */
export const onlyLocalNames: MiddlewareHandler = async (c, next) => {
  const host = c.req.header("host") ?? "";
  if (!isLoopback(host.replace(/:\d+$/, "")))
    throw new ApiError(403, "this server listens on loopback and answers to its local names alone, such as 127.0.0.1 or localhost");
  await next();
};

/** An origin as browsers write it, such as https://example.org, http://localhost:5173 or app://obsidian.md; "*" is any. */
export function isOrigin(text: string): boolean {
  if (text === "*") return true;
  if (!/^[a-z][a-z\d+.-]*:\/\/[^/?#\s]+$/.test(text) || !URL.canParse(text)) return false;
  // Other schemes have no origin to the URL standard, but browsers write one.
  return !/^https?:/.test(text) || new URL(text).origin === text;
}

/**
 * Other origins that pages may call from. What headers a call has is the client's affair (OpenAI's adds a dozen of its own): those that are asked for are allowed.
 * No cookies: who may call is said by the key alone.
 */
export const allowOrigins = (origins: readonly string[]): MiddlewareHandler =>
  cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "POST"],
    exposeHeaders: ["retry-after", "x-should-retry"],
    maxAge: 600,
  });

/**
 * For every answer. Opener and embedder policies isolate the origin, which is what gives a page threads for WebAssembly. `style` is the digest of the style
 * sheet that stands in pages: all that an answer may use, unless it has a content security policy of its own.
 */
export function headers(style: string): MiddlewareHandler {
  const secure = secureHeaders({
    crossOriginEmbedderPolicy: "require-corp",
    crossOriginOpenerPolicy: "same-origin",
    crossOriginResourcePolicy: "same-origin",
    referrerPolicy: "no-referrer",
    xFrameOptions: "DENY",
    strictTransportSecurity: false, // for the proxy that has the certificate to say
  });
  const policy = `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return async (c, next) => {
    await secure(c, next);
    if (!c.res.headers.has("content-security-policy")) c.res.headers.set("content-security-policy", policy);
  };
}
