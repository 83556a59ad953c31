import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** What a step found is not what it must be: the run ends with this as its message. */
export class Unexpected extends Error {}

export const expect = (holds: boolean, message: string): void => {
  if (!holds) throw new Unexpected(message)
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** Fresh folders and an environment in which nothing of the machine's git or Hyperion configuration counts. */
export interface Ground {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly remove: () => void
}

export const IDENTITY = { name: "Demo Operator", email: "operator@example.invalid" } as const

/** Variables that name agents stay: a decision taken inside a coding agent must be refused here too. */
const kept = (name: string): boolean => !/^(GIT_|HYPERION_|XDG_)/.test(name)

export const makeGround = (prefix: string): Ground => {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  const config = join(folder, "config")
  mkdirSync(config)
  const own = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const env = {
    ...Object.fromEntries(own.filter(([name]) => kept(name))),
    HYPERION_CACHE: join(folder, "cache"),
    HYPERION_USER: "operator",
    XDG_CONFIG_HOME: config,
    GIT_CONFIG_GLOBAL: join(config, "gitconfig"),
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
  }
  Bun.spawnSync(["git", "config", "--file", env.GIT_CONFIG_GLOBAL, "user.name", IDENTITY.name])
  Bun.spawnSync(["git", "config", "--file", env.GIT_CONFIG_GLOBAL, "user.email", IDENTITY.email])
  return { folder, env, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface Call {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin?: string | Uint8Array
}

const spawned = ({ argv, cwd, env, stdin }: Call) => {
  const start = performance.now()
  const child = Bun.spawnSync([...argv], {
    cwd,
    env: { ...env },
    stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  })
  return { ...child, seconds: (performance.now() - start) / 1000 }
}

/** Runs a command to its end without a terminal. Any exit code is an answer. */
export const run = (call: Call): Ran => {
  const { exitCode, stdout, stderr, seconds } = spawned(call)
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString(), seconds }
}

/** Runs a command that must succeed; the bytes of its standard output. */
export const mustBytes = (call: Call): Buffer => {
  const { exitCode, stdout, stderr } = spawned(call)
  if (exitCode !== 0) {
    const words = call.argv.map((word) => word.split("/").at(-1)).join(" ")
    const said = stderr.toString().trim() || stdout.toString().trim()
    throw new Unexpected(`${words} ended with ${exitCode}: ${said}`)
  }
  return stdout
}

export const must = (call: Call): string => mustBytes(call).toString()

/** Both output streams in the order they were written, as a terminal shows them. */
export const runAsSeen = ({ argv, cwd, env }: Call, scratch: string): { code: number; text: string } => {
  const file = join(scratch, "seen")
  const fd = openSync(file, "w+")
  try {
    const child = Bun.spawnSync([...argv], {
      cwd,
      env: { ...env },
      stdin: "ignore",
      stdout: fd,
      stderr: fd,
    })
    return { code: child.exitCode, text: readFileSync(file, "utf8") }
  } finally {
    closeSync(fd)
    rmSync(file, { force: true })
  }
}
