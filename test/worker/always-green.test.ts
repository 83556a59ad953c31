import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop } from "./workshop.ts"

/** Small and seeded: a run that failed is repeated by its seed. */
const chance = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return Math.floor((state / 4_294_967_296) * below)
  }
}

const PATHS = ["k.txt", "b.txt", "c.txt", "d.txt", "e/f.txt", "e/g.txt", "h.txt", "i.txt", "j.txt"]

/**
 * What a tree may be: no file says `bad`, and no two say `odd` at once. The first is an entry's own fault, the second
 * that of two which are green alone.
 */
const isGreen = (read: (path: string) => string | null): boolean => {
  const texts = PATHS.map((path) => read(path) ?? "")
  return (
    !texts.some((text) => text.startsWith("bad")) && texts.filter((text) => text.startsWith("odd")).length < 2
  )
}

const entriesOf = (next: (below: number) => number) =>
  Array.from({ length: 10 }, (_, n) => {
    const kind = ["fine", "fine", "fine", "fine", "odd", "bad"][next(6)]!
    const path = PATHS[next(PATHS.length)]!
    const more = n > 0 && next(4) === 0 ? { depends_on: [`t${next(n)}`] } : {}
    return { kind, path, request: requestOf(`t${n}`, { [path]: `${kind} ${n}\n` }, more) }
  })

test.each(Array.from({ length: 12 }, (_, n) => [n + Number(process.env["HYPERION_SEED"] ?? 0)]))(
  "seed %d: the branch is only ever a tree that is green, whoever stops the worker, and only the red are refused",
  async (seed) => {
    const next = chance(seed * 7_919 + 1)
    const required = next(3) === 0 ? (1 as const) : (0 as const)
    let calls = 0
    let stopAt = next(2) === 0 ? 1 + next(6) : 0
    let stop = () => {}
    const shop = await openWorkshop({
      policy: {
        ...OPEN_POLICY,
        guards: [{ id: "unit", command: ["unit-tests"], flaky_retries: 0 }],
        approvals: required === 0 ? OPEN_POLICY.approvals : { required, presence: "tty" },
        workers: 1 + next(3),
      },
      guard: ({ read }) =>
        Effect.suspend(() => {
          if (++calls === stopAt) {
            stop()
            return Effect.never
          }
          return Effect.succeed(isGreen(read) ? ("green" as const) : ("red" as const))
        }),
    })
    const entries = entriesOf(next)
    const ids = await shop.enqueue(entries.map(({ request }) => request))
    if (stopAt > 0) {
      const stopped = new Promise<void>((resolve) => {
        stop = resolve
      })
      const worker = shop.forkDrain("worker-0")
      await Promise.race([stopped, Effect.runPromise(Fiber.await(worker))])
      await Effect.runPromise(Fiber.interrupt(worker))
      stopAt = 0
    }
    for (let round = 0; round < 12; round++) {
      await shop.drain()
      const states = await Promise.all(ids.map((id) => shop.state(id)))
      const waiting = ids.filter((_, n) => states[n] === "awaiting_approval")
      // In twos: what is approved together lands together.
      if (waiting.length > 0) await shop.approve(waiting.slice(0, 1 + next(3)))
      await shop.pass(11_000)
    }
    const tips = shop.git("reflog", "show", "--format=%H", "main").split("\n")
    for (const tip of tips) {
      const files = new Set(shop.git("ls-tree", "-r", "--name-only", tip).split("\n"))
      const read = (path: string) => (files.has(path) ? `${shop.git("show", `${tip}:${path}`)}\n` : null)
      expect([tip, isGreen(read)]).toEqual([tip, true])
    }
    const states = await Promise.all(ids.map((id) => shop.state(id)))
    const landed = entries.filter((_, n) => states[n] === "applied")
    for (const [n, { kind, path, request }] of entries.entries()) {
      const isIn = states[n] === "applied"
      if (kind === "bad") expect([n, isIn]).toEqual([n, false])
      // What is fine and has not landed came too late for its file, or waits for one that has not landed.
      const isLate = landed.some((other) => other.path === path)
      const on = (request as { readonly depends_on?: readonly string[] }).depends_on ?? []
      const isBlocked = on.some((task) => !landed.some((other) => other.request.task_id === task))
      if (kind === "fine") expect([n, isIn || isLate || isBlocked]).toEqual([n, true])
    }
    const faults = await findFaults(shop)
    shop.remove()
    expect(faults).toEqual([])
  },
  20_000,
)
