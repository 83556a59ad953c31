import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import {
  hasBinary,
  hyperion,
  initWorkspace,
  makeRepository,
  OPEN_POLICY,
  type Repository,
  requestOf,
} from "../support/workspace.ts"

/** What the compiled binary answers as JSON. */
const asked = (repository: Repository, ...args: string[]) => {
  const ran = hyperion(repository, [...args, "--format", "json"])
  if (ran.stdout === "") throw new Error(ran.stderr)
  return JSON.parse(ran.stdout)
}

// Needs the compiled binary: what kills itself must be a process of its own.
describe.skipIf(!hasBinary)("a landing killed after it began", () => {
  test.each(["ref.move:1", "ref.unlock:1", "journal.done:1"])(
    "at %s can be proven, undone and replayed",
    (point) => {
      const repository = makeRepository({ "a.txt": "a\n" })
      try {
        initWorkspace(repository, OPEN_POLICY)
        repository.commit("policy")
        repository.write({
          "../one.jsonl": [requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c/d.txt": "d\n" })]
            .map((request) => JSON.stringify(request))
            .join("\n"),
        })
        hyperion(repository, ["enqueue", join(repository.outside, "one.jsonl")])
        const killed = hyperion(repository, ["worker", "--drain"], {
          env: { HYPERION_TESTING: "1", HYPERION_FAILPOINT: point },
        })
        expect(killed.code).not.toBe(0)
        hyperion(repository, ["worker", "--drain"])
        expect(asked(repository, "verify", "--all")).toMatchObject({ ok: true, verified: 2, faults: 0 })
        const again = join(repository.outside, "again")
        expect(asked(repository, "replay", "--to", again)).toMatchObject({
          trees: 2,
          tip_tree: repository.git("rev-parse", "main^{tree}"),
        })
        hyperion(repository, ["revert", "one"])
        hyperion(repository, ["worker", "--drain"])
        expect([repository.read("b.txt"), repository.read("c/d.txt")]).toEqual([null, "d\n"])
      } finally {
        repository.remove()
      }
    },
  )
})
