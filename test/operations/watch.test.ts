import { describe, expect, test } from "bun:test"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { type Ingested, quietFor, watchFolder } from "../../src/operations/watch.ts"
import { parsePatch } from "../../src/patch/parse.ts"
import { CurrentWorkspace } from "../../src/platform/Workspace.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { ValidatorService } from "../../src/validator/ValidatorService.ts"
import { START, withLayer } from "../support/effect.ts"
import { requestOf } from "../support/workspace.ts"
import { desk } from "./support.ts"

const validator = ValidatorService.layer((bytes, declared) => {
  const parsed = parsePatch(bytes, declared)
  return parsed.ok ? null : parsed.error
})
const it = withLayer(Layer.merge(desk({ policy: { sandbox: "off" } }), validator))

const request = (task: string) => requestOf(task, { [`${task}.txt`]: "x\n" })
const text = (task: string) => JSON.stringify(request(task))

/** An inbox with helpers whose files were last written to so many ms before the test clock. */
const inbox = Effect.map(CurrentWorkspace, ({ root }) => {
  const folder = join(root, "inbox")
  mkdirSync(folder)
  const age = (name: string, ms: number) => {
    const at = new Date(START - ms)
    utimesSync(join(folder, name), at, at)
  }
  return {
    folder,
    age,
    put: (name: string, content: string, ms = 1_000) => {
      writeFileSync(join(folder, name), content)
      age(name, ms)
    },
    append: (name: string, content: string, ms: number) => {
      appendFileSync(join(folder, name), content)
      age(name, ms)
    },
    files: (sub = "") =>
      existsSync(join(folder, sub))
        ? readdirSync(join(folder, sub))
            .filter((name) => name !== "done" && name !== "rejected")
            .sort()
        : [],
    json: (path: string) => JSON.parse(readFileSync(join(folder, path), "utf8")),
  }
})

const watching = (folder: string, once: boolean) => {
  const told: Ingested[] = []
  const troubles: string[] = []
  const run = watchFolder(
    { folder, once, supersede: false },
    {
      ingested: (file) => Effect.sync(() => void told.push(file)),
      troubled: ({ message }) => Effect.sync(() => void troubles.push(message)),
    },
  )
  return { told, troubles, run }
}

/** One look, and the second one that it takes for files it cannot be sure of. */
const once = (folder: string) =>
  Effect.gen(function* () {
    const { told, run } = watching(folder, true)
    const fiber = yield* Effect.fork(run)
    yield* TestClock.adjust(500)
    return { told, summary: yield* Fiber.join(fiber) }
  })

const pending = Effect.map(
  Effect.flatMap(QueueService, (queue) => queue.counts()),
  (counts) => counts.pending,
)

