import { BINARY, type Repository } from "../../test/support/workspace.ts"

export interface Ended {
  readonly code: number | null
  readonly killed: boolean
  /** Whole lines only: what a kill cut short was not said. */
  readonly lines: readonly string[]
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
}

/** Starts the compiled binary and reads what it says while it runs. */
export const start = (
  { root, env }: Pick<Repository, "root" | "env">,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Running => {
  const child = Bun.spawn([BINARY, ...args], {
    cwd: root,
    env: { ...env, ...more },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const ended = Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]).then(([stdout, stderr, code]) => ({
    code: child.signalCode === null ? code : null,
    killed: child.signalCode === "SIGKILL",
    lines: stdout.split("\n").slice(0, -1),
    stderr,
  }))
  return { pid: child.pid, kill: (signal) => child.kill(signal), ended }
}

/** Ends a process after so many ms, unless it ends by itself before. */
export const killAfter = async (running: Running, ms: number): Promise<Ended> => {
  const timer = setTimeout(() => running.kill("SIGKILL"), ms)
  try {
    return await running.ended
  } finally {
    clearTimeout(timer)
  }
}
