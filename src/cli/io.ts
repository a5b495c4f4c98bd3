/** What a command may touch of the world: three streams, a signal, the environment. Tests hand in their own. */

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Size of the terminal, where it is one. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean | undefined;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Whether colours may be used on a stream (https://no-color.org). */
export const mayColor = (output: Output, env: Io["env"]): boolean => Boolean(output.isTTY) && !env["NO_COLOR"] && env["TERM"] !== "dumb";

/** A message of the program's own, not of its errors: one line on standard error. */
export const notice = (io: Io, text: string): void => void io.stderr.write(`sedd: ${text}\n`);