describe("watch --once", () => {
  it.effect("queues whole files, JSON and JSON Lines, and moves them to done", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      box.put("a.json", text("a"))
      box.put("b.jsonl", `${text("b")}\n${text("c")}\n`)
      const { told, summary } = yield* once(box.folder)
      expect(summary).toEqual({ ingested: 2, rejected: 0, left: [] })
      expect(told.map(({ moved_to }) => moved_to)).toEqual(["done/a.json", "done/b.jsonl"])
      expect([box.files(), box.files("done")]).toEqual([[], ["a.json", "b.jsonl"]])
      expect(yield* pending).toBe(3)
    }),
  )

  it.effect("moves what is refused to rejected, with the reason beside it; the rest of the file stays", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      box.put("mixed.jsonl", `${text("good")}\n${JSON.stringify({ ...request("bad"), changes: [] })}\n`)
      box.put("broken.json", '{"task_id": "x", ', 10_000)
      const { summary } = yield* once(box.folder)
      expect(summary).toEqual({ ingested: 2, rejected: 2, left: [] })
      expect(box.files("rejected")).toEqual([
        "broken.json",
        "broken.json.reason.json",
        "mixed.jsonl",
        "mixed.jsonl.reason.json",
      ])
      expect(box.json("rejected/broken.json.reason.json")).toMatchObject({
        schema_version: 1,
        file: "broken.json",
        rejected: [{ violations: [{ code: "json_syntax" }] }],
      })
      const reason = box.json("rejected/mixed.jsonl.reason.json")
      expect(reason.rejected).toMatchObject([{ task_id: "bad", where: "mixed.jsonl:2" }])
      expect(reason.queued).toMatchObject([{ task_id: "good", entry_id: 1 }])
      expect(yield* pending).toBe(1)
    }),
  )

  // The original's defect: a file was read while it was written, and moved away from its writer.
  it.effect("leaves every half-written file alone", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      const whole = `${text("a")}\n${text("b")}\n`
      for (let at = 0; at < whole.length; at += 7) {
        box.put("growing.jsonl", whole.slice(0, at), 499)
        box.put("growing.json", text("c").slice(0, -1), 9_000)
        const { told, run } = watching(box.folder, true)
        const fiber = yield* Effect.fork(run)
        yield* Effect.yieldNow()
        expect(told).toEqual([])
        // Its writer goes on before the second look.
        box.append("growing.jsonl", " ", -400)
        yield* TestClock.adjust(500)
        expect((yield* Fiber.join(fiber)).left).toEqual(["growing.json", "growing.jsonl"])
        yield* TestClock.setTime(START)
      }
      expect(yield* pending).toBe(0)
      box.put("growing.jsonl", whole)
      box.put("growing.json", text("c"))
      expect((yield* once(box.folder)).summary).toMatchObject({ ingested: 2, rejected: 0 })
      expect(yield* pending).toBe(3)
    }),
  )

  it.effect("ignores its own folders, links, hidden files and other names", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      mkdirSync(join(box.folder, "done"))
      mkdirSync(join(box.folder, "more.json"))
      box.put("done/old.json", text("old"))
      box.put("more.json/inner.json", text("inner"))
      box.put(".hidden.json", text("hidden"))
      box.put("note.txt", text("note"))
      box.put("upload.json.part", text("part"))
      symlinkSync(join(box.folder, "note.txt"), join(box.folder, "link.json"))
      const before = box.files()
      expect((yield* once(box.folder)).summary).toEqual({ ingested: 0, rejected: 0, left: [] })
      expect(box.files()).toEqual(before)
      expect(yield* pending).toBe(0)
    }),
  )

  it.effect("a name that is in done already gets a number; nothing is overwritten", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      for (const task of ["one", "two", "three"]) {
        box.put("same.json", text(task))
        yield* once(box.folder)
      }
      expect(box.files("done")).toEqual(["same-2.json", "same-3.json", "same.json"])
      expect(box.json("done/same.json").task_id).toBe("one")
      expect(box.json("done/same-3.json").task_id).toBe("three")
    }),
  )

  it.effect("a file taken again after a crash before its move is in the queue once", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      box.put("a.json", text("a"))
      yield* once(box.folder)
      // As it was when the process died between queue and move.
      box.put("a.json", text("a"))
      const { told } = yield* once(box.folder)
      expect(told[0]!.results).toMatchObject([{ outcome: "duplicate", entry_id: 1 }])
      expect(yield* pending).toBe(1)
    }),
  )

  it.effect("a folder that is not there is an error", () =>
    Effect.gen(function* () {
      expect(yield* Effect.either(watching("/nowhere/inbox", true).run)).toMatchObject({
        left: { _tag: "InputUnreadable" },
      })
    }),
  )
})

describe("watch", () => {
  it.effect("takes what appears, and waits for writers that are slow", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      const { told, run } = watching(box.folder, false)
      const fiber = yield* Effect.fork(run)
      yield* TestClock.adjust(1_000)
      box.put("slow.json", text("slow").slice(0, 30), -1_000)
      yield* TestClock.adjust(9_000)
      expect(told).toEqual([])
      box.append("slow.json", text("slow").slice(30), -10_000)
      yield* TestClock.adjust(1_000)
      expect(told).toMatchObject([{ file: "slow.json", moved_to: "done/slow.json" }])
      box.put("never.json", "{", -11_000)
      yield* TestClock.adjust(12_000)
      expect(told[1]).toMatchObject({ file: "never.json", moved_to: "rejected/never.json" })
      yield* Fiber.interrupt(fiber)
    }),
  )

  it.effect("what is written to a file after it was taken is taken as well, and the rest once", () =>
    Effect.gen(function* () {
      const box = yield* inbox
      const { told, run } = watching(box.folder, false)
      const fiber = yield* Effect.fork(run)
      box.put("log.jsonl", `${text("a")}\n`, 600)
      yield* TestClock.adjust(500)
      expect(told.map(({ moved_to }) => moved_to)).toEqual(["done/log.jsonl"])
      // Whoever had it open writes on, into the folder it was moved to.
      box.append("done/log.jsonl", `${text("b")}\n`, -500)
      yield* TestClock.adjust(2_000)
      expect(told[1]!.results.map(({ outcome }) => outcome)).toEqual(["duplicate", "queued"])
      expect([box.files(), box.files("done")]).toEqual([[], ["log.jsonl"]])
      expect(yield* pending).toBe(2)
      yield* Fiber.interrupt(fiber)
    }),
  )
})

test("a file is quiet since it was written, or since we saw it so, whichever is longer", () => {
  const stamp = { name: "a.json", size: 1, written: 1_000, key: "k" }
  expect(quietFor(stamp, undefined, 1_400)).toBe(400)
  // A clock of the file system that is ahead of ours.
  expect(quietFor({ ...stamp, written: 99_000 }, { key: "k", since: 1_000 }, 1_600)).toBe(600)
  expect(quietFor({ ...stamp, written: 99_000 }, { key: "other", since: 1_000 }, 1_600)).toBe(0)
})
