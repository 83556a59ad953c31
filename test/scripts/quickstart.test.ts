import { afterAll, beforeAll, expect, test } from "bun:test"
import { join, resolve } from "node:path"
import { firstParent, sameTree } from "../../scripts/quickstart/history.ts"
import { replay } from "../../scripts/quickstart/replay.ts"
import { type Ground, makeGround, must, mustBytes } from "../../scripts/quickstart/run.ts"
import { makeScreen, wrap } from "../../scripts/quickstart/screen.ts"
import { syntheticHistory } from "../../scripts/quickstart/synthetic.ts"
import { tour } from "../../scripts/quickstart/tour.ts"
import { BINARY, hasBinary } from "../support/workspace.ts"

const program = [process.execPath, resolve(import.meta.dir, "../../src/main.ts")]
let ground: Ground
beforeAll(() => {
  ground = makeGround("hyperion-test-quickstart-")
})
afterAll(() => ground.remove())

const data = (text: string): string => `data ${text.length}\n${text}\n`
/** A commit that writes `text` to `path` (as fast-import spells it). */
const commit = (n: number, path: string, text: string): string =>
  `commit refs/heads/main\ncommitter A <a@example.invalid> ${1_700_000_000 + n} +0000\n${data(`c${n}`)}` +
  `M 100644 inline ${path}\n${data(text)}\n`

const repository = (name: string, stream: string): string => {
  const folder = join(ground.folder, name)
  must({ argv: ["git", "init", "-q", "--bare", "-b", "main", folder], cwd: "/", env: ground.env })
  must({ argv: ["git", "fast-import", "--quiet"], cwd: folder, env: ground.env, stdin: stream })
  return folder
}

test("lines are wrapped at words and lose none", () => {
  const text = "one two three four five sixseveneightnine ten"
  const lines = wrap(text, 10)
  expect(lines.join(" ")).toBe(text)
  expect(lines).toEqual(["one two", "three four", "five", "sixseveneightnine", "ten"])
})

// Needs the compiled binary, which the tour is about.
test.skipIf(!hasBinary)(
  "the tour that quickstart shows holds at every station",
  () => {
    const seen: string[] = []
    const screen = makeScreen((text) => void seen.push(text), false)
    const { landed, refused } = tour(screen, ground, BINARY)
    expect([landed, refused]).toEqual([2, 1])
    expect(seen.join("")).toContain("proven together with 1 more")
  },
  60_000,
)

test("a made history is replayed exactly onto the branch that is checked out", () => {
  const source = join(ground.folder, "made.git")
  syntheticHistory(source, ground.env)
  const result = replay({
    program,
    source,
    ref: "main",
    folder: join(ground.folder, "made"),
    checkedOut: true,
    env: ground.env,
  })
  expect(result).toMatchObject({ carried: [], different: [], unchanged: 0 })
  expect([result.landed, result.compared]).toEqual([result.commits, result.commits])
  const status = must({ argv: ["git", "status", "--porcelain"], cwd: result.repository, env: ground.env })
  expect(status).toBe("?? hyperion.json\n")
}, 30_000)

test("git carries a refused change over, and what follows lands", () => {
  const source = repository(
    "refused.git",
    [
      commit(1, "a", "1\n"),
      commit(2, '"\\377"', "2\n"),
      commit(3, "a", "1\n3\n"),
      commit(4, "b", "4\n"),
    ].join(""),
  )
  const [, second] = firstParent(source, "main", ground.env)
  const result = replay({
    program,
    source,
    ref: "main",
    folder: join(ground.folder, "refused"),
    checkedOut: false,
    env: ground.env,
  })
  expect(result).toMatchObject({ commits: 4, proposed: 4, landed: 3, compared: 4, different: [] })
  expect(result.carried).toMatchObject([{ revision: second!.revision }])
  expect(result.carried[0]!.reason).toMatch(/^[a-z_]+: /)
}, 30_000)

test("another tree is not the same tree", () => {
  const source = repository("trees.git", `${commit(1, "a", "1\n")}${commit(2, "a", "2\n")}`)
  const [first, second] = firstParent(source, "main", ground.env)
  expect(sameTree(source, first!.tree, first!.tree, ground.env)).toBe(true)
  expect(sameTree(source, first!.tree, second!.tree, ground.env)).toBe(false)
})

test("a tree with zero-padded modes is the same tree as the one git writes today", () => {
  const source = repository("padded.git", commit(1, "dir/a", "1\n"))
  const { tree } = firstParent(source, "main", ground.env)[0]!
  const git = (args: readonly string[], stdin?: Uint8Array) =>
    mustBytes({ argv: ["git", ...args], cwd: source, env: ground.env, ...(stdin && { stdin }) })
  const body = git(["cat-file", "tree", tree])
  const padded = Buffer.concat([Buffer.from("0"), body])
  const old = git(["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], padded).toString().trim()
  expect(old).not.toBe(tree)
  expect(sameTree(source, old, tree, ground.env)).toBe(true)
})
