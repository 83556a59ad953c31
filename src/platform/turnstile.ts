import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs"

/** Beside the database: what processes wait at for their turn to write. */
export const turnstileFile = (databaseFile: string): string => `${databaseFile}.turnstile`

/** Two counters, then what tells our file from another. */
const MAGIC = "hyperion turnstile 1\n"
const MAGIC_AT = 8
const SIZE = 64
/** The next number that is given out; the number whose turn it is. */
const NEXT = 0
const TURN = 1

/** A turn that does not end for this long may be a dead process's: SQLite's own lock is asked, which knows. */
const STALLED_MS = 20
/** Sleeps take about 0.06 ms longer than asked for. */
const SHORTEST_MS = 0.02
const LONGEST_MS = 1
const WATCHED_MS = 0.1

/** A process's place among those who write. */
export interface Turnstile {
  /**
   * Waits for this process's turn, in the order of asking. `isFree` is asked when nothing moves, and takes the
   * database's lock if it can (`taken`). `late`: not its turn after `patience` ms, and somebody still writes.
   */
  readonly enter: (patience: number, isFree: () => boolean) => "turn" | "taken" | "late"
  /** The next one's turn. */
  readonly leave: () => void
}

export const NO_TURNSTILE: Turnstile = { enter: () => "turn", leave: () => {} }

const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants

/** Whole when it appears, so that nobody counts in a file that another is still filling. */
const make = (file: string): void => {
  const bytes = Buffer.alloc(SIZE)
  bytes.write(MAGIC, MAGIC_AT, "latin1")
  const own = `${file}.${process.pid}`
  rmSync(own, { force: true })
  writeFileSync(own, bytes, { mode: 0o600, flag: "wx" })
  try {
    linkSync(own, file)
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error
  } finally {
    rmSync(own, { force: true })
  }
}

const isOurs = (file: string): boolean => {
  const descriptor = openSync(file, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile() || found.size !== SIZE) return false
    const magic = Buffer.alloc(MAGIC.length)
    readSync(descriptor, magic, 0, magic.length, MAGIC_AT)
    return magic.toString("latin1") === MAGIC
  } finally {
    closeSync(descriptor)
  }
}

const mapped = (file: string): Int32Array | null => {
  try {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) make(file)
    if (!isOurs(file)) return null
    const bytes = Bun.mmap(file, { shared: true })
    return new Int32Array(bytes.buffer, bytes.byteOffset, 2)
  } catch {
    // A read-only folder, a file system that cannot share memory, a full disk.
    return null
  }
}

/** `foreign`: something else is in its place; writes go on, and whoever is lucky goes first. */
export const inspectTurnstile = (databaseFile: string): "absent" | "ours" | "foreign" => {
  const file = turnstileFile(databaseFile)
  try {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return "absent"
    return isOurs(file) ? "ours" : "foreign"
  } catch {
    return "foreign"
  }
}

const asleep = new Int32Array(new SharedArrayBuffer(4))
const sleep = (ms: number): void => void Atomics.wait(asleep, 0, 0, ms)

/**
 * The turns of all processes that write to a database: whoever asks first writes first, and nobody starves behind
 * luckier ones, as they do behind SQLite's own lock. It is good manners only: that lock still decides, so one that is
 * lost, foreign or wrong costs fairness, and never a write.
 */
export const openTurnstile = (databaseFile: string): Turnstile => {
  const counters = mapped(turnstileFile(databaseFile))
  if (counters === null) return NO_TURNSTILE
  let mine = 0
  /** How many are before us; numbers wrap around. */
  const before = () => (mine - Atomics.load(counters, TURN)) | 0
  return {
    enter: (patience, isFree) => {
      mine = Atomics.add(counters, NEXT, 1)
      let left = before()
      if (left <= 0) return "turn"
      const begun = Bun.nanoseconds()
      let moved = begun
      for (;;) {
        const now = Bun.nanoseconds()
        const still = (now - moved) / 1e6
        // Those further behind ask later, so that the first of the living is the first to ask.
        if (still > STALLED_MS + left) {
          if (isFree()) return "taken"
          moved = now
        }
        if ((now - begun) / 1e6 > patience) return "late"
        // A turn is shorter than the shortest sleep: whoever is next watches for it.
        if (left > 1 || still > WATCHED_MS) sleep(Math.min(LONGEST_MS, SHORTEST_MS * left + still / 4))
        const next = before()
        if (next <= 0) return "turn"
        if (next !== left) moved = Bun.nanoseconds()
        left = next
      }
    },
    leave: () => {
      // Never back: another may have gone on without us.
      if (before() >= 0) Atomics.store(counters, TURN, (mine + 1) | 0)
    },
  }
}
