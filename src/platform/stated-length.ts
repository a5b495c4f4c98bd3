/** A file's length as its server states it; a compressed transfer states its own length, not the file's. */
export function statedLength(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length !== null && (headers.get("content-encoding") ?? "identity") === "identity" ? Number(length) : undefined;
}
