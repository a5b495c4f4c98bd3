/**
 * A mistake of the user's: an argument, a recipe, a data file, a model. The message is one line that names the thing, its value and what
 * would do; the command line prints it and exits with 2. Every other error is a failure of ours (exit 1).
 */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** A folder that another living process has taken. */
export class FolderInUseError extends UserError {}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
