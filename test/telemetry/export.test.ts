import { afterEach, describe, expect, test } from "bun:test"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Exporter, traced } from "../../src/telemetry/Exporter.ts"
import { exporterLayer } from "../../src/telemetry/export.ts"
import { approvalSpan, type Span } from "../../src/telemetry/spans.ts"
import { type Collector, openCollector } from "../support/collector.ts"
import { runLive } from "../support/effect.ts"

let collector: Collector
const said: string[] = []
afterEach(() => {
  collector[Symbol.dispose]()
  said.length = 0
})

const layer = (everyMs?: number) =>
  exporterLayer({
    settings: {
      traces: { url: `${collector.url}/v1/traces`, headers: {} },
      metrics: { url: `${collector.url}/v1/metrics`, headers: {} },
      resource: {},
      ratio: 1,
    },
    sender: { resource: { "service.name": "test" }, version: "1" },
    warn: (text) => said.push(text),
    ...(everyMs !== undefined && { everyMs }),
  })

const aSpan = (n: number): Span =>
  approvalSpan(
    { request_id: "r", task_id: `t-${n}`, cast_id: `cast-${n}` },
    { startNs: 1_700_000_000_000_000_000n, endNs: 1_700_000_000_000_000_001n },
    { entryId: n, presence: "tty", binds: "approval", error: null },
  )

const record = (count: number) =>
  Effect.map(Exporter, (exporter) => exporter.spans(Array.from({ length: count }, (_, n) => aSpan(n))))

describe("the exporter", () => {
  test("sends what waits at its end, in batches, each span once", async () => {
    collector = openCollector()
    await runLive(layer(), record(1_200))
    expect(collector.faults).toEqual([])
    expect(collector.requests.map(({ path }) => path)).toEqual(["/v1/traces", "/v1/traces", "/v1/traces"])
    expect(new Set(collector.spans.map(({ spanId }) => spanId)).size).toBe(1_200)
    expect(said).toEqual([])
  })

  test("lets no more wait than it has room for, and says how many it dropped", async () => {
    collector = openCollector()
    await runLive(layer(), record(10_000))
    expect(collector.spans).toHaveLength(8_192)
    expect(said).toEqual(["telemetry did not reach its collector: 1808 spans were more than could wait"])
  })

  test("sends nothing when there is nothing", async () => {
    collector = openCollector()
    await runLive(layer(), Effect.void)
    expect(collector.requests).toEqual([])
  })

  test("gives up what a collector refuses for good, and says so once", async () => {
    collector = openCollector(() => new Response("no", { status: 400 }))
    await runLive(layer(), record(1_200))
    expect(collector.requests).toHaveLength(3)
    expect(said).toEqual(["telemetry did not reach its collector: it answered 400"])
  })

  test("stops at the first batch that may arrive later", async () => {
    collector = openCollector(() => new Response("busy", { status: 503 }))
    await runLive(layer(), record(1_200))
    expect(collector.requests).toHaveLength(1)
  })
})

describe("beside the work", () => {
  test("it sends from time to time, and again what did not arrive", async () => {
    const answers = [503, 200]
    collector = openCollector(() => new Response("", { status: answers.shift() ?? 200 }))
    const program = Effect.gen(function* () {
      const first = collector.next()
      yield* record(3)
      yield* Effect.promise(() => first)
      yield* Effect.promise(() => collector.next())
    })
    await runLive(layer(5), program)
    expect(collector.requests[1]!.text).toBe(collector.requests[0]!.text)
    expect(said).toEqual(["telemetry did not reach its collector: it answered 503"])
  })
})

describe("a traced step", () => {
  test("does not pay for a mistake in its description", async () => {
    collector = openCollector()
    const step = traced(Effect.succeed(1), () => {
      throw new Error("oops")
    })
    expect(await runLive(layer(), step)).toBe(1)
  })

  test("is only itself where nobody listens", async () => {
    collector = openCollector()
    let described = 0
    const step = traced(Effect.succeed(1), () => {
      described++
      return []
    })
    expect(await Effect.runPromise(step)).toBe(1)
    expect(described).toBe(0)
  })

  test("has its span however it ends", async () => {
    collector = openCollector()
    const ends: string[] = []
    const note = (exit: { readonly _tag: string }) => {
      ends.push(exit._tag)
      return [aSpan(ends.length)]
    }
    const program = Effect.gen(function* () {
      yield* traced(Effect.succeed(1), note)
      yield* Effect.exit(traced(Effect.fail({ _tag: "Oops" }), note))
      yield* Effect.exit(traced(Effect.die("boom"), note))
      const started = yield* Deferred.make<void>()
      const endless = Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
      const fiber = yield* Effect.fork(traced(endless, note))
      yield* Deferred.await(started)
      yield* fiber.interruptAsFork(fiber.id())
      yield* fiber.await
    })
    await runLive(layer(), program)
    expect(ends).toEqual(["Success", "Failure", "Failure", "Failure"])
    expect(collector.spans).toHaveLength(4)
  })
})
