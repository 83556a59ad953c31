import { describe, expect } from "bun:test"
import { writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { reviewText } from "../../src/cli/actions/review-text.ts"
import { type CastPayload, castChecksum, castIdOf } from "../../src/domain/cast.ts"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { type ApproveOptions, approve } from "../../src/operations/approve.ts"
import { reject } from "../../src/operations/reject.ts"
import { pieceText } from "../../src/platform/Terminal.ts"
import { CurrentWorkspace } from "../../src/platform/Workspace.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { approvalsOf } from "../../src/queue/read.ts"
import { aCast } from "../support/builders.ts"
import { withLayer } from "../support/effect.ts"
import {
  ENQUEUE,
  enqueued,
  entry,
  events,
  history,
  itemOf,
  landed,
  leased,
  settled,
} from "../support/queue.ts"
import { AT_TERMINAL, aBody, awaiting, desk, proven, typesDigest } from "./support.ts"

const person = desk({ policy: {}, types: typesDigest })

const approving = (ids: readonly (number | string)[], options: Partial<Omit<ApproveOptions, "ids">> = {}) => {
  const notes: string[] = []
  return approve(
    { ids: ids.map(String), as: undefined, note: undefined, acknowledge: [], yes: false, ...options },
    {
      render: reviewText,
      color: false,
      note: (shown) => notes.push([shown].flat().map(pieceText).join("")),
    },
  ).pipe(Effect.map((report) => ({ ...report, notes })))
}

/** The same cast with a right checksum. */
const recast = (cast: CastPayload): CastPayload => {
  const checksum = castChecksum(cast)
  return { ...cast, checksum, cast_id: castIdOf(checksum) }
}

/** What was refused, and proof that nothing was recorded. */
const refused = (ids: readonly (number | string)[], options: Partial<Omit<ApproveOptions, "ids">> = {}) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const head = yield* queue.head()
    const result = yield* Effect.either(approving(ids, options))
    if (Either.isRight(result)) throw new Error(`not refused: ${JSON.stringify(result.right)}`)
    expect(yield* queue.head()).toEqual(head)
    return result.left
  })

const stored = (id: number) =>
  Effect.flatMap(QueueService, (queue) => queue.read((db) => approvalsOf(db, { entryId: id })))

describe("a person at a terminal", () => {
  withLayer(person).effect("approves what is proven, and it may land", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      const report = yield* approving([id], { note: "read it" })
      expect(report).toMatchObject({ approver: "ada", presence: "tty", notes: [] })
      expect(report.approved).toMatchObject([
        { entry_id: id, state: "verified", recorded: "approval", missing: "" },
      ])
      expect(yield* stored(id)).toMatchObject([
        { decision: "approve", approver: "ada", note: "read it", presence: "tty", attested: 0 },
      ])
      expect((yield* events(id)).at(-1)).toBe("approved")
    }),
  )

  withLayer(person).effect("approves before the guards ran: intent, bound to the checksum", () =>
    Effect.gen(function* () {
      const id = yield* enqueued()
      const { checksum } = yield* entry(id)
      const report = yield* approving([id])
      expect(report.approved).toMatchObject([
        { state: "pending", recorded: "intent", digest: checksum, missing: "" },
      ])
      yield* proven(yield* leased())
      expect(yield* stored(id)).toMatchObject([{ digest: checksum, voided_at: null }])
      expect((yield* entry(id)).state).toBe("awaiting_approval")
    }),
  )

  withLayer(person).effect("approves under another name, which then is the one that counts", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      yield* approving([id], { as: " grace " })
      expect(yield* stored(id)).toMatchObject([{ approver: "grace" }])
    }),
  )

  withLayer(person).effect("decides about a whole request by one digest", () =>
    Effect.gen(function* () {
      const first = yield* awaiting({ taskId: "login-1", requestId: "login" })
      const done = yield* landed({ taskId: "login-3", requestId: "login", path: "c" })
      const second = yield* enqueued({ taskId: "login-2", requestId: "login", path: "b" })
      const report = yield* approving(["login"])
      expect(report.approved.map((one) => [one.entry_id, one.recorded])).toEqual([
        [first, "approval"],
        [second, "intent"],
      ])
      expect(report.skipped).toEqual([{ entry_id: done, state: "applied" }])
    }),
  )

  withLayer(person).effect("names an entry twice and approves it once", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      yield* approving([id, "greeting", "greeting-1"])
      expect(yield* stored(id)).toHaveLength(1)
    }),
  )

  const two = desk({ policy: { approvals: { required: 2 } }, types: typesDigest })
  withLayer(two).effect("is one of two, however the name is written", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      expect((yield* approving([id])).approved[0]!.missing).toBe("1 more approval (tty)")
      expect((yield* approving([id], { as: "ADA" })).approved[0]!.state).toBe("awaiting_approval")
      expect((yield* approving([id], { as: "bob" })).approved[0]).toMatchObject({
        state: "verified",
        missing: "",
      })
    }),
  )
})

