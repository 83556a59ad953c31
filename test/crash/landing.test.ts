import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { hasBinary, hyperion } from "../support/workspace.ts"
import { endLeases, finishAndLook, makeScene, recoverAndLook, SCENES, type Scene } from "./scene.ts"

/**
 * The binary kills itself at a named failpoint of its write paths. Every run of `bun test` takes a sample by
 * `HYPERION_CRASH_SEED`; `HYPERION_CRASH=all` takes every point, and every point of the recovery of every point.
 */
const ALL = process.env["HYPERION_CRASH"] === "all"
const SEED = Number(process.env["HYPERION_CRASH_SEED"] ?? "7")
const POINTS_SAMPLED = 5
const PAIRS_SAMPLED = 3

/** Numbers 1 to n, all or a few, the same few for the same seed. */
const sample = (n: number, few: number, salt: number): readonly number[] => {
  const every = Array.from({ length: n }, (_, index) => index + 1)
  if (ALL || n <= few) return every
  const weight = (at: number) => Bun.hash.wyhash(`${SEED}:${salt}:${at}`)
  return every.toSorted((left, right) => (weight(left) < weight(right) ? -1 : 1)).slice(0, few)
}

const run = (scene: Scene, failpoint: string, log?: string) =>
  hyperion(scene.repository, ["worker", "--drain"], {
    env: {
      HYPERION_TESTING: "1",
      HYPERION_FAILPOINT: failpoint,
      ...(log !== undefined && { HYPERION_FAILPOINT_LOG: log }),
    },
  })

/** The failpoints that a run passes, in order. */
const passed = (scene: Scene): readonly string[] => {
  const log = `${scene.repository.outside}.log`
  rmSync(log, { force: true })
  run(scene, "none", log)
  if (!existsSync(log)) return []
  const points = readFileSync(log, "utf8").trim().split("\n")
  rmSync(log)
  return points
}

const NAMES = [
  "file.create",
  "file.flush",
  "file.link",
  "file.rename",
  "file.unlink",
  "journal.begin",
  "journal.done",
  "ref.lock",
  "ref.log",
  "ref.mark",
  "ref.move",
  "ref.unlock",
]

// A process that kills itself must be one of its own: without the compiled binary there is none.
describe.skipIf(!hasBinary)("a landing killed at a failpoint", () => {
  for (const [at, kind] of SCENES.entries()) {
    describe(kind.name, () => {
      let scene: Scene
      beforeAll(() => {
        scene = makeScene(kind)
      })
      afterAll(() => scene.remove())

      test("is all there or not at all after one recovery, and can land then", async () => {
        scene.restore()
        const points = passed(scene)
        const mine = NAMES.filter(
          (name) =>
            (kind.isCheckedOut || !name.startsWith("file.")) &&
            (kind.mode !== "worktree" || !name.startsWith("ref.")),
        )
        expect(mine.filter((name) => !points.includes(name))).toEqual([])
        for (const point of sample(points.length, POINTS_SAMPLED, at)) {
          scene.restore()
          expect(run(scene, `*:${point}`).code).toBeNull()
          const context = { kind: kind.name, point, name: points[point - 1] }
          expect({ ...context, faults: (await recoverAndLook(scene)).faults }).toEqual({
            ...context,
            faults: [],
          })
          expect({ ...context, faults: await finishAndLook(scene) }).toEqual({ ...context, faults: [] })
        }
      }, 600_000)

      test("survives a second kill in its recovery", async () => {
        scene.restore()
        const points = passed(scene)
        for (const point of sample(points.length, PAIRS_SAMPLED, 10 + at)) {
          scene.restore()
          run(scene, `*:${point}`)
          endLeases(scene.repository)
          const crashed = scene.save()
          const again = passed(scene)
          for (const second of sample(again.length, 1, 100 * at + point)) {
            crashed.back()
            expect(run(scene, `*:${second}`).code).toBeNull()
            const context = { kind: kind.name, point, second, name: again[second - 1] }
            const { faults } = await recoverAndLook(scene)
            expect({ ...context, faults }).toEqual({ ...context, faults: [] })
          }
        }
      }, 3_600_000)
    })
  }
})

// As above.
test.skipIf(!hasBinary)("failpoints are inert unless the environment says it is a test", () => {
  const scene = makeScene(SCENES[0]!)
  const ran = hyperion(scene.repository, ["worker", "--drain"], { env: { HYPERION_FAILPOINT: "*:1" } })
  scene.remove()
  expect(ran.code).toBe(0)
})
