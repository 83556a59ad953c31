import { fstatSync, statSync, writeSync } from "node:fs"
import { isTransient, type Sink, writeFailure } from "./stdio.ts"
import { decideColor, type Environment, type Terminal } from "./Terminal.ts"

/** Pipes, files and /dev/null are told apart by stat: `node:tty` takes as long to load as a bare program to run. */
const isTerminal = (fd: 1 | 2): boolean => {
  try {
    const stat = fstatSync(fd)
    if (!stat.isCharacterDevice()) return false
    if (stat.rdev === statSync("/dev/null", { throwIfNoEntry: false })?.rdev) return false
    return process.getBuiltinModule("node:tty").isatty(fd)
  } catch {
    return false // a closed descriptor
  }
}

/** `fd` 1 = stdout, 2 = stderr. Everything is found out when it is first asked for. */
export const detectTerminal = (fd: 1 | 2, env: Environment, noColor = false): Terminal => {
  let isTTY: boolean | undefined
  return {
    get isTTY() {
      isTTY ??= isTerminal(fd)
      return isTTY
    },
    get color() {
      return decideColor(this.isTTY, env, noColor)
    },
    get columns() {
      if (!this.isTTY) return undefined
      return (fd === 1 ? process.stdout : process.stderr).columns || 80
    },
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const PAUSE_MS = 2

/** Writes to a file descriptor and returns when all of it is out, also where the pipe is non-blocking. */
export const fdSink = (fd: 1 | 2, env: Environment, noColor = false): Sink => ({
  terminal: detectTerminal(fd, env, noColor),
  write: (text) => {
    const bytes = Buffer.from(text)
    let offset = 0
    while (offset < bytes.length) {
      try {
        offset += writeSync(fd, bytes, offset)
      } catch (cause) {
        if (!isTransient(cause)) throw writeFailure(cause)
        Atomics.wait(sleeper, 0, 0, PAUSE_MS)
      }
    }
  },
})
