import { expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  hasBinary,
  hyperion,
  initWorkspace,
  makeRepository,
  OPEN_POLICY,
  type Ran,
  type Repository,
  type RunSettings,
  requestOf,
} from "../support/workspace.ts"

/** Control and text-direction characters, line breaks and tabs aside. */
const ACTS = /[^\P{C}\n\t]/u
const TRACE = /^\s+at .+(?:\(|:\d+)/m

/** What no run may ever show, whatever it was given. */
export const expectDecent = ({ code, stdout, stderr }: Ran): void => {
  expect([0, 1, 2, 3, 4, 5, 6, 75, 124, 130]).toContain(code ?? -1)
  for (const text of [stdout, stderr]) {
    expect(text).not.toMatch(TRACE)
    expect(text).not.toMatch(ACTS)
    expect(text).not.toContain("internal error")
  }
}

/** One line with cause and hint on stderr, nothing on stdout, and this exit code. */
export const expectError = (ran: Ran, exit: number, cause: RegExp): void => {
  expectDecent(ran)
  expect(ran.stderr).toMatch(/^error: [^\n]+; hint: [^\n]+\n$/)
  expect(ran.stderr).toMatch(cause)
  expect([ran.code, ran.stdout]).toEqual([exit, ""])
}

/** A workspace made by the binary, with the documents and shell a test needs. */
export interface E2e extends Repository {
  readonly run: (args: readonly string[], settings?: RunSettings) => Ran
  /** Writes a document (or raw text) to a file outside the repository and gives its path. */
  readonly file: (document: unknown, name?: string) => string
  readonly enqueue: (...documents: readonly unknown[]) => Ran
  /** A good change through the whole queue: proof that nothing is stuck, broken or lost. */
  readonly goodChange: () => void
}

let serial = 0

export const around = (repository: Repository): E2e => {
  const run: E2e["run"] = (args, settings) => hyperion(repository, args, settings)
  const file: E2e["file"] = (document, name = "document.json") => {
    const path = join(repository.outside, name)
    writeFileSync(path, typeof document === "string" ? document : JSON.stringify(document))
    return path
  }
  const enqueue: E2e["enqueue"] = (...documents) =>
    run(["enqueue", file(documents.map((one) => JSON.stringify(one)).join("\n"), "documents.jsonl")])
  return {
    ...repository,
    run,
    file,
    enqueue,
    goodChange: () => {
      const path = `good/${++serial}.txt`
      const queued = enqueue(requestOf(`good-${serial}`, { [path]: "good\n" }))
      expect([queued.code, queued.stderr]).toEqual([0, ""])
      const worked = run(["worker", "--drain"])
      expect([worked.code, worked.stderr]).toEqual([0, ""])
      expect(worked.stdout).toContain(`(good-${serial}): landed as`)
      expect(repository.read(path)).toBe("good\n")
      expect(run(["audit", "verify"]).code).toBe(0)
      expect(repository.git("fsck", "--strict", "--no-dangling", "--no-progress")).toBe("")
    },
  }
}

/** A workspace in which a change lands by itself, unless the policy says otherwise. */
export const openE2e = (
  policy: Parameters<typeof initWorkspace>[1] = {},
  files: Readonly<Record<string, string>> = { "a.txt": "a\n", "dir/f.txt": "f\n" },
): E2e => {
  const repository = makeRepository(files)
  // As `init` leaves it for a team that does not track the policy.
  repository.write({ ".git/info/exclude": "/hyperion.json\n" })
  initWorkspace(repository, { ...OPEN_POLICY, sandbox: "off", ...policy })
  return around(repository)
}

/** Why the compiled binary cannot be tested here; null when it can. */
const NO_BINARY = hasBinary ? null : "there is no dist/hyperion: bun run build"

/** A test of the binary that says in its name why it is skipped, where it is. */
export const binaryTest = (
  name: string,
  body: () => unknown,
  {
    unless = null,
    timeoutMs = 15_000,
  }: { readonly unless?: string | null; readonly timeoutMs?: number } = {},
): void => {
  const reason = NO_BINARY ?? unless
  const run = async () => {
    await body()
  }
  if (reason === null) test(name, run, timeoutMs)
  else test.skip(`${name} (skipped: ${reason})`, run)
}
