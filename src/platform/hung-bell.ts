import { closeSync, constants, lstatSync, mkdirSync, openSync, renameSync, rmdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { bellsFolder } from "./bells.ts"
import { makeNamedPipe } from "./named-pipe.ts"

export interface HungBell {
  readonly name: string
  readonly takeDown: () => void
}

const { O_RDWR, O_NONBLOCK, O_NOFOLLOW } = constants
/** Names that the dead, or a container with the same process ids, may have taken. */
const TRIES = 100

let serial = 0

/** Hangs a named pipe beside the database and calls `heard` for whatever comes through it; null where none can hang. */
export const hangBell = (databaseFile: string, processId: number, heard: () => void): HungBell | null => {
  const folder = bellsFolder(databaseFile)
  for (let tries = 0; tries < TRIES; tries++) {
    const name = `${processId}.${serial++}`
    const path = join(folder, name)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue
      // Rung under its second name only: before somebody listens it would look like the pipe of a dead process.
      if (!makeNamedPipe(`${path}.new`, 0o600)) continue
      // Both ends: the pipe must not end when the last sender closes it.
      const pipe = openSync(`${path}.new`, O_RDWR | O_NONBLOCK | O_NOFOLLOW)
      const takeDown = listenTo(pipe, heard, path, folder)
      renameSync(`${path}.new`, path)
      return { name, takeDown }
    } catch {
      // A read-only folder, a foreign file in its place, no descriptors left.
      return null
    }
  }
  return null
}

const listenTo = (pipe: number, heard: () => void, path: string, folder: string): (() => void) => {
  const reader = Bun.file(pipe).stream().getReader()
  const listening = async () => {
    while (!(await reader.read()).done) heard()
  }
  const ended = listening().catch(() => {})
  return () => {
    rmSync(path, { force: true })
    void reader
      .cancel()
      .then(() => ended)
      .finally(() => closeSync(pipe))
    try {
      rmdirSync(folder)
    } catch {
      // Others listen.
    }
  }
}