describe("sensitive paths", () => {
  const path = ".github/workflows/ci.yml"
  withLayer(person).effect("wait until somebody names them", () =>
    Effect.gen(function* () {
      const id = yield* awaiting({ path })
      const first = yield* approving([id])
      expect(first.approved[0]).toMatchObject({
        state: "awaiting_approval",
        missing: `acknowledgement of ${path}`,
      })
      const second = yield* approving([id], { acknowledge: [path] })
      expect(second.approved[0]).toMatchObject({ state: "verified", missing: "" })
      expect((yield* stored(id)).map((row) => row.acknowledged)).toEqual(["[]", `["${path}"]`])
    }),
  )

  withLayer(person).effect("a name that is none of them is a slip, and is said", () =>
    Effect.gen(function* () {
      const id = yield* awaiting({ path })
      expect(yield* refused([id], { acknowledge: ["package.json"] })).toMatchObject({
        reason: "not_sensitive",
        hint: `name these: --acknowledge ${path}`,
      })
    }),
  )

  withLayer(person).effect("of the proof stay sensitive whatever the policy says by now", () =>
    Effect.gen(function* () {
      const id = yield* awaiting({}, { sensitive: ["src/greeting.txt"] })
      expect((yield* approving([id])).approved[0]!.missing).toBe("acknowledgement of src/greeting.txt")
    }),
  )
})

describe("refused, with nothing recorded", () => {
  for (const typed of ["", "000000", "3f9"])
    withLayer(desk({ policy: {}, types: () => typed })).effect(
      `the wrong digits: ${JSON.stringify(typed)}`,
      () =>
        Effect.gen(function* () {
          const id = yield* awaiting()
          expect(yield* refused([id])).toMatchObject({ _tag: "ApprovalRefused", reason: "wrong_digits" })
          expect((yield* entry(id)).state).toBe("awaiting_approval")
        }),
    )

  const unattended = { approvals: { unattended: true } } as const
  for (const [name, policy] of [
    ["the default policy", {}],
    ["unattended", unattended],
  ] as const)
    withLayer(
      desk({ policy, presence: { terminal: true, agent: "the variable CLAUDECODE" }, types: typesDigest }),
    ).effect(`inside an agent under ${name}`, () =>
      Effect.gen(function* () {
        const id = yield* awaiting()
        for (const yes of [false, true])
          expect(yield* refused([id], { yes })).toMatchObject({ reason: "agent_environment" })
        const head = yield* (yield* QueueService).head()
        expect(yield* Effect.flip(reject([String(id)], "no"))).toMatchObject({ reason: "agent_environment" })
        expect(yield* (yield* QueueService).head()).toEqual(head)
      }),
    )

  withLayer(desk({ policy: {}, presence: { terminal: false, agent: null } })).effect(
    "without a terminal",
    () =>
      Effect.gen(function* () {
        const id = yield* awaiting()
        const error = yield* refused([id])
        expect(error).toMatchObject({ reason: "no_terminal" })
        // No hint tells an agent how to have approvals switched off.
        expect("hint" in error && error.hint).not.toContain("unattended")
      }),
  )

  withLayer(person).effect("--yes at a terminal", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      expect(yield* refused([id], { yes: true })).toMatchObject({ reason: "yes_needs_unattended" })
    }),
  )

  withLayer(desk({ policy: { approvals: { presence: "signature" } }, types: typesDigest })).effect(
    "where a signature is demanded: there are none yet",
    () =>
      Effect.gen(function* () {
        const id = yield* awaiting()
        expect(yield* refused([id])).toMatchObject({ reason: "signature_needed" })
      }),
  )

  for (const [agent, as] of [
    ["ada", undefined],
    ["Ada", undefined],
    ["copilot", "CoPilot"],
  ] as const)
    withLayer(person).effect(`${as ?? "ada"} about a change of ${agent}`, () =>
      Effect.gen(function* () {
        const id = yield* awaiting({ agent })
        expect(yield* refused([id], { as })).toMatchObject({ reason: "self_approval" })
      }),
    )

  withLayer(person).effect("the agent under the name its change request gives", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const disguised = aCast({ agent: "ada" })
      const [outcome] = yield* queue.enqueue([itemOf(recast({ ...disguised, agent_id: "bot" }))], ENQUEUE)
      if (outcome?.outcome !== "queued") throw new Error("not queued")
      expect(yield* refused([outcome.entryId])).toMatchObject({ reason: "self_approval" })
    }),
  )

  withLayer(person).effect("a name that is no name", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      for (const as of ["", "a\nb", "x".repeat(200)])
        expect(yield* refused([id], { as })).toMatchObject({ reason: "bad_name" })
    }),
  )

  withLayer(person).effect("what has landed, ended or is not there", () =>
    Effect.gen(function* () {
      const id = yield* landed()
      expect(yield* refused([id])).toMatchObject({ _tag: "WrongState", state: "applied" })
      expect(yield* refused([999])).toMatchObject({ _tag: "UnknownId" })
      const live = yield* awaiting({ taskId: "b" })
      expect(yield* refused([live, id])).toMatchObject({ _tag: "WrongState" })
    }),
  )

  withLayer(person).effect("a request that has no entries yet", () =>
    Effect.gen(function* () {
      const requests = yield* RequestStore
      const request = { request_id: "later", summary: "x", requested_changes: [], priority: 5 }
      yield* requests.put(request as never, "needs_clarification", [], "ada")
      expect(yield* refused(["later"])).toMatchObject({ _tag: "WrongState", what: "request later" })
    }),
  )

  withLayer(person).effect("a proof that is not what its digest says", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* awaiting()
      const forged = JSON.stringify(aBody([{ path: "harmless.txt", before: null, after: null }]))
      for (const body of [forged, "{}", "no json"]) {
        yield* queue.read((db) =>
          db.query("UPDATE verification SET body = ? WHERE entry_id = ?").run(body, id),
        )
        expect(yield* refused([id])).toMatchObject({ reason: "not_readable" })
      }
    }),
  )

  withLayer(desk({})).effect("when the policy cannot be trusted", () =>
    Effect.gen(function* () {
      const { policyFile } = yield* CurrentWorkspace
      yield* Effect.sync(() => writeFileSync(policyFile, '{"version":1}'))
      const id = yield* awaiting()
      expect(yield* refused([id])).toMatchObject({ _tag: "PolicyUntrusted" })
    }),
  )
})

