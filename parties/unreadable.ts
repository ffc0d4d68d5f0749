/** Why a file could not be read, in words: "does not exist", "is a folder", ... to follow its name. */
export function unreadable(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist";
  if (code === "EISDIR") return "is a folder";
  if (code === "EACCES" || code === "EPERM") return "may not be read by this user";
  return typeof code === "string" ? `cannot be read (${code})` : "cannot be read";
}
