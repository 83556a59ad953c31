import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"

/** Beside the database: a named pipe for each process that waits for commits. */
export const bellsFolder = (databaseFile: string): string => `${databaseFile}.bells`

const NAME = /^\d+\.\d+$/
/** A pipe that nobody listens to yet: not rung, and so not mistaken for a dead one. */
const UNFINISHED = /^\d+\.\d+\.new$/
const BYTE = Buffer.from([1])
const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown }).code ?? "")

/** `live`: somebody listens; `stale`: a pipe whose process is gone; `foreign`: not ours; `gone`: taken down just now. */
type Found = "live" | "stale" | "foreign" | "gone"

/** Opens the pipe for one byte or none; throws nothing and blocks on nothing, whatever lies in its place. */
const touch = (path: string, byte: boolean): Found => {
  let pipe: number | null = null
  try {
    pipe = openSync(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW)
    if (!fstatSync(pipe).isFIFO()) return "foreign"
    if (byte) writeSync(pipe, BYTE)
    return "live"
  } catch (error) {
    // Full: whoever listens has enough to wake up from. Closed in between: there is nobody to wake.
    if (pipe !== null) return "live"
    if (codeOf(error) === "ENOENT") return "gone"
    // A socket answers so as well.
    return codeOf(error) === "ENXIO" && isPipe(path) ? "stale" : "foreign"
  } finally {
    if (pipe !== null) closeSync(pipe)
  }
}

const attempt = <A>(body: () => A, otherwise: A): A => {
  try {
    return body()
  } catch {
    return otherwise
  }
}

const isPipe = (path: string): boolean => attempt(() => lstatSync(path).isFIFO(), false)
const remove = (path: string): boolean =>
  attempt(() => {
    rmSync(path)
    return true
  }, false)

/**
 * Wakes every process that listens on this database, but for the pipe named `own`. Best effort, in microseconds: it
 * never fails and never waits, and clears away what the dead left. A byte says "look", nothing else.
 */
export const ringBells = (databaseFile: string, own: string | null): void => {
  const folder = bellsFolder(databaseFile)
  try {
    // Mostly nobody listens: asking so is cheaper than listing.
    if (statSync(folder, { throwIfNoEntry: false }) === undefined) return
    for (const name of readdirSync(folder)) {
      if (name === own || !NAME.test(name)) continue
      const path = join(folder, name)
      if (touch(path, true) === "stale") remove(path)
    }
  } catch {
    // A foreign file in its place, no right to read it: who waits looks now and then anyway.
  }
}

/** The pipes beside a database, by name. `unreadable`: they cannot be listed, so that nobody is rung. */
export interface BellReport {
  readonly live: readonly string[]
  readonly stale: readonly string[]
  readonly foreign: readonly string[]
  readonly unreadable: string | null
}

/** Looks at every pipe without ringing it. */
export const inspectBells = (databaseFile: string): BellReport => {
  const folder = bellsFolder(databaseFile)
  const found: Record<Found, string[]> = { live: [], stale: [], foreign: [], gone: [] }
  try {
    for (const name of readdirSync(folder)) {
      const known = NAME.test(name) || UNFINISHED.test(name)
      found[known ? touch(join(folder, name), false) : "foreign"].push(name)
    }
  } catch (error) {
    const code = codeOf(error)
    if (code !== "ENOENT") return { ...found, unreadable: code || String(error) }
  }
  return { ...found, unreadable: null }
}

/** Removes the pipes that nobody listens to; gives their names. */
export const clearBells = (databaseFile: string): readonly string[] =>
  inspectBells(databaseFile).stale.filter((name) => remove(join(bellsFolder(databaseFile), name)))
