import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { type FileLock, fileLock } from "./file-lock.ts"

/** Beside the database: one empty file for each worker at work on it, locked as long as its process lives. */
export const workersFolder = (databaseFile: string): string => `${databaseFile}.workers`

/** Null while another process has it. */
const lock = (file: string): FileLock | null => {
  const taken = fileLock(file)
  let isOurs = false
  try {
    isOurs = taken.tryTake()
    return isOurs ? taken : null
  } finally {
    if (!isOurs) taken.close()
  }
}

const release = (taken: FileLock, file: string): void => {
  // Gone before it is unlocked: nobody can lock it in between and have it removed.
  rmSync(file, { force: true })
  taken.release()
  taken.close()
}

let serial = 0

/** Takes a lock named after the process; gives back what releases it. Throws the system's or SQLite's error. */
export const holdWorkerLock = (databaseFile: string, processId: number): (() => void) => {
  const folder = workersFolder(databaseFile)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (;;) {
    // A name is never taken twice by one process; two containers may have the same process id.
    const file = join(folder, `${processId}.${serial++}`)
    const taken = lock(file)
    if (taken !== null) return () => release(taken, file)
  }
}

/** Names of the workers that are alive; what a killed one left is cleared away. */
export const liveWorkers = (databaseFile: string): readonly string[] => {
  const folder = workersFolder(databaseFile)
  return namesIn(folder).filter((name) => {
    const file = join(folder, name)
    const taken = attempt(() => lock(file))
    // One that cannot be asked counts: a migration can wait.
    if (taken === undefined || taken === null) return true
    release(taken, file)
    return false
  })
}

/** Whether a lease's owner works no more: its process holds no lock. An owner without a process is taken at its word. */
export const endedOwners = (databaseFile: string): ((owner: string) => boolean) => {
  const alive = new Set(liveWorkers(databaseFile).map((name) => name.split(".")[0]))
  return (owner) => {
    const processId = /-(\d+)$/.exec(owner)?.[1]
    return processId !== undefined && !alive.has(processId)
  }
}

const attempt = <A>(body: () => A): A | undefined => {
  try {
    return body()
  } catch {
    return undefined
  }
}

const namesIn = (folder: string): readonly string[] =>
  attempt(() => readdirSync(folder).filter((name) => /^\d+\.\d+$/.test(name))) ?? []
