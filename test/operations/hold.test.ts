import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { statusText } from "../../src/cli/actions/status.ts"
import { freeze, thaw } from "../../src/operations/freeze.ts"
import { hold, release } from "../../src/operations/hold.ts"
import { status } from "../../src/operations/status.ts"
import { why } from "../../src/operations/why.ts"
import { pieceText } from "../../src/platform/Terminal.ts"
import { withLayer } from "../support/effect.ts"
import { enqueued, landed, leased, settled } from "../support/queue.ts"
import { desk } from "./support.ts"

const it = withLayer(desk({ policy: { sandbox: "off" } }))
const agent = withLayer(desk({ presence: { terminal: true, agent: "copilot" } }))

const screen = Effect.map(status(), (report) => statusText(report).map(pieceText).join(""))

describe("hold and release", () => {
  it.effect("status and why name who holds an entry, why, and the command that lets it go", () =>
    Effect.gen(function* () {
      const id = yield* enqueued()
      expect(yield* hold(["greeting-1"], "after the release")).toEqual([id])
      const [said] = yield* why(String(id))
      expect(said).toMatchObject({ code: "held", next: `hyperion release ${id}` })
      expect(said!.message).toContain("after the release")
      expect((yield* status()).needs.held).toMatchObject([{ entry_id: id, by: "ada" }])
      expect(yield* screen).toContain(`hyperion release ${id}`)
      expect(yield* release([String(id)])).toEqual([id])
      expect((yield* status()).needs.held).toEqual([])
      expect((yield* why(String(id)))[0]!.code).toBe("ready")
    }),
  )

  it.effect("what has landed is refused, and an unknown id before anything is done", () =>
    Effect.gen(function* () {
      const done = yield* landed({ taskId: "landed" })
      expect(yield* Effect.either(hold([String(done)], "x"))).toMatchObject({ left: { _tag: "WrongState" } })
      const id = yield* enqueued()
      expect(yield* Effect.either(hold([String(id), "nobody"], "x"))).toMatchObject({
        left: { _tag: "UnknownId" },
      })
      expect((yield* status()).needs.held).toEqual([])
      expect(yield* Effect.either(release([String(id)]))).toMatchObject({ left: { _tag: "WrongState" } })
    }),
  )
})

describe("freeze and thaw", () => {
  it.effect("status and why show it; the thaw ends it", () =>
    Effect.gen(function* () {
      const id = yield* enqueued()
      yield* settled(yield* leased(), "verified")
      yield* freeze("release in progress")
      const report = yield* status()
      expect(report.freeze).toMatchObject({ by: "ada", reason: "release in progress" })
      expect(report.findings[0]).toMatchObject({ code: "frozen", next: "hyperion thaw" })
      expect((yield* why(String(id)))[0]).toMatchObject({ code: "frozen", next: "hyperion thaw" })
      expect(yield* screen).toContain("release in progress")
      const again = yield* Effect.flip(freeze("mine"))
      expect(again.message).toContain("release in progress")
      yield* thaw()
      expect((yield* status()).freeze).toBeNull()
      expect(yield* Effect.either(thaw())).toMatchObject({ left: { _tag: "WrongState" } })
    }),
  )

  agent.effect("an agent may stop the queue, and let nothing go", () =>
    Effect.gen(function* () {
      const id = yield* enqueued()
      yield* hold([String(id)], "x")
      yield* freeze("x")
      expect(Either.isLeft(yield* Effect.either(release([String(id)])))).toBe(true)
      expect(yield* Effect.either(thaw())).toMatchObject({ left: { _tag: "ApprovalRefused" } })
      expect((yield* status()).freeze).not.toBeNull()
    }),
  )
})
