import { accessSync, constants, realpathSync, statSync } from "node:fs"
import { isAbsolute, join, resolve } from "node:path"
import { fail, ok, type Result } from "../domain/result.ts"

/**
 * Where a command's program is: a name with a slash is taken from `cwd`, a bare name from the absolute folders of
 * `path`. A relative folder in `path` is skipped: it would run whatever a change put into the working directory.
 */
export const findExecutable = (
  command: string,
  where: { readonly cwd: string; readonly path: string },
): Result<string, "not_found" | "not_executable"> => {
  const candidates = command.includes("/")
    ? [resolve(where.cwd, command)]
    : where.path
        .split(":")
        .filter(isAbsolute)
        .map((folder) => join(folder, command))
  let seen = false
  for (const candidate of command === "" ? [] : candidates) {
    try {
      seen = statSync(candidate).isFile() || seen
      if (!statSync(candidate).isFile()) continue
      accessSync(candidate, constants.X_OK)
      return ok(candidate)
    } catch {}
  }
  return fail(seen ? "not_executable" : "not_found")
}

export interface ProgramIdentity {
  readonly file: string
  readonly size: number
  readonly mtimeMs: number
}

/** Stands for a program's content, without reading it: an exchanged program differs in one of these. */
export const programIdentity = (executable: string): ProgramIdentity => {
  const file = realpathSync(executable)
  const { size, mtimeMs } = statSync(file)
  return { file, size, mtimeMs }
}