describe("nobody at a terminal, and the policy says unattended", () => {
  const script = desk({
    policy: { approvals: { unattended: true } },
    presence: { terminal: false, agent: null },
  })
  withLayer(script).effect("records that nobody was there", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      const report = yield* approving([id])
      expect(report).toMatchObject({ presence: "none", approved: [{ state: "verified" }] })
      expect(report.notes.join("")).toContain("unattended")
      expect(yield* stored(id)).toMatchObject([{ presence: "none", attested: 0 }])
    }),
  )

  const there = desk({
    policy: { approvals: { unattended: true } },
    presence: AT_TERMINAL,
    types: typesDigest,
  })
  withLayer(there).effect("a person who types counts as one; --yes does not", () =>
    Effect.gen(function* () {
      const first = yield* awaiting({ taskId: "a" })
      const second = yield* awaiting({ taskId: "b" })
      yield* approving([first])
      yield* approving([second], { yes: true })
      expect([...(yield* stored(first)), ...(yield* stored(second))].map((row) => row.presence)).toEqual([
        "tty",
        "none",
      ])
    }),
  )
})

describe("while the person reads", () => {
  /** A desk where something happens to the queue between showing and typing. */
  const interrupted = (happens: (queue: QueueService["Type"]) => Effect.Effect<unknown, unknown>) => {
    const held: { queue: QueueService["Type"] | null } = { queue: null }
    const layer = desk({
      policy: {},
      types: (screen) => {
        Effect.runSync(happens(held.queue!))
        return typesDigest(screen)
      },
    })
    const hold = Effect.map(QueueService, (queue) => {
      held.queue = queue
    })
    return { layer, hold }
  }

  const moved = interrupted((queue) => queue.baseMoved([1, 2], "worker-1", {}))
  withLayer(moved.layer).effect("the base moves: nothing is approved, of none of them", () =>
    Effect.gen(function* () {
      yield* moved.hold
      const first = yield* awaiting({ taskId: "a" })
      const second = yield* enqueued({ taskId: "b" })
      const error = yield* Effect.flip(approving([first, second]))
      expect(error).toMatchObject({ _tag: "ApprovalOutdated", entries: [first] })
      expect([...(yield* stored(first)), ...(yield* stored(second))]).toEqual([])
      expect((yield* entry(first)).state).toBe("pending")
    }),
  )

  const withdrawn = interrupted((queue) =>
    queue.withdraw(1, { event: "cancelled", actor: "bob", code: "cancelled", text: "no" }),
  )
  withLayer(withdrawn.layer).effect("it is withdrawn: it stays so", () =>
    Effect.gen(function* () {
      yield* withdrawn.hold
      const id = yield* awaiting()
      expect(yield* Effect.flip(approving([id]))).toMatchObject({ _tag: "ApprovalOutdated", entries: [id] })
      expect((yield* entry(id)).state).toBe("cancelled")
    }),
  )
})

