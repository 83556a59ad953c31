import { afterEach, describe, expect } from "bun:test"
import { createServer, type Server } from "node:net"
import { traceIdOf } from "../../src/telemetry/spans.ts"
import { type Collector, openCollector, type SeenSpan } from "../support/collector.ts"
import { type Ran, requestOf, startHyperion } from "../support/workspace.ts"
import { binaryTest, type E2e, openE2e } from "./support.ts"

/** What must never leave the machine: it stands in patches, prompts, files, notes, headers and the environment. */
const SECRET = "sesame-4711"

let ground: E2e
let collector: Collector
const closing: (() => unknown)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const guarded = (command: readonly string[], policy: object = {}) => {
  ground = openE2e({
    guards: [{ id: "unit", command: [...command] }],
    approvals: { required: 1, presence: "none", unattended: true },
    ...policy,
  })
  closing.push(ground.remove)
}

const collecting = (answer?: Parameters<typeof openCollector>[0]) => {
  collector = openCollector(answer)
  closing.push(() => collector[Symbol.dispose]())
}

/** The collector lives in this process, so nothing here may block it. */
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  startHyperion(ground, args, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } }).ended

const ok = async (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran> => {
  const ran = await run(args, env)
  expect([args[0], ran.code, ran.code === 0 ? "" : ran.stderr]).toEqual([args[0]!, 0, ""])
  return ran
}

const TASK = {
  request_id: "greet",
  summary: `Say ${SECRET}`,
  kind: "feature",
  requested_changes: [
    { path: `secret-${SECRET}.txt`, summary: SECRET, operation: "add", content: `${SECRET}\n` },
  ],
}

const named = (name: string): SeenSpan => {
  const found = collector.spans.filter((span) => span.name === name)
  expect([name, found.length]).toEqual([name, 1])
  return found[0]!
}

/** The tree of a trace as names, children in order of their beginning. */
const treeOf = (spans: readonly SeenSpan[], parent: string | null = null): object =>
  Object.fromEntries(
    spans
      .filter(({ parentId }) => parentId === parent)
      .sort((a, b) => Number(a.startNs - b.startNs) || Number(b.endNs - a.endNs))
      .map((span) => [span.name, treeOf(spans, span.spanId)]),
  )

describe("the way of a request, as spans", () => {
  binaryTest(
    "is one trace over all its processes, with the conventions' names",
    async () => {
      guarded(["true"])
      collecting()
      await ok(["request", ground.file(TASK)], {
        OTEL_SERVICE_NAME: "merge-queue",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=a%20test,team=x",
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${SECRET}`,
      })
      await ok(["worker", "--drain"])
      await ok(["approve", "greet", "--yes", "--as", "grace", "--note", SECRET])
      await ok(["worker", "--drain"])
      expect(ground.read(`secret-${SECRET}.txt`)).toBe(`${SECRET}\n`)
      expect(collector.faults).toEqual([])

      const { spans } = collector
      expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([traceIdOf("greet")]))
      expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length)
      expect(treeOf(spans)).toEqual({
        request: {
          clarify: {},
          split: {},
          "invoke_agent developer-1": {},
          "send queue": {
            validate: {},
            "process queue": {
              "receive queue": {},
              compute: {},
              "RUN guards": { candidate: {}, unit: {} },
            },
            approval: {},
            land: {},
          },
        },
      })
      expect(spans.filter(({ failed }) => failed)).toEqual([])
      for (const span of spans) {
        expect(span.endNs).toBeGreaterThanOrEqual(span.startNs)
        const parent = spans.find(({ spanId }) => spanId === span.parentId)
        if (parent) expect(span.startNs).toBeGreaterThanOrEqual(parent.startNs - 1_000_000n)
      }

      const head = ground.git("rev-parse", "HEAD")
      const cast = JSON.parse((await run(["show", "greet-1", "--format", "json"])).stdout).cast
      expect(named("request").attributes).toEqual({
        "hyperion.request.id": "greet",
        "hyperion.assignments": 1,
      })
      expect(named("invoke_agent developer-1")).toMatchObject({
        kind: 3,
        attributes: {
          "gen_ai.operation.name": "invoke_agent",
          "gen_ai.provider.name": "stub",
          "gen_ai.agent.name": "developer-1",
          "hyperion.task.id": "greet-1",
        },
      })
      const message = {
        "messaging.system": "hyperion",
        "messaging.destination.name": "queue",
        "messaging.message.id": cast.cast_id,
      }
      expect(named("send queue")).toMatchObject({
        kind: 4,
        attributes: {
          ...message,
          "messaging.operation.name": "send",
          "messaging.operation.type": "send",
          "hyperion.entry.id": 1,
          "hyperion.outcome": "queued",
        },
        resource: {
          "service.name": "merge-queue",
          "deployment.environment.name": "a test",
          team: "x",
        },
      })
      expect(named("receive queue")).toMatchObject({
        kind: 3,
        attributes: { ...message, "messaging.operation.type": "receive", "messaging.batch.message_count": 1 },
      })
      expect(named("process queue")).toMatchObject({
        kind: 5,
        attributes: { ...message, "messaging.operation.type": "process", "hyperion.attempt": 1 },
        resource: { "service.name": "hyperion" },
      })
      expect(named("RUN guards")).toMatchObject({
        kind: 2,
        attributes: {
          "cicd.pipeline.name": "guards",
          "cicd.pipeline.action.name": "RUN",
          "cicd.pipeline.result": "success",
        },
      })
      expect(named("unit")).toMatchObject({
        kind: 1,
        attributes: {
          "cicd.pipeline.task.name": "unit",
          "cicd.pipeline.task.run.result": "success",
          "process.exit.code": 0,
        },
      })
      expect(named("approval").attributes).toMatchObject({
        "hyperion.approval.presence": "none",
        "hyperion.approval.binds": "approval",
      })
      expect(named("approval").endNs - named("approval").startNs).toBeGreaterThan(0n)
      expect(named("land").attributes).toEqual({
        "vcs.change.id": "1",
        "vcs.change.state": "merged",
        "vcs.ref.base.name": "main",
        "vcs.ref.base.type": "branch",
        "vcs.ref.base.revision": ground.git("rev-parse", "HEAD~1"),
        "vcs.ref.head.revision": head,
        "hyperion.entry.id": 1,
        "hyperion.outcome": "landed",
        "messaging.batch.message_count": 1,
      })

      const [first] = collector.requests
      expect(first!.headers.get("authorization")).toBe(`Bearer ${SECRET}`)
      const sent = collector.requests.map(({ text }) => text).join("\n")
      for (const word of [SECRET, ground.root, "grace", "secret-"]) expect(sent).not.toContain(word)

      const metric = (name: string) => collector.metrics.filter((one) => one.name === name).at(-1)
      expect(metric("hyperion.landings")).toMatchObject({ kind: "sum", points: [{ value: 1 }] })
      expect(metric("hyperion.queue_depth")).toMatchObject({ kind: "gauge", points: [{ value: 0 }] })
      expect(metric("hyperion.cast_latency")).toMatchObject({ kind: "gauge", unit: "s" })
      expect(metric("hyperion.guard.duration")).toMatchObject({
        kind: "histogram",
        unit: "s",
        points: [
          {
            attributes: { "cicd.pipeline.task.name": "unit", "cicd.pipeline.task.run.result": "success" },
            value: 1,
          },
        ],
      })
      expect(metric("gen_ai.client.operation.duration")?.points).toHaveLength(1)
      expect(metric("messaging.process.duration")?.points).toHaveLength(1)
      expect(metric("cicd.pipeline.run.duration")?.points).toHaveLength(1)
    },
    { timeoutMs: 30_000 },
  )

  binaryTest("says what went wrong by code: a rejection, a duplicate, a red guard", async () => {
    guarded(["sh", "-c", "! test -e new.txt"])
    collecting()
    const good = ground.file(requestOf("good", { "new.txt": "x\n" }), "good.json")
    await ok(["enqueue", good])
    await ok(["enqueue", good])
    const bad = { ...requestOf("bad", { "../out.txt": "x\n" }) }
    expect((await run(["enqueue", ground.file(bad)])).code).toBe(5)
    await ok(["worker", "--drain"])
    expect(collector.faults).toEqual([])
    const sends = collector.spans.filter(({ name }) => name === "send queue")
    expect(
      sends.map(({ attributes, failed, parentId }) => [attributes["hyperion.outcome"], failed, parentId]),
    ).toEqual([
      ["queued", false, null],
      ["duplicate", false, null],
      ["rejected", true, null],
    ])
    expect(sends[2]!.traceId).toBe(traceIdOf("bad"))
    expect(sends[2]!.attributes["error.type"]).toMatch(/^path_/)
    expect(named("unit")).toMatchObject({
      failed: true,
      attributes: { "cicd.pipeline.task.run.result": "failure", "error.type": "guard_failed" },
    })
    expect(named("RUN guards")).toMatchObject({
      failed: true,
      attributes: { "cicd.pipeline.result": "failure" },
    })
    expect(named("process queue")).toMatchObject({
      failed: true,
      parentId: sends[0]!.spanId,
      attributes: { "hyperion.outcome": "failed", "error.type": "guard_failed" },
    })
  })

  binaryTest("has a person's no as well as a yes", async () => {
    guarded(["true"])
    collecting()
    await ok(["enqueue", ground.file(requestOf("one", { "one.txt": "x\n" }))])
    await ok(["worker", "--drain"])
    await ok(["reject", "one", "--note", SECRET])
    expect(named("approval")).toMatchObject({
      failed: true,
      parentId: named("send queue").spanId,
      attributes: { "hyperion.approval.binds": "rejection", "error.type": "rejected" },
    })
  })

  binaryTest("is delivered also by a worker that is stopped", async () => {
    guarded(["true"], { approvals: { required: 0, presence: "none", unattended: true } })
    collecting()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
    const worker = startHyperion(ground, ["worker"], { env })
    await ok(["enqueue", ground.file(requestOf("one", { "one.txt": "x\n" })), "--wait"])
    worker.child.kill("SIGINT")
    expect((await worker.ended).code).toBe(130)
    expect(named("land").attributes["vcs.ref.head.revision"]).toBe(ground.git("rev-parse", "HEAD"))
    expect(named("process queue").parentId).toBe(named("send queue").spanId)
    expect(collector.faults).toEqual([])
  })

  binaryTest(
    "ends at the collector that was named: traces alone, sampled, never past a redirect",
    async () => {
      guarded(["true"])
      collecting((path) =>
        path === "/moved" ? Response.redirect(`${collector.url}/v1/traces`, 307) : Response.json({}),
      )
      const enqueue = (task: string) => ["enqueue", ground.file(requestOf(task, { [`${task}.txt`]: "x\n" }))]
      const only = {
        OTEL_EXPORTER_OTLP_ENDPOINT: "",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
      }
      await ok(enqueue("one"), only)
      expect(collector.requests.map(({ path }) => path)).toEqual(["/v1/traces"])
      await ok(enqueue("two"), { ...only, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" })
      expect(collector.requests).toHaveLength(1)
      const moved = {
        ...only,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/moved`,
        HYPERION_LOG: "info",
      }
      const ran = await ok(enqueue("three"), moved)
      expect(collector.requests.map(({ path }) => path)).toEqual(["/v1/traces", "/moved"])
      expect(ran.stderr).toContain("it answered 307")
    },
  )
})

describe("without a collector", () => {
  const OFF: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ["nothing is set", { OTEL_EXPORTER_OTLP_ENDPOINT: "" }],
    ["the SDK is disabled", { OTEL_SDK_DISABLED: "true" }],
    ["no exporter is wanted", { OTEL_TRACES_EXPORTER: "none", OTEL_METRICS_EXPORTER: "none" }],
  ]
  for (const [when, env] of OFF)
    binaryTest(`nothing is sent: ${when}`, async () => {
      guarded(["true"])
      collecting()
      const ran = await ok(["request", ground.file(TASK)], env)
      await ok(["worker", "--drain"], env)
      expect(collector.requests).toEqual([])
      expect(ran.stderr).not.toContain("warning")
    })

  binaryTest(
    "a protocol nobody speaks here is said, and the password of an address is not repeated",
    async () => {
      guarded(["true"])
      collecting()
      const grpc = await ok(["status"], { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
      expect(grpc.stderr).toMatch(
        /^warning: OTEL_EXPORTER_OTLP_PROTOCOL .* http\/json, the only one spoken: no traces are sent\nwarning: .* no metrics are sent\n$/,
      )
      expect((await ok(["status", "--quiet"], { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })).stderr).toBe("")
      const named = collector.url.replace("//", `//ada:${SECRET}@`)
      const address = await ok(["status"], { OTEL_EXPORTER_OTLP_ENDPOINT: named })
      expect(address.stderr).toContain("warning: OTEL_EXPORTER_OTLP_ENDPOINT holds a password")
      expect(address.stderr).not.toContain(SECRET)
      expect(collector.requests).toEqual([])
    },
  )

  const silent = async (): Promise<string> => {
    const server: Server = createServer(() => {})
    closing.push(() => server.close())
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
    server.unref()
    return `http://127.0.0.1:${(server.address() as { port: number }).port}`
  }

  binaryTest("one that never answers holds nobody up for long, and fails nothing", async () => {
    guarded(["true"])
    collecting()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: await silent() }
    const begun = Bun.nanoseconds()
    expect((await ok(["request", ground.file(TASK)], env)).stderr).not.toContain("telemetry")
    const told = await ok(["worker", "--drain"], { ...env, HYPERION_LOG: "info" })
    expect(told.stderr.match(/telemetry/g)).toHaveLength(1)
    expect(told.stderr).toContain("warning: telemetry did not reach its collector: no answer within a second")
    // Two commands, a second each at their ends; the rest is theirs and the machine's.
    expect((Bun.nanoseconds() - begun) / 1e9).toBeLessThan(12)
  })

  binaryTest("one that refuses, is gone or errs costs a line for whoever asked for it", async () => {
    guarded(["true"])
    collecting(() => new Response("no", { status: 503 }))
    const ran = await ok(["request", ground.file(TASK)], { HYPERION_LOG: "info" })
    expect(ran.stderr.match(/telemetry did not reach its collector: it answered 503/g)).toHaveLength(1)
    const gone = openCollector()
    gone[Symbol.dispose]()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gone.url, OTEL_EXPORTER_OTLP_HEADERS: `x-key=${SECRET}` }
    const refused = await ok(["worker", "--drain"], { ...env, HYPERION_LOG: "info" })
    expect(refused.stderr.match(/telemetry did not reach its collector/g)).toHaveLength(1)
    expect(refused.stderr).not.toContain(SECRET)
    expect((await ok(["status"], env)).stderr).toBe("")
  })

  binaryTest(
    "guards and agents see nothing of it, not even where the policy passes its headers on",
    async () => {
      const names = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
      guarded(["sh", "-c", "! env | grep OTEL"], {
        guards: [{ id: "unit", command: ["sh", "-c", "! env | grep OTEL"], env: names }],
        approvals: { required: 0, presence: "none", unattended: true },
      })
      collecting()
      const env = Object.fromEntries(names.map((name) => [name, `x-key=${SECRET}`]))
      await ok(["enqueue", ground.file(requestOf("one", { "one.txt": "x\n" }))], env)
      const ran = await ok(["worker", "--drain"], env)
      expect(ran.stdout).toContain("landed as")
    },
  )
})
