import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Layer from "effect/Layer"
import { sha256Hex } from "../../src/domain/hash.ts"
import { verifyFiles } from "../../src/operations/audit-files.ts"
import { exportLog, shipLog } from "../../src/operations/ship.ts"
import { runLive } from "../support/effect.ts"
import { requestOf } from "../support/workspace.ts"
import { openWorkshop, type Workshop } from "../worker/workshop.ts"
import { tamper, withLog } from "./landed.ts"

let shop: Workshop
beforeEach(async () => {
  shop = await openWorkshop()
  await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "\u2028c\n" })])
  await shop.drain()
})
afterEach(async () => {
  await shop.dispose()
  shop.remove()
})

const folder = () => join(shop.outside, "segments")
const ship = () => withLog(shop, shipLog(folder()))
const names = () => readdirSync(folder()).sort()
/** Without the workspace. */
const check = (path = folder(), head?: string) => runLive(Layer.empty, verifyFiles(path, head))
const land = async (task: string) => {
  await shop.enqueue([requestOf(task, { [`${task}.txt`]: task })])
  await shop.drain()
}

describe("shipping", () => {
  test("appends what is new, and nothing when there is nothing new", async () => {
    const first = await ship()
    expect(first.segments).toMatchObject([{ from: 1, to: first.seq }])
    expect(await ship()).toEqual({ ...first, segments: [] })
    await land("three")
    const second = await ship()
    expect(second.segments).toMatchObject([{ from: first.seq + 1, to: second.seq }])
    expect(names().length).toBe(2)
    expect(await check()).toMatchObject({
      fault: null,
      seq: second.seq,
      head: second.head,
      files: 2,
      casts: 3,
    })
    expect((await check(folder(), first.head)).fault).toBeNull()
    expect((await check(folder(), "0".repeat(63))).fault).toMatchObject({ code: "head" })
  })

  test("leaves nothing half-written behind, and takes no file it does not know for a segment", async () => {
    await ship()
    writeFileSync(join(folder(), ".segment-000000000009-000000000010.jsonl.1.tmp"), "half")
    writeFileSync(join(folder(), "notes.txt"), "mine")
    await land("three")
    await ship()
    expect((await check()).fault).toBeNull()
  })

  test("refuses a folder of another log, one of a future, and one whose newest segment was cut", async () => {
    await ship()
    await tamper(
      shop,
      (db) => void db.run("UPDATE audit SET hash = 'x' WHERE seq = (SELECT max(seq) FROM audit)"),
    )
    await expect(ship()).rejects.toThrow("is another one here")
    await tamper(shop, (db) => void db.run("DELETE FROM audit WHERE seq > 2"))
    await expect(ship()).rejects.toThrow("does not have")
    const file = join(folder(), names()[0]!)
    writeFileSync(file, readFileSync(file, "utf8").slice(0, -20))
    await expect(ship()).rejects.toThrow("without its head")
  })
})

describe("an export", () => {
  test("is the chain and its head; what follows the head is no part of it", async () => {
    const lines: string[] = []
    const { rows, head } = await withLog(
      shop,
      exportLog((line) => void lines.push(line)),
    )
    expect(lines.length).toBe(rows + 1)
    const file = join(shop.outside, "export.jsonl")
    writeFileSync(file, `${lines.join("\n")}\n`)
    expect(await check(file)).toMatchObject({ fault: null, rows, head })
    writeFileSync(file, `${lines.slice(0, -1).join("\n")}\n`)
    expect((await check(file)).fault).toMatchObject({ code: "head" })
    writeFileSync(file, `${lines.join("\n")}\n${lines[0]}\n`)
    expect((await check(file)).fault).toMatchObject({ code: "head" })
    writeFileSync(file, lines.toSpliced(2, 1).join("\n"))
    expect((await check(file)).fault).toMatchObject({ code: "gap", seq: 3 })
  })
})

describe("whatever is changed in a segment is named", () => {
  interface Line {
    readonly kind: string
    [key: string]: unknown
  }
  /** Changes the lines of the only segment; the head's own sum is made right again, as a forger would. */
  const forge = async (change: (lines: Line[]) => Line[]) => {
    await ship()
    const file = join(folder(), names()[0]!)
    const lines = readFileSync(file, "utf8").trimEnd().split("\n")
    const changed = change(lines.map((line) => JSON.parse(line)))
    const body = changed.slice(0, -1).map((line) => `${JSON.stringify(line)}\n`)
    const head = { ...changed.at(-1)!, sha256: sha256Hex(body.join("")) }
    writeFileSync(file, `${body.join("")}${JSON.stringify(head)}\n`)
    return (await check()).fault
  }
  const first = (kind: string, change: (line: Line) => Line) => (lines: Line[]) => {
    const at = lines.findIndex((line) => line.kind === kind)
    return lines.with(at, change(lines[at]!))
  }
  const without = (kind: string) => (lines: Line[]) =>
    lines.toSpliced(
      lines.findIndex((line) => line.kind === kind),
      1,
    )

  test.each([
    ["nothing", (lines: Line[]) => lines, null],
    [
      "a row",
      first("row", (line) => ({ ...line, row: { ...(line["row"] as object), actor: "eve" } })),
      "hash",
    ],
    ["a lost row", without("row"), "gap"],
    ["a cast", first("cast", (line) => ({ ...line, body: `${line["body"]} ` })), "cast"],
    ["a receipt", first("receipt", (line) => ({ ...line, body: `${line["body"]} ` })), "receipt"],
    ["a lost receipt", without("receipt"), "receipt"],
    ["an adopted base", without("checkpoint"), "receipt"],
    [
      "a content",
      first("blob", (line) => ({ ...line, blob: { ...(line["blob"] as object), data: "eA==" } })),
      "blob",
    ],
    ["the head's hash", (lines: Line[]) => lines.with(-1, { ...lines.at(-1)!, hash: "0" }), "head"],
    ["a line of another kind", (lines: Line[]) => lines.toSpliced(3, 0, { kind: "eve" }), "hash"],
    ["where it begins", first("segment", (line) => ({ ...line, after: 7 })), "gap"],
    ["what it follows", first("segment", (line) => ({ ...line, previous: "0" })), "head"],
  ])("%s", async (_, change, code) => {
    expect((await forge(change as (lines: Line[]) => Line[]))?.code ?? null).toBe(code as never)
  })

  test("a byte anywhere, when the head's sum was not made right", async () => {
    await ship()
    const file = join(folder(), names()[0]!)
    const text = readFileSync(file, "utf8")
    writeFileSync(file, text.replace('"kind":"effects"', '"kind" :"effects"'))
    expect((await check()).fault).toMatchObject({ code: "hash" })
  })

  test("a lost, a doubled and a swapped segment", async () => {
    await ship()
    await land("three")
    await ship()
    await land("four")
    await ship()
    const [one, two, three] = names().map((name) => join(folder(), name)) as [string, string, string]
    const kept = readFileSync(two)
    rmSync(two)
    expect((await check()).fault).toMatchObject({ code: "gap" })
    writeFileSync(two, readFileSync(one))
    expect((await check()).fault).toMatchObject({ code: "gap" })
    writeFileSync(two, kept)
    renameSync(three, `${three}.aside`)
    expect((await check()).fault).toBeNull()
    await expect(check(join(shop.outside, "nowhere"))).rejects.toThrow("cannot read")
  })
})
