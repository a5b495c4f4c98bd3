/**
 * Server-sent events. The answer begins only when the work has something to say, so that what fails before is an ordinary error; what fails later is an event.
 * What a slow client has not read yet is replaced by newer news of the same thing where that may be.
 */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { apiError } from "./errors.ts";

export interface Sender {
  /** Makes the answer begin. */
  begin(): void;
  /**
   * @param replaces an unsent message of the same key is dropped for this one
   * @param merge makes one message of the unsent one and this, where something of it must not be lost
   */
  send<T>(message: T, replaces?: string, merge?: (unsent: T, message: T) => T): void;
}

export interface EventOptions {
  /** Ends with `data: [DONE]`, as OpenAI's streams do. */
  readonly doneMark: boolean;
  /** Called when the client is gone. */
  readonly onGone: (reason: unknown) => void;
}

export async function respondWithEvents(
  c: Context,
  work: (sender: Sender) => Promise<void>,
  { doneMark, onGone }: EventOptions,
): Promise<Response> {
  const box: { message: unknown; key: string | undefined }[] = [];
  let wake = (): void => undefined;
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let finished = false;
  const sender: Sender = {
    begin,
    send(message, key, merge = (_, latest) => latest) {
      const old = key === undefined ? undefined : box.find((unsent) => unsent.key === key);
      if (old) old.message = merge(old.message as typeof message, message);
      else box.push({ message, key });
      begin();
      wake();
    },
  };
  const working = work(sender).finally(() => {
    finished = true;
    wake();
  });
  // Rejects for what is wrong before anything was sent.
  await Promise.race([begun, working]);
  // No proxy may keep events back to send them together.
  c.header("x-accel-buffering", "no");
  return streamSSE(c, async (stream) => {
    stream.onAbort(() => onGone(new Error("the client is gone")));
    // A comment, which clients pass over: with it the headers leave.
    await stream.write(": begun\n\n");
    for (;;) {
      const next = box.shift();
      if (next) await stream.writeSSE({ data: JSON.stringify(next.message) });
      else if (finished) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    try {
      await working;
      if (doneMark) await stream.writeSSE({ data: "[DONE]" });
    } catch (error) {
      c.set("failure", error);
      await stream.writeSSE({ data: JSON.stringify(apiError(error).body) });
    }
  });
}
