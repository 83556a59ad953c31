import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { DOCUMENT_LIMITS, type Document, readDocuments } from "../../src/intake/documents.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (text: string, name = "work.json"): readonly Document[] => readDocuments(bytes(text), name)
const change = (task: string) => ({ task_id: task, agent: "a", changes: [] })
const codes = (documents: readonly Document[]) =>
  documents.map((document) => (document.kind === "unreadable" ? document.violation.code : document.kind))

describe("forms of a file", () => {
  test("one document, indented or on one line", () => {
    for (const text of [JSON.stringify(change("T-1")), JSON.stringify(change("T-1"), null, 2)])
      expect(read(`${text}\n`)).toEqual([
        { kind: "change_request", index: 0, where: "work.json", value: change("T-1") },
      ])
  })

  test("an array of documents; a wrong element stands in its place", () => {
    const documents = read(JSON.stringify([change("T-1"), 5, { request_id: "R", requested_changes: [] }]))
    expect(codes(documents)).toEqual(["change_request", "unknown_document", "request"])
    expect(documents.map((document) => document.where)).toEqual([
      "work.json[0]",
      "work.json[1]",
      "work.json[2]",
    ])
    expect(documents.map((document) => document.index)).toEqual([0, 1, 2])
  })

  test("an empty array holds no documents", () => expect(read("[]")).toEqual([]))

  for (const name of ["work.jsonl", "work.NDJSON", "-", "work.json", "work"])
    test(`JSON Lines in ${name}: blank lines are skipped, a bad line is told with its number`, () => {
      const text = `${JSON.stringify(change("T-1"))}\r\n\n  \n{"task_id": }\n${JSON.stringify(change("T-2"))}`
      const documents = read(text, name)
      expect(codes(documents)).toEqual(["change_request", "json_syntax", "change_request"])
      const bad = documents[1]!
      if (bad.kind !== "unreadable") throw new Error("read")
      const file = name === "-" ? "stdin" : name
      expect(bad.line).toBe(4)
      expect(bad.violation.path).toBe(`${file}:4:13`)
      expect(bad.violation.message).toStartWith("line 4, column 13: the JSON ")
      expect(documents[2]!.where).toBe(`${file}:5`)
      expect(documents[2]!.index).toBe(2)
    })

  test("lines end at \\n only: other line separators are text", () => {
    const value = { ...change("T-1"), note: "a\u2028b\u0085c" }
    expect(read(`${JSON.stringify(value)}\n${JSON.stringify(value)}\n`, "-")).toHaveLength(2)
  })

  test("an indented document with a mistake is one mistake, at its line", () => {
    const text = JSON.stringify(change("T-1"), null, 2).replace('"agent": "a",', '"agent": "a"')
    const documents = read(text, "-")
    expect(codes(documents)).toEqual(["json_syntax"])
    expect(documents[0]).toMatchObject({ line: 4, where: "stdin" })
  })

  test("a broken array is one mistake, though its last line looks like a document", () => {
    expect(codes(read(`[\n{"changes": [}\n,\n${JSON.stringify(change("T-2"))}\n]`))).toEqual(["json_syntax"])
  })

  test("one line that is not UTF-8 does not lose the others", () => {
    const good = bytes(`${JSON.stringify(change("T-1"))}\n`)
    const file = Buffer.concat([good, Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), good])
    expect(codes(readDocuments(file, "-"))).toEqual(["change_request", "json_not_utf8", "change_request"])
  })

  test("a blank file is an error, a blank stream holds nothing", () => {
    expect(codes(read("", "half-written.json"))).toEqual(["empty_document"])
    expect(codes(read(" \n\n"))).toEqual(["empty_document"])
    expect(read("\n", "-")).toEqual([])
    expect(read("", "none.jsonl")).toEqual([])
  })

  test("a file that was cut off is an error", () => {
    const text = JSON.stringify(change("T-1"))
    for (let length = 1; length < text.length; length++)
      expect(codes(read(text.slice(0, length)))).toEqual(["json_syntax"])
  })

  test("a byte order mark is named", () => {
    expect(codes(read(`\ufeff${JSON.stringify(change("T-1"))}`))).toEqual(["byte_order_mark"])
  })
})

describe("strictness", () => {
  test("a duplicate key is refused wherever it stands", () => {
    expect(codes(read('{"changes": [], "changes": []}'))).toEqual(["json_duplicate_key"])
    expect(codes(read('{"changes": []}\n{"changes": [], "changes": []}', "-"))).toEqual([
      "change_request",
      "json_duplicate_key",
    ])
  })

  test("the cap is for each line, and the file has its own", () => {
    const line = JSON.stringify(change("T-1"))
    const limits = { json: { maxBytes: line.length, maxDepth: 8 }, maxFileBytes: 10_000 }
    const long = JSON.stringify(change("T-too-long"))
    expect(codes(readDocuments(bytes(`${line}\n${long}\n${line}\n`), "-", limits))).toEqual([
      "change_request",
      "json_too_large",
      "change_request",
    ])
    expect(codes(readDocuments(bytes(long), "a.json", limits))).toEqual(["json_too_large"])
    expect(codes(readDocuments(bytes(line), "a.json", { ...limits, maxFileBytes: 5 }))).toEqual(["too_large"])
  })

  test("never throws, whatever the bytes", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.uint8Array({ maxLength: 200 }),
        FastCheck.constantFrom("-", "a.json", "a.jsonl"),
        (file, name) => {
          for (const [index, document] of readDocuments(file, name).entries())
            expect(document.index).toBe(index)
        },
      ),
    )
  })

  test("any values written as lines come back in order", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.dictionary(FastCheck.string({ unit: "grapheme" }), FastCheck.jsonValue())),
        (values) => {
          const documents = values.map((value) => ({ ...value, changes: [] }))
          const text = documents.map((value) => JSON.stringify(value)).join("\n")
          const out = readDocuments(bytes(text), "all.jsonl", DOCUMENT_LIMITS)
          expect(out.map((document) => document.kind !== "unreadable" && document.value)).toEqual(
            JSON.parse(`[${text.replaceAll("\n", ",")}]`),
          )
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe("telling documents apart", () => {
  test("by their distinctive keys", () => {
    expect(
      codes(
        read(
          JSON.stringify([
            { version: 1, cast_id: "cast-1", change_request: {}, checksum: "" },
            { request_id: "R", requested_changes: [], assignments: [] },
            { request_id: "R", requested_changes: [], casts: [] },
            { request_id: "R", requested_changes: [] },
            { task_id: "T", changes: [] },
          ]),
        ),
      ),
    ).toEqual(["cast", "bundle", "bundle", "request", "change_request"])
  })

  test("an object without them is told which keys would make it one", () => {
    const [document] = read('{"task_id": "T"}')
    if (document?.kind !== "unreadable") throw new Error("read")
    expect(document.violation.code).toBe("unknown_document")
    for (const key of ["changes", "requested_changes", "change_request", "assignments", "casts"])
      expect(document.violation.hint).toContain(key)
  })

  test("an inherited name is not a key of the document", () => {
    expect(codes(read('{"__proto__": {"changes": []}, "constructor": 1}'))).toEqual(["unknown_document"])
  })
})

test("a thousand documents are read in a moment", () => {
  const line = JSON.stringify({ ...change("T-1"), changes: [{ path: "a", patch: "x".repeat(1_000) }] })
  const started = performance.now()
  expect(read(`${line}\n`.repeat(1_000), "-")).toHaveLength(1_000)
  // Two orders of magnitude above the measured time: it fails on quadratic work, not on a busy machine.
  expect(performance.now() - started).toBeLessThan(2_000)
})
