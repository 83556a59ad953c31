import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as FastCheck from "effect/FastCheck"

const environment = {
  PATH: process.env["PATH"],
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  LC_ALL: "C",
}

/** Runs git in `directory`, whatever its exit code. */
export const gitStatus = (
  directory: string,
  args: readonly string[],
  input: Uint8Array = new Uint8Array(0),
) => Bun.spawnSync(["git", ...args], { cwd: directory, env: environment, stdin: input })

/** Runs git in `directory`; throws unless it exits with 0. */
export const git = (directory: string, args: readonly string[], input?: Uint8Array): Buffer => {
  const done = gitStatus(directory, args, input)
  if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString()}`)
  return done.stdout
}

export const withDirectory = <A>(use: (directory: string) => A): A => {
  const directory = mkdtempSync(join(tmpdir(), "hyperion-patch-"))
  try {
    return use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Writes both versions of each file into a fresh repository and returns `git diff` of each, by name. */
export const gitDiffs = (
  directory: string,
  pairs: ReadonlyMap<string, readonly [Uint8Array, Uint8Array]>,
  ...options: readonly string[]
): ReadonlyMap<string, Uint8Array> => {
  git(directory, ["init", "-q"])
  const trees = ([0, 1] as const).map((side) => {
    for (const [name, pair] of pairs) writeFileSync(join(directory, name), pair[side])
    git(directory, ["add", "-A"])
    return git(directory, ["write-tree"]).toString().trim()
  })
  const all = git(directory, ["diff-tree", "-p", "--full-index", ...options, ...trees])
  const patches = new Map<string, Uint8Array>()
  let start = -1
  for (let at = 0; at <= all.length; ) {
    if (at === all.length || all.subarray(at, at + 11).toString("latin1") === "diff --git ") {
      if (start >= 0) {
        const patch = all.subarray(start, at)
        patches.set(patch.toString("latin1").split("\n", 1)[0]!.split(" b/")[1]!, patch)
      }
      start = at
    }
    const end = all.indexOf(10, at)
    at = at === all.length ? at + 1 : end < 0 ? all.length : end + 1
  }
  return patches
}

/** What `git apply` makes of `patches` on `files`, outside of any repository. */
export const gitApply = (
  files: ReadonlyMap<string, Uint8Array>,
  patches: readonly Uint8Array[],
): ReadonlyMap<string, Uint8Array> =>
  withDirectory((directory) => {
    mkdirSync(join(directory, "work"))
    const work = join(directory, "work")
    for (const [name, content] of files) writeFileSync(join(work, name), content)
    git(work, ["apply", "--whitespace=nowarn", "-"], Buffer.concat(patches))
    return new Map([...files.keys()].map((name) => [name, readFileSync(join(work, name))]))
  })

const lines = [
  "",
  "a",
  "b",
  "}",
  "  return x",
  "a\r",
  "\r",
  "lone\rcr",
  "caf\u00e9 \u00ff",
  "\u00e2\u0080\u00a8 line separator in UTF-8",
  "\u00ef\u00bb\u00bfbom",
  "-- a/f",
  "++ b/f",
  "@@ -1,2 +1,2 @@",
  "diff --git a/f b/f",
  "\\ No newline at end of file",
  "tab\there ",
  "nul\u0000",
]

const line = FastCheck.oneof(
  FastCheck.constantFrom(...lines),
  FastCheck.integer({ min: 0, max: 40 }).map((number) => `line ${number}`),
)

const join8 = (content: readonly string[], newline: boolean): Uint8Array =>
  Buffer.from(content.join("\n") + (newline && content.length > 0 ? "\n" : ""), "latin1")

const edit = FastCheck.record({
  at: FastCheck.nat({ max: 60 }),
  remove: FastCheck.nat({ max: 3 }),
  insert: FastCheck.array(line, { maxLength: 3 }),
})

const edited = (
  content: readonly string[],
  edits: readonly { at: number; remove: number; insert: string[] }[],
) => {
  const result = [...content]
  for (const { at, remove, insert } of edits) result.splice(at % (result.length + 1), remove, ...insert)
  return result
}

const text = FastCheck.record({
  content: FastCheck.array(line, { maxLength: 40 }),
  newline: FastCheck.boolean(),
})
const edits = FastCheck.array(edit, { minLength: 1, maxLength: 4 })

/** A file and an edited version of it; lines are odd on purpose. */
export const fileAndEdit = FastCheck.tuple(text, edits, FastCheck.boolean()).map(
  ([before, changes, newline]) =>
    [join8(before.content, before.newline), join8(edited(before.content, changes), newline)] as const,
)

/** A file and two versions edited independently. */
export const fileAndTwoEdits = FastCheck.tuple(text, edits, edits, FastCheck.boolean()).map(
  ([before, ours, theirs, newline]) => ({
    base: join8(before.content, before.newline),
    ours: join8(edited(before.content, ours), before.newline),
    theirs: join8(edited(before.content, theirs), newline || before.newline),
  }),
)
