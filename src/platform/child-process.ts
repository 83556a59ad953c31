import { type ChildProcess, spawn } from "node:child_process"
import type { Readable } from "node:stream"
import { fail, ok, type Result } from "../domain/result.ts"
import { BoundedOutput } from "./bounded-output.ts"
import { type LogPlace, ProcessLog } from "./process-log.ts"

export interface ChildOptions {
  readonly executable: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly stdin: string | Uint8Array | undefined
  readonly timeoutMs: number
  readonly graceMs: number
  readonly maxOutputBytes: number
  readonly log: LogPlace | undefined
  readonly maxLogBytes: number
  readonly statusFd: boolean
}

export interface ChildOutcome {
  readonly exitCode: number | null
  readonly signal: string | null
  readonly timedOut: boolean
  readonly durationMs: number
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  readonly stdoutTruncated: boolean
  readonly stderrTruncated: boolean
  readonly logSha256?: string
  readonly status?: string
}

export interface RunningChild {
  /** TERM, grace, KILL to the whole group; `done` once nothing of it is left to wait for. */
  readonly stop: (done: () => void) => void
}

/** A killed process that still does not end (uninterruptible I/O) is given up after this long. */
const GIVE_UP_MS = 1_000
const MAX_STATUS_BYTES = 4_096

/**
 * Starts a child that leads its own process group. `settle` is called exactly once: after the end of file of its
 * pipes, or at the latest two graces after its exit, because a grandchild may hold them open for ever. Whatever is
 * left of the group is killed first. Throws what opening the log throws.
 */
export const startChild = (
  options: ChildOptions,
  settle: (result: Result<ChildOutcome, NodeJS.ErrnoException>) => void,
): RunningChild => {
  const log = options.log === undefined ? undefined : new ProcessLog(options.log, options.maxLogBytes)
  const stdout = new BoundedOutput(options.maxOutputBytes)
  const stderr = new BoundedOutput(options.maxOutputBytes)
  const status = new BoundedOutput(MAX_STATUS_BYTES)
  const started = performance.now()
  const timers = new Set<ReturnType<typeof setTimeout>>()
  const waiting: Array<() => void> = []
  let child: ChildProcess | undefined
  let exit: { readonly code: number | null; readonly signal: string | null; readonly at: number } | undefined
  let timedOut = false
  let stopping = false
  let settled = false

  const after = (ms: number, action: () => void): void => {
    timers.add(setTimeout(action, ms))
  }
  const signalGroup = (signal: "SIGTERM" | "SIGKILL"): void => {
    if (child?.pid === undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch {}
  }
  const conclude = (result: () => Result<ChildOutcome, NodeJS.ErrnoException>): void => {
    if (settled) return
    settled = true
    for (const timer of timers) clearTimeout(timer)
    signalGroup("SIGKILL")
    for (const stream of child?.stdio ?? []) stream?.destroy()
    child?.unref()
    settle(result())
    for (const done of waiting) done()
  }
  const finish = (): void =>
    conclude(() => {
      const logSha256 = log?.close()
      return ok({
        exitCode: exit?.code ?? null,
        signal: exit === undefined ? "SIGKILL" : exit.signal,
        timedOut,
        durationMs: (exit?.at ?? performance.now()) - started,
        stdout: stdout.bytes(),
        stderr: stderr.bytes(),
        stdoutTruncated: stdout.truncated,
        stderrTruncated: stderr.truncated,
        ...(logSha256 === undefined ? {} : { logSha256 }),
        ...(options.statusFd ? { status: Buffer.from(status.bytes()).toString("utf8") } : {}),
      })
    })
  const refuse = (error: NodeJS.ErrnoException): void =>
    conclude(() => {
      log?.discard()
      return fail(error)
    })
  const stop = (): void => {
    if (stopping || settled) return
    stopping = true
    signalGroup("SIGTERM")
    after(options.graceMs, () => {
      signalGroup("SIGKILL")
      after(options.graceMs + GIVE_UP_MS, finish)
    })
  }

  try {
    child = spawn(options.executable, [...options.args], {
      cwd: options.cwd,
      env: { ...options.env },
      detached: true,
      stdio: [
        options.stdin === undefined ? "ignore" : "pipe",
        "pipe",
        "pipe",
        ...(options.statusFd ? ["pipe" as const] : []),
      ],
    })
  } catch (error) {
    refuse(error as NodeJS.ErrnoException)
    return { stop: (done) => done() }
  }
  // The runtime's `close` event knows the three standard streams only.
  let open = options.statusFd ? 2 : 1
  const closed = (): void => {
    open -= 1
    if (open === 0) finish()
  }
  const collect = (stream: unknown, into: BoundedOutput, logged: boolean): void => {
    const readable = stream as Readable | null
    readable?.on("error", () => {})
    readable?.on("data", (chunk: Buffer) => {
      if (settled) return
      into.push(chunk)
      if (logged) log?.push(chunk)
    })
  }
  collect(child.stdout, stdout, true)
  collect(child.stderr, stderr, true)
  if (options.statusFd) {
    collect(child.stdio[3], status, false)
    child.stdio[3]?.on("close", closed)
  }
  // A child that does not read its input closes the pipe; that is its right.
  child.stdin?.on("error", () => {})
  child.stdin?.end(options.stdin)
  child.on("error", (error) => {
    if (child?.pid === undefined) refuse(error)
  })
  child.on("exit", (code, signal) => {
    exit = { code, signal, at: performance.now() }
    after(options.graceMs, () => {
      signalGroup("SIGKILL")
      after(options.graceMs, finish)
    })
  })
  child.on("close", closed)
  after(options.timeoutMs, () => {
    if (exit !== undefined) return
    timedOut = true
    stop()
  })
  return {
    stop: (done) => {
      if (settled) return done()
      waiting.push(done)
      stop()
    },
  }
}
