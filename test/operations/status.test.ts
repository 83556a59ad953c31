import { describe, expect } from "bun:test"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { statusText } from "../../src/cli/actions/status.ts"
import type { EntryState } from "../../src/domain/entry.ts"
import { toTimestamp } from "../../src/domain/time.ts"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { listPage } from "../../src/operations/entries.ts"
import { type StatusReport, status } from "../../src/operations/status.ts"
import type { NeedKind } from "../../src/operations/status-needs.ts"
import { why } from "../../src/operations/why.ts"
import { Database } from "../../src/platform/Database.ts"
import { PolicyStore } from "../../src/platform/PolicyStore.ts"
import { pieceText } from "../../src/platform/Terminal.ts"
import { CurrentWorkspace } from "../../src/platform/Workspace.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { busyFriday, DEAD_WORKER } from "../support/busy-friday.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  ENQUEUE,
  enqueued,
  LEASE_MS,
  landed,
  leased,
  outcomeOf,
  settled,
  settlement,
} from "../support/queue.ts"
import { awaiting, type DeskOptions, desk } from "./support.ts"

const textOf = (report: StatusReport): string => statusText(report).map(pieceText).join("")
const codes = (report: StatusReport): readonly string[] => report.findings.map(({ code }) => code)

const edit = (text: string) =>
  Effect.flatMap(CurrentWorkspace, ({ policyFile }) => Effect.sync(() => writeFileSync(policyFile, text)))

const guarded: NonNullable<DeskOptions["policy"]> = {
  guards: [{ id: "unit", command: "true" }],
  sandbox: "preferred",
}

describe("a quiet workspace", () => {
  withLayer(desk({ policy: guarded, tracked: true })).effect("needs nobody", () =>
    Effect.gen(function* () {
      const id = yield* landed()
      const report = yield* status()
      expect(report).toMatchObject({
        head: { ref: "refs/heads/main" },
        landing: { mode: "commit", ref: "refs/heads/main", checked_out: true },
        policy: { source: "base", guards: 1, required: 1, unattended: false },
        counts: { applied: 1, pending: 0 },
        status_counts: { pending: 0, in_progress: 0, applied: 1, failed: 0 },
        queue_depth: 0,
        last_landing: { entry_id: id, task_id: "greeting-1", at: toTimestamp(START) },
      })
      expect(codes(report)).toEqual(["no_sandbox"])
      expect(textOf(report)).toContain("nothing needs you")
      expect(textOf(report).trim().split("\n")).toHaveLength(8)
    }),
  )

  withLayer(desk()).effect("that is empty says what is missing", () =>
    Effect.gen(function* () {
      const report = yield* status()
      expect(codes(report)).toEqual(["no_policy", "unguarded", "no_sandbox", "unborn_branch"])
      expect(report.last_landing).toBeNull()
      expect(textOf(report)).toContain("empty")
    }),
  )
})

