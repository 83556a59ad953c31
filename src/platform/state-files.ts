import { chmodSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Millis } from "../domain/time.ts"

export interface LooseMode {
  readonly path: string
  readonly mode: number
  /** What it should be. */
  readonly wanted: number
}

const OTHERS = 0o077

/** Files of the state folder that more than their owner can get at; as far as they can be looked at. */
export const looseModes = (stateDir: string, databaseFile: string): readonly LooseMode[] =>
  [
    [stateDir, 0o700],
    [join(stateDir, "stage"), 0o700],
    [join(stateDir, "drafts"), 0o700],
    [join(stateDir, "logs"), 0o700],
    [databaseFile, 0o600],
    [`${databaseFile}-wal`, 0o600],
    [`${databaseFile}-shm`, 0o600],
  ].flatMap(([path, wanted]): readonly LooseMode[] => {
    const mode = statOf(path as string)?.mode
    return mode === undefined || (mode & OTHERS) === 0
      ? []
      : [{ path: path as string, mode: mode & 0o777, wanted: wanted as number }]
  })

/** Takes the rights of others away; false where that is refused. */
export const tighten = ({ path, wanted }: LooseMode): boolean => {
  try {
    chmodSync(path, wanted)
    return true
  } catch {
    return false
  }
}

/** Folders of landings under `.hyperion/stage`, by name. */
export const stageNames = (stateDir: string): readonly string[] => {
  try {
    return readdirSync(join(stateDir, "stage"))
  } catch {
    return []
  }
}

/** When a file was changed last; null when it is not there. */
export const changedAt = (path: string): Millis | null => statOf(path)?.mtimeMs ?? null

const statOf = (path: string) => {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** Is there a process with this id? One of another user counts. */
export const isAlive = (processId: number): boolean => {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as { readonly code?: unknown }).code === "EPERM"
  }
}
