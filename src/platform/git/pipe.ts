import { type Environment, GUARDED, gitEnvironment, spawnError } from "./process.ts"

/** A running git that answers what is written to it, one answer at a time. Close it in every case. */
export interface GitPipe {
  readonly write: (text: string) => void
  /** No more questions: git ends after the last answer. */
  readonly end: () => void
  /**
   * The bytes before the next `mark`, which is taken off as well. `null` when more than `maxBytes` come before it; the
   * pipe is of no use then. Rejects with GitFailed when git ends first.
   */
  readonly readUntil: (mark: Uint8Array, maxBytes: number) => Promise<Buffer | null>
  readonly close: () => void
}

/** `command` names it in errors; `args` may start with `-c` options. */
export const openGitPipe = (
  env: Environment,
  call: { readonly command: string; readonly args: readonly string[]; readonly gitDir: string },
): GitPipe => {
  const child = Bun.spawn(["git", ...GUARDED, ...call.args], {
    cwd: call.gitDir,
    env: { ...gitEnvironment(env), GIT_DIR: call.gitDir },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  })
  const reader = child.stdout.getReader()
  let rest: Buffer = Buffer.alloc(0)
  return {
    write: (text) => {
      child.stdin.write(text)
      child.stdin.flush()
    },
    end: () => void child.stdin.end(),
    readUntil: async (mark, maxBytes) => {
      const chunks: Buffer[] = []
      let before = 0
      let chunk = rest
      // The mark may lie across two chunks.
      let seam: Buffer = Buffer.alloc(0)
      for (;;) {
        const window = seam.length > 0 ? Buffer.concat([seam, chunk]) : chunk
        const at = window.indexOf(mark)
        chunks.push(chunk)
        if (at >= 0) {
          const end = before - seam.length + at
          const all = chunks.length === 1 ? chunk : Buffer.concat(chunks)
          rest = all.subarray(end + mark.length)
          return end > maxBytes ? null : all.subarray(0, end)
        }
        before += chunk.length
        if (before > maxBytes + mark.length) return null
        seam = window.subarray(-(mark.length - 1))
        const next = await reader.read()
        if (next.done) throw spawnError([call.command], `ended with ${await child.exited}`)
        chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
      }
    },
    close: () => {
      child.kill("SIGKILL")
      reader.cancel().catch(() => {})
    },
  }
}