describe("what needs a person", () => {
  withLayer(desk({ policy: guarded })).effect("is listed with the command that comes next", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const conflict = yield* enqueued({ taskId: "conflict" })
      yield* settled(yield* leased(), "conflict")
      const failed = yield* enqueued({ taskId: "failed" })
      yield* settled(yield* leased(), "failed")
      const blocked = yield* enqueued({ taskId: "blocked" })
      yield* settled(yield* leased(), "verified")
      const waiting = yield* awaiting({ taskId: "waiting", agent: "copilot" })
      const stalled = yield* enqueued({ taskId: "stalled" })
      const landing = yield* enqueued({ taskId: "landing" })
      const leases = yield* queue.lease("worker-1", LEASE_MS, 2)
      yield* queue.settle([settlement(leases.find(({ entry }) => entry.id === landing)!, "committing")])
      const requests = yield* RequestStore
      const request = { request_id: "vague", summary: "x", requested_changes: [{ path: "a", summary: "b" }] }
      yield* requests.put({ ...request, priority: 5 } as never, "needs_clarification", [], "ada")
      yield* TestClock.adjust(LEASE_MS + 1)

      const report = yield* status()
      const { needs } = report
      expect(needs.approvals).toMatchObject([
        {
          entry_id: waiting,
          agent: "copilot",
          paths: 1,
          message: "1 more approval (tty)",
          next: `hyperion approve ${waiting}`,
        },
      ])
      expect(needs.clarifications).toMatchObject([{ request_id: "vague" }])
      expect(needs.clarifications[0]!.questions.length).toBeGreaterThan(0)
      expect(needs.conflicts.map((need) => need.entry_id)).toEqual([conflict])
      expect(needs.dead_letters.map((need) => need.entry_id)).toEqual([failed])
      expect(needs.blocked).toMatchObject([{ entry_id: blocked, code: "test", message: "the test says so" }])
      expect(needs.abandoned.map((need) => [need.entry_id, need.state, need.ended])).toEqual([
        [landing, "committing", false],
        [stalled, "in_progress", false],
      ])
      const text = textOf(report)
      for (const next of [
        `hyperion approve ${waiting}`,
        `hyperion why ${conflict}`,
        "hyperion worker --drain",
      ])
        expect(text).toContain(next)
    }),
  )

  withLayer(desk({ policy: { ...guarded, approvals: { required: 2 } } })).effect(
    "counts what was approved already",
    () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* awaiting()
        const [before] = (yield* status()).needs.approvals
        yield* queue.approve({ entryId: id }, aDecision({ digest: before!.digest }), false)
        const [after] = (yield* status()).needs.approvals
        expect([before!.message, after!.message]).toEqual(["2 more approvals (tty)", "1 more approval (tty)"])
      }),
  )

  withLayer(desk({ policy: guarded })).effect("is no longer what has a later answer", () =>
    Effect.gen(function* () {
      for (const to of ["conflict", "failed"] as const) {
        yield* enqueued({ taskId: to })
        yield* settled(yield* leased(), to)
        yield* outcomeOf({ taskId: to, content: "another answer\n" })
        yield* settled(yield* leased(), "verified")
      }
      const { needs, counts } = yield* status()
      expect(counts).toMatchObject({ conflict: 1, failed: 1 })
      expect([...needs.conflicts, ...needs.dead_letters]).toEqual([])
    }),
  )

  withLayer(desk({ policy: guarded })).effect("is shown in part and counted in full when it is much", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const items = Array.from({ length: 25 }, (_, index) =>
        anItem({ taskId: `t-${index}`, path: `f${index}` }),
      )
      yield* queue.enqueue(items, ENQUEUE)
      const leases = yield* queue.lease("worker-1", LEASE_MS, 25)
      yield* queue.settle(leases.map((lease) => settlement(lease, "awaiting_approval")))
      const report = yield* status()
      expect(report.needs.approvals).toHaveLength(25)
      expect(report.needs.totals.approvals).toBe(25)
      const text = textOf(report)
      expect(text).toContain("approvals 25  22 more: hyperion list --state awaiting_approval")
      expect(text.match(/hyperion approve \d+/g)).toHaveLength(3)
    }),
  )

  withLayer(desk({ policy: guarded })).effect("cannot draw on the screen", () =>
    Effect.gen(function* () {
      yield* enqueued({ agent: "evil\u202ebot", taskId: "x" })
      const lease = yield* leased()
      const report = {
        schema_version: 1 as const,
        code: "guard_failed",
        message: "boom\u001b[2J\nneeds you",
        where: "x",
        hint: "x",
        evidence: [],
      }
      yield* (yield* QueueService).settle([{ to: "failed", lease, reasonClass: "guard", report }])
      const text = textOf(yield* status())
      expect(text).not.toMatch(/[\u001b\u202e]/)
      expect(text.split("\n").filter((line) => line.startsWith("needs you"))).toHaveLength(1)
    }),
  )
})