describe("what documents say about approvals", () => {
  const CLAIM = { approver: "grace", note: "LGTM\n  approved   by everyone\u001b[2J" }

  withLayer(desk({ policy: {}, types: () => "" })).effect("an agent's claims are no approval", () =>
    Effect.gen(function* () {
      const id = yield* awaiting({ approvals: [CLAIM] })
      expect(yield* refused([id])).toMatchObject({ reason: "wrong_digits" })
      expect(yield* stored(id)).toEqual([])
      expect((yield* entry(id)).state).toBe("awaiting_approval")
    }),
  )

  withLayer(desk({ policy: { approvals: { required: 2 } }, types: typesDigest })).effect(
    "nor beside it: attested or not, they count nothing",
    () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const cast = aCast()
        const forged = {
          ...cast,
          approvals: [
            {
              approver: "grace",
              timestamp: cast.created_at,
              digest: cast.checksum,
              attested: true,
              signature: "-----BEGIN SSH SIGNATURE-----",
            },
          ],
        }
        yield* queue.enqueue([itemOf(forged)], ENQUEUE)
        yield* proven(yield* leased())
        const report = yield* approving([1])
        expect(report.approved[0]).toMatchObject({
          state: "awaiting_approval",
          missing: "1 more approval (tty)",
        })
        expect(yield* stored(1)).toMatchObject([{ approver: "ada" }])
      }),
  )

  let screen = ""
  const looking = desk({
    policy: {},
    types: (text) => {
      screen = text
      return typesDigest(text)
    },
  })
  withLayer(looking).effect("are shown as what they are, and cannot draw on the screen", () =>
    Effect.gen(function* () {
      const id = yield* awaiting(
        { approvals: [CLAIM], intent: "say hello\n  digest     000000\u202e" },
        {
          flags: ["repaired", "sandbox:none"],
          repairs: [{ path: "src/greeting.txt", kind: "relocation", detail: "hunk 1 moved by 3 lines" }],
        },
      )
      yield* approving([id])
      expect(screen).toContain("(said by the agent, not counted)")
      expect(screen).toContain("repaired, sandbox:none")
      expect(screen).toContain("relocation: hunk 1 moved by 3 lines")
      expect(screen.split("\n").filter((line) => line.startsWith("  digest"))).toHaveLength(1)
      expect(screen.split("\n").filter((line) => line.startsWith("  approved"))).toHaveLength(0)
      expect(screen).not.toMatch(/[\u001b\u202e]/)
    }),
  )

  withLayer(looking).effect("sensitive paths are shown before all others", () =>
    Effect.gen(function* () {
      const after = { mode: "100644" as const, bytes: new Uint8Array() }
      const id = yield* awaiting({}, {}, [
        { path: "a.txt", before: null, after },
        { path: "package.json", before: after, after },
      ])
      yield* approving([id])
      expect(screen.indexOf("update package.json  needs --acknowledge")).toBeGreaterThan(0)
      expect(screen.indexOf("package.json")).toBeLessThan(screen.indexOf("a.txt"))
    }),
  )
})

describe("rejecting", () => {
  withLayer(person).effect("cancels every entry of a request and says who and why", () =>
    Effect.gen(function* () {
      const first = yield* awaiting({ taskId: "login-1", requestId: "login" })
      const second = yield* enqueued({ taskId: "login-2", requestId: "login", path: "b" })
      const done = yield* enqueued({ taskId: "login-3", requestId: "login", path: "c" })
      const leases = [yield* leased(), yield* leased()]
      yield* settled(leases.find((lease) => lease.entry.id === done)!, "committing")
      const report = yield* reject(["login"], "not now")
      expect(report).toEqual({
        rejected: [first, second],
        too_late: [{ entry_id: done, state: "committing" }],
      })
      for (const id of [first, second]) {
        expect(yield* entry(id)).toMatchObject({ state: "cancelled", reason: "not now" })
        expect(yield* stored(id)).toMatchObject([{ decision: "reject", approver: "ada", note: "not now" }])
        expect((yield* history(id)).at(-1)).toMatchObject({ event: "rejected", actor: "ada" })
      }
    }),
  )

  withLayer(person).effect("is too late for what landed, and knows all ids before it starts", () =>
    Effect.gen(function* () {
      const id = yield* landed()
      expect(yield* Effect.flip(reject([String(id)], "no"))).toMatchObject({
        _tag: "WrongState",
        state: "applied",
      })
      const live = yield* enqueued({ taskId: "b" })
      expect(yield* Effect.flip(reject([String(live), "nobody"], "no"))).toMatchObject({ _tag: "UnknownId" })
      expect((yield* entry(live)).state).toBe("pending")
    }),
  )
})
