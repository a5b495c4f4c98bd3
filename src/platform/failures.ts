/** Failures of the file system as UserErrors of one line (Node only). */
import { UserError, messageOf } from "./errors.ts";

const reasons: Record<string, string> = {
  ENOENT: "there is no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the disk is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be too large for this disk",
  EISDIR: "it is a folder, not a file",
  ENOTDIR: "a part of the path is a file, not a folder",
  EEXIST: "a file of that name is in the way",
  ENOTEMPTY: "a folder of that name is in the way",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "the links go round in a circle",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EBUSY: "it is in use",
  EIO: "the disk reports an error",
};

/** The code of a failed system call, or `undefined` for any other error. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "syscall" in error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** A failed system call as a UserError ("cannot read X: there is no such file or folder"); any other error as it is. */
export function fileError(action: string, path: string, error: unknown): unknown {
  const code = codeOf(error);
  return code === undefined ? error : new UserError(`cannot ${action} ${path}: ${reasons[code] ?? messageOf(error)}`);
}