describe("what is wrong with the workspace", () => {
  withLayer(desk({ policy: guarded })).effect(
    "an edited policy is a finding, and the rest is still there",
    () =>
      Effect.gen(function* () {
        const id = yield* awaiting()
        yield* edit('{"version": 1, "approvals": {"unattended": true}}')
        const report = yield* status()
        expect(report.findings).toMatchObject([
          { code: "policy_untrusted", level: "error", next: "hyperion config trust" },
        ])
        expect(report).toMatchObject({ policy: null, landing: null, head: { ref: "refs/heads/main" } })
        expect(report.needs.approvals).toMatchObject([{ entry_id: id, message: "1 more approval (tty)" }])
        expect(textOf(report)).toContain("hyperion config trust")
      }),
  )

  for (const [text, code] of [
    ["{", "policy_invalid"],
    ['{"version": 1, "sanbox": "off"}', "policy_invalid"],
    ['{"version": 9}', "policy_invalid"],
  ] as const)
    withLayer(desk()).effect(`a policy that says ${text}`, () =>
      Effect.gen(function* () {
        yield* edit(text)
        expect(codes(yield* status())).toEqual([code])
      }),
    )

  withLayer(desk({ policy: guarded, tracked: true })).effect("a working copy that says something else", () =>
    Effect.gen(function* () {
      yield* edit('{"version": 1, "sandbox": "off"}')
      expect(codes(yield* status())).toContain("policy_differs")
      const { policyFile } = yield* CurrentWorkspace
      yield* Effect.sync(() => rmSync(policyFile))
      expect(codes(yield* status())).toContain("policy_differs")
    }),
  )

  withLayer(desk({ policy: { approvals: { unattended: true, required: 0 }, sandbox: "off" } })).effect(
    "what the policy does without",
    () =>
      Effect.gen(function* () {
        const report = yield* status()
        expect(codes(report)).toEqual(["unguarded", "unattended", "sandbox_off", "unborn_branch"])
        expect(textOf(report)).toContain("without any approval")
      }),
  )

  withLayer(
    desk({ policy: { ...guarded, sandbox: "required", approvals: { presence: "signature" } } }),
  ).effect("what it asks for in vain", () =>
    Effect.gen(function* () {
      const report = yield* status()
      expect(report.findings.map(({ code, level }) => [code, level])).toEqual([
        ["signatures_unavailable", "warning"],
        ["no_sandbox", "error"],
        ["unborn_branch", "info"],
      ])
    }),
  )

  withLayer(desk({ policy: { ...guarded, landing: { branch: "trunk" } } })).effect(
    "a landing branch that is not checked out",
    () =>
      Effect.gen(function* () {
        const report = yield* status()
        expect(report.landing).toMatchObject({ ref: "refs/heads/trunk", commit: null, checked_out: false })
        expect(textOf(report)).toContain("trunk without a commit (not checked out; HEAD is main)")
      }),
  )

  withLayer(desk({ policy: guarded, tracked: true })).effect("a detached HEAD", () =>
    Effect.gen(function* () {
      const { root } = yield* CurrentWorkspace
      const { head } = yield* status()
      yield* (yield* PolicyStore).trust("ada")
      yield* Effect.sync(() => writeFileSync(join(root, ".git/HEAD"), `${head!.commit}\n`))
      const report = yield* status()
      expect(codes(report)).toEqual(["no_branch"])
      expect(report).toMatchObject({ head: { ref: null }, landing: null })
    }),
  )
})

describe("a busy Friday", () => {
  const busy = withLayer(desk({ policy: guarded }))
  const widthOf = (line: string) => Bun.stringWidth(line)

  busy.effect("is whole in JSON, and its totals agree with its lists", () =>
    Effect.gen(function* () {
      const day = yield* busyFriday()
      const report = yield* status()
      expect(report.queue_depth).toBe(60)
      const { totals, ...lists } = report.needs
      for (const [kind, list] of Object.entries(lists))
        expect([kind, list.length]).toEqual([kind, totals[kind as NeedKind]])
      expect(report.needs.approvals.map((need) => need.entry_id)).toEqual([...day.approvals])
      expect(new Set(report.needs.blocked.map((need) => need.entry_id))).toEqual(new Set(day.blocked))
      expect(report.needs.held.map((need) => need.entry_id)).toEqual([...day.held])
      expect(report.needs.conflicts.map((need) => need.entry_id).sort()).toEqual([...day.conflicts].sort())
      expect(totals).toMatchObject({ dead_letters: day.deadLetters.length, clarifications: 3 })
      expect(report.line).toMatchObject({ ready: 20, in_hand: 4 })
      expect(report.line.eta!.ms).toBeGreaterThan(0)
    }),
  )

  for (const columns of [80, 120])
    busy.effect(`fits a screen of ${columns} columns, the most urgent first`, () =>
      Effect.gen(function* () {
        yield* busyFriday()
        const lines = statusText(yield* status(), columns)
          .map(pieceText)
          .join("")
          .split("\n")
        expect(lines.length).toBeLessThan(42)
        const wide = lines.filter((line) => widthOf(line) > columns)
        expect(wide).toEqual([])
        const heads = lines.filter((line) => /^[a-z]+ \d+/.test(line)).map((line) => line.split("  ")[0])
        expect(heads).toEqual([
          "blocked 6",
          "approvals 17",
          "questions 3",
          "conflicts 5",
          "failed 7",
          "held 3",
        ])
        // Every line of an entry ends with a whole command.
        const needs = lines.slice(lines.findIndex((line) => line.startsWith("needs you")))
        for (const line of needs.filter((one) => one.startsWith("  ")))
          expect(line).toMatch(/ {2}hyperion (why \d+|approve \d+|release \d+|request FILE)$/)
      }),
    )

  busy.effect("shows all of a little", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 5; n++) yield* awaiting({ taskId: `t-${n}`, path: `f${n}` })
      const text = textOf(yield* status())
      expect(text.match(/hyperion approve \d+/g)).toHaveLength(5)
      expect(text).not.toContain("more:")
    }),
  )
})

