/**
 * A network's programs by shape: each is compiled when it is first needed and kept for the next call. Every one costs the runtime some megabytes, and where the device
 * computes in a memory of its own a copy of the parameters; a server is asked for hundreds of shapes. So there is a limit, beyond which those that were
 * not needed for longest are given back.
 */
import { UserError } from "../platform/errors.ts";
import { compile, sizeOf, type CompileOptions, type Executable, type Feeds, type Program } from "../tensor/index.ts";

/** Programs kept at most: about 5 MB each for a network of six blocks. */
const MOST_PROGRAMS = 96;
/**
 * Numbers that a program may give while it keeps a run's memory for the next (1,024 rows of 256): a fifth less time for small calls. Larger ones give it back: of
 * many shapes each would hold on to the most it ever needed, and beside their work what it costs to take it anew is little.
 */
const SMALL = 2 ** 18;
/** Bytes of parameters kept at most, in programs that have copies of their own. */
const MOST_COPIED = 2 ** 30;

/** Compiles a program under a key, once, and runs it with the parameters beside the feeds. */
export type Execute = (key: string, build: () => Program, feeds: Feeds) => Promise<Record<string, Float32Array>>;

export interface Programs {
  readonly execute: Execute;
  /** Milliseconds spent inside the runtime since the last call of this function. */
  takeTime(): number;
  /** Once what runs has ended. */
  dispose(): Promise<void>;
}

export interface ProgramsOptions extends Omit<CompileOptions, "constants" | "keepMemory"> {
  /** The parameters never change: they are kept where the device computes. Left out, they are read anew at every call. */
  readonly frozen?: boolean;
  /** Other limits. */
  readonly most?: { readonly programs?: number; readonly copied?: number };
}

interface Kept {
  readonly executable: Promise<Executable>;
  /** Calls that wait for it or run it. */
  users: number;
  copied: number;
}

/** @param parameters fed to every program by their names */
export function keepPrograms(parameters: Feeds, { frozen = false, most = {}, ...options }: ProgramsOptions): Programs {
  const { programs: mostPrograms = MOST_PROGRAMS, copied: mostCopied = MOST_COPIED } = most;
  /** From the one that was not needed for longest to the one needed last. */
  const programs = new Map<string, Kept>();
  const calls = new Set<Promise<unknown>>();
  let time = 0;
  let disposed = false;
  const checkAlive = (): void => {
    if (disposed) throw new UserError("the model was disposed; load it again");
  };

  const compileOne = (program: Program): Promise<Executable> => {
    const given = Object.values(program.outputs).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return compile(program, { ...options, keepMemory: given <= SMALL, ...(frozen ? { constants: parameters } : {}) });
  };
  const obtain = (key: string, build: () => Program): Kept => {
    const kept = programs.get(key) ?? { executable: compileOne(build()), users: 0, copied: 0 };
    programs.delete(key);
    programs.set(key, kept);
    return kept;
  };

  const tooMuch = (): boolean =>
    programs.size > mostPrograms || [...programs.values()].reduce((sum, { copied }) => sum + copied, 0) > mostCopied;
  /** Takes out what is beyond the limits and nobody uses; a trunk and a head stay. */
  const takeSurplus = (): Kept[] => {
    const surplus: Kept[] = [];
    for (const [key, kept] of programs) {
      if (programs.size <= 2 || !tooMuch()) break;
      if (kept.users > 0) continue;
      programs.delete(key);
      surplus.push(kept);
    }
    return surplus;
  };
  const release = async (given: readonly Kept[]): Promise<void> => {
    for (const { executable } of given)
      await executable.then(
        (compiled) => compiled.dispose(),
        () => undefined,
      );
  };

  const call = async (key: string, build: () => Program, feeds: Feeds): Promise<Record<string, Float32Array>> => {
    checkAlive();
    const kept = obtain(key, build);
    kept.users++;
    try {
      const executable = await kept.executable;
      kept.copied = executable.copied;
      checkAlive();
      const start = performance.now();
      const results = await executable.run(frozen ? feeds : { ...parameters, ...feeds });
      time += performance.now() - start;
      return results as Record<string, Float32Array>;
    } catch (error) {
      // One that was not compiled is tried anew.
      kept.executable.catch(() => programs.get(key) === kept && programs.delete(key));
      throw error;
    } finally {
      kept.users--;
      await release(takeSurplus());
    }
  };

  return {
    execute(key, build, feeds) {
      const running = call(key, build, feeds).finally(() => calls.delete(running));
      calls.add(running);
      return running;
    },
    takeTime() {
      const taken = time;
      time = 0;
      return taken;
    },
    async dispose() {
      disposed = true;
      await Promise.allSettled(calls);
      const kept = [...programs.values()];
      programs.clear();
      await release(kept);
    },
  };
}
