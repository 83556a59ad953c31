import { type GitFailed, ObjectUnreadable } from "./errors.ts"
import { readLoose } from "./loose.ts"
import type { GitObject, ObjectType, Oid } from "./objects.ts"
import { type Environment, GUARDED, gitEnvironment, spawnError } from "./process.ts"

/** Reads objects through one long-lived `git cat-file --batch`; started at the first read, restarted when it dies. */
export interface ObjectReader {
  /** In the order asked for; an object the store lacks is null. Rejects with GitFailed. */
  readonly read: (oids: readonly Oid[]) => Promise<readonly (GitObject | null)[]>
  readonly close: () => void
}

interface Waiting {
  readonly oid: Oid
  readonly resolve: (object: GitObject | null) => void
  readonly reject: (error: GitFailed) => void
  retried: boolean
}

const LF = 0x0a

/** Splits the answer stream: a header line, then `size` bytes and a newline. */
const makeParser = (answer: (object: GitObject | null) => void) => {
  let chunks: Buffer[] = []
  let buffered = 0
  let head: { readonly oid: Oid; readonly type: ObjectType; readonly size: number } | null = null
  const join = (): Buffer => {
    if (chunks.length > 1) chunks = [Buffer.concat(chunks)]
    return chunks[0] ?? Buffer.alloc(0)
  }
  const step = (): boolean => {
    if (head) {
      if (buffered < head.size + 1) return false
      const all = join()
      answer({ oid: head.oid, type: head.type, body: Buffer.from(all.subarray(0, head.size)) })
      chunks = [all.subarray(head.size + 1)]
      buffered -= head.size + 1
      head = null
      return true
    }
    const all = join()
    const end = all.indexOf(LF)
    if (end < 0) return false
    const [oid, type, size] = all.toString("latin1", 0, end).split(" ")
    chunks = [all.subarray(end + 1)]
    buffered -= end + 1
    if (size === undefined) answer(null)
    else head = { oid: oid!, type: type as ObjectType, size: Number(size) }
    return true
  }
  return (chunk: Uint8Array) => {
    chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    buffered += chunk.byteLength
    while (step());
  }
}

/** As long as git was not started, so few objects are looked for among the loose ones first. */
const FEW = 8

const ARGS = ["cat-file", "--batch"]

export const makeObjectReader = (
  ownGitDir: string,
  env: Environment,
  looseDirs: readonly string[] = [],
): ObjectReader => {
  let waiting: Waiting[] = []
  let served = 0
  let child: Bun.Subprocess<"pipe", "pipe", "ignore"> | null = null
  let closed = false

  const answer = (object: GitObject | null) => {
    waiting[served++]?.resolve(object)
    if (served === waiting.length) {
      waiting = []
      served = 0
      child?.unref()
    }
  }

  const died = (gone: Bun.Subprocess<"pipe", "pipe", "ignore">, error: unknown) => {
    if (child !== gone) return
    child = null
    const left = waiting.slice(served)
    waiting = []
    served = 0
    const again = left.filter((request) => !request.retried && !closed)
    for (const request of left) {
      if (!again.includes(request)) request.reject(spawnError(ARGS, error))
      request.retried = true
    }
    if (again.length > 0) send(again)
  }

  const pump = async (running: Bun.Subprocess<"pipe", "pipe", "ignore">) => {
    const parse = makeParser(answer)
    try {
      for await (const chunk of running.stdout) {
        if (child === running) parse(chunk)
      }
      died(running, `exited with ${await running.exited}`)
    } catch (error) {
      died(running, error)
    }
  }

  const start = () => {
    const running = Bun.spawn(["git", ...GUARDED, ...ARGS], {
      cwd: ownGitDir,
      env: { ...gitEnvironment(env), GIT_DIR: ownGitDir },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    })
    child = running
    void pump(running)
    return running
  }

  const send = (requests: readonly Waiting[]) => {
    try {
      const running = child ?? start()
      running.ref()
      for (const request of requests) waiting.push(request)
      running.stdin.write(`${requests.map((request) => request.oid).join("\n")}\n`)
      running.stdin.flush()
    } catch (error) {
      const running = child
      if (running) died(running, error)
      else for (const request of requests) request.reject(spawnError(ARGS, error))
    }
  }

  return {
    read: (oids) => {
      if (oids.length === 0) return Promise.resolve([])
      if (closed) return Promise.reject(spawnError(ARGS, "closed"))
      if (child === null && oids.length <= FEW) {
        const loose = oids.map((oid) => readLoose(looseDirs, oid))
        if (loose.every((object) => object !== null)) return Promise.resolve(loose)
      }
      const requests: Waiting[] = []
      const answers = oids.map(
        (oid) =>
          new Promise<GitObject | null>((resolve, reject) => {
            requests.push({ oid, resolve, reject, retried: false })
          }),
      )
      send(requests)
      return Promise.all(answers)
    },
    close: () => {
      closed = true
      child?.kill()
    },
  }
}

/** The object, or why it cannot be what was asked for. */
export const expectType = (
  oid: Oid,
  object: GitObject | null,
  type: ObjectType,
): GitObject | ObjectUnreadable => {
  if (!object) return new ObjectUnreadable({ oid, reason: "missing" })
  return object.type === type ? object : new ObjectUnreadable({ oid, reason: "wrong_type" })
}