describe("the hands of a worker that was killed", () => {
  const file = withLayer(desk({ policy: guarded, file: true }))
  file.effect("are told from those of one at work, before the lease ends", () =>
    Effect.gen(function* () {
      yield* (yield* Database).enter
      const alive = `worker-${process.pid}`
      const day = yield* busyFriday(alive)
      const report = yield* status()
      expect(report.workers).toEqual([process.pid])
      expect(report.line.in_hand).toBe(2)
      expect(report.needs.abandoned).toMatchObject([
        { entry_id: day.abandoned[1], state: "committing", worker: DEAD_WORKER, ended: true },
        { entry_id: day.abandoned[0], state: "in_progress", worker: DEAD_WORKER, ended: true },
      ])
      const [dead] = yield* why(String(day.abandoned[0]))
      expect(dead!.message).toContain("that worker has ended")
      expect(dead!.eta).toBeNull()
      const [one] = yield* queueOf("in_progress")
      const [live] = yield* why(String(one))
      expect(live!.message).not.toContain("ended")
      expect(live!.eta!.ms).toBeGreaterThan(0)
    }),
  )
})

describe("when an entry will have been worked on", () => {
  const plain = withLayer(desk({ policy: guarded }))
  plain.effect("is unknown before anything was", () =>
    Effect.gen(function* () {
      const id = yield* enqueued()
      const [told] = yield* why(String(id))
      expect(told).toMatchObject({ position: 0, eta: null })
      const report = yield* status()
      expect(report.line).toEqual({ ready: 1, in_hand: 0, eta: null })
      expect(textOf(report)).toContain("time unknown: nothing was worked on yet")
    }),
  )

  plain.effect("is by what goes before it, at the pace of the last hour", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 6; n++) {
        yield* enqueued({ taskId: `done-${n}`, path: `d${n}` })
        const lease = yield* leased()
        yield* TestClock.adjust(60_000)
        yield* settled(lease, "verified")
      }
      const ids = []
      for (let n = 0; n < 3; n++) ids.push(yield* enqueued({ taskId: `t-${n}`, path: `f${n}` }))
      const told = (yield* Effect.forEach(ids, (id) => why(String(id)))).flat()
      expect(told.map(({ position, eta }) => [position, eta?.ms])).toEqual([
        [0, 60_000],
        [1, 120_000],
        [2, 180_000],
      ])
      // A day later the last hour is empty, and the last entries before it still tell.
      yield* TestClock.adjust(86_400_000)
      expect((yield* why(String(ids[0])))[0]!.eta?.ms).toBe(60_000)
    }),
  )

  plain.effect("is for a person to say where one has to decide", () =>
    Effect.gen(function* () {
      yield* busyFriday()
      const day = (yield* status()).needs
      for (const need of [day.approvals[0]!, day.blocked[0]!, day.held[0]!, day.conflicts[0]!])
        expect((yield* why(String(need.entry_id)))[0]!.eta).toBeNull()
    }),
  )
})

const queueOf = (state: EntryState) =>
  Effect.map(listPage({ states: [state], limit: 100 }), ({ entries }) =>
    entries.map(({ id }) => id).reverse(),
  )
