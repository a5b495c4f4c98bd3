/**
 * What the rest of the package may ask of the machine it runs on. `node.ts` and `browser.ts` both export these functions under these names;
 * `#platform` resolves to one of them. Every failure that a user can cause (a missing file, a full disk) is a UserError of one line.
 */

/** What {@link Platform.writeFileAtomic} writes: a text (as UTF-8), bytes, or bytes in pieces that are made while they are written. */
export type FileData = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Bytes of a file that have come to this machine; `total` is unknown where a server does not tell it. */
export interface Progress {
  /** The file's name without its folder. */
  readonly file: string;
  readonly loaded: number;
  readonly total: number | undefined;
}

export interface OpenOptions {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends a download. */
  readonly signal?: AbortSignal | undefined;
}

export interface OpenedFile {
  /** In bytes. */
  readonly size: number;
  /** As {@link Platform.readRange}. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A file that comes in several tries. */
export interface PartialFile {
  /** Adds bytes at the end. */
  append(bytes: Uint8Array): Promise<void>;
  /** Moves the file to its place; what was there is replaced. */
  finish(): Promise<void>;
  /** Ends this try; what has come stays for the next. */
  close(): Promise<void>;
}

export interface Platform {
  /** The whole file. */
  readFile(path: string): Promise<Uint8Array>;
  /** The whole file as UTF-8, a byte order mark included. Invalid UTF-8 is a UserError with the file and the offset of the first bad byte. */
  readText(path: string): Promise<string>;
  /** Exactly `length` bytes from byte `offset` on; a file that ends before is a UserError. For files larger than memory. */
  readRange(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** A file to be read in many pieces. In a browser it is fetched whole, once. */
  openFile(path: string, options?: OpenOptions): Promise<OpenedFile>;
  /** In bytes. */
  fileSize(path: string): Promise<number>;
  /** Whether there is a file or a folder of this name. */
  exists(path: string): Promise<boolean>;
  /** Whether there is a folder of this name. */
  isFolder(path: string): Promise<boolean>;
  /** The names (not paths) of what lies in a folder, sorted. */
  list(folder: string): Promise<string[]>;
  /** Makes a folder and those above it; one that exists is left as it is. */
  makeFolder(path: string): Promise<void>;
  /** Writes a whole file or nothing: after any failure, of the disk or of the iterator, the old file is intact and no other file is left. A pipe or a device is written to. */
  writeFileAtomic(path: string, data: FileData): Promise<void>;
  /** A file beside its place, that grows there and stays when something interrupts it. Of earlier tries the first `keep` bytes stay; with 0 it begins anew. */
  openPartial(path: string, keep: number): Promise<PartialFile>;
  /** How many bytes earlier tries have left. */
  partialSize(path: string): Promise<number>;
  /** Removes a file; one that is not there is no error. */
  removeFile(path: string): Promise<void>;
  /** Removes a folder in which nothing lies, and leaves any other. */
  removeIfEmpty(folder: string): Promise<void>;
  /** Adds a line (its end is added here) to a file, which is made if it is missing. */
  appendLine(path: string, line: string): Promise<void>;
  joinPath(...parts: string[]): string;
  /** The last name of a path. */
  baseName(path: string): string;
  /** A path without its last name. */
  dirName(path: string): string;
  /** How many processor cores this process may use. */
  cores(): number;
  /** The processor and its cores, in words. */
  machine(): string;
  /** Lets timers, messages and signals in: a promise alone would not. */
  macrotask(): Promise<void>;
  /**
   * Takes a folder for this process alone, through a file `.lock` that holds the process number, and returns what gives it back. A folder that a living
   * process holds is a UserError; the lock of a dead one is taken over.
   */
  lockFolder(folder: string): Promise<() => Promise<void>>;
  /** Where what can be had again is kept on this machine: SEDD_CACHE, else the folder `sedd` in XDG_CACHE_HOME or ~/.cache. */
  cacheFolder(): string;
  /** Where this package lies (the folder of its package.json; for a page, the folder that it lies in): shipped models are in `models/` below it. */
  packageFolder(): string;
  /** Whether this is a page or a worker of one. */
  readonly inBrowser: boolean;
}
