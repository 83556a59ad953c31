import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { extractDocument, MAX_REPLY_BYTES } from "../../src/agent/reply.ts"
import { document } from "./support.ts"

const extract = (text: string) => extractDocument(Buffer.from(text))
const code = (text: string): string => {
  const result = extract(text)
  return result.ok ? "found" : result.error.code
}
const json = JSON.stringify(document())
const indented = JSON.stringify(document(), null, 2)

describe("one document, whatever stands around it", () => {
  const around: readonly (readonly [string, string])[] = [
    ["nothing", json],
    ["indented", `\n\n${indented}\n`],
    ["a fence", `Here it is:\n\`\`\`json\n${indented}\n\`\`\`\nDone.`],
    ["code in the prose", `I changed function f() { return "x" } and { "use strict"; }\n${json}\nand {}{{}}`],
    ["code that is never closed", `if (x) {\n  while (y) {\n${json}`],
    ["a quote that is never closed", `{ "open\n${json}`],
    ["other JSON", `{"type":"start","n":1}\n${json}\n{"type":"result","usage":{"tokens":3}}`],
    ["an array", `[${json}]`],
    ["an envelope", `{"type":"answer","change_request":${indented}}`],
    ["words in quotes", `The key "changes" is filled in: ${json} See "changes".`],
    ["code that names the key", `const x = { changes: y["changes"] }; ${json}`],
  ]
  for (const [name, text] of around)
    test(name, () => expect(extract(text)).toEqual({ ok: true, value: document() }))

  test("braces and quotes inside strings do not count", () => {
    const tricky = document({ expected_outcomes: ['}"{\\', '"changes"', "{{{"] })
    expect(extract(`so: ${JSON.stringify(tricky)} end`)).toEqual({ ok: true, value: tricky })
  })
})

describe("no guess", () => {
  const bad: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "none"],
    ["prose", "I am done. // TODO", "none"],
    ["prose about the key", 'I filled in "changes" as you asked {}', "none"],
    ["JSON of another kind", '{"type":"result","text":"ok"}', "none"],
    ["a document as text inside JSON", JSON.stringify({ result: json }), "none"],
    ["two documents", `${json}\n${json}`, "several"],
    ["two in an array", `[${json},${json}]`, "several"],
    ["cut off", indented.slice(0, -3), "broken"],
    ["a trailing comma", `${json.slice(0, -1)},}`, "broken"],
    ["a key twice", `${json.slice(0, -1)},"changes":[]}`, "broken"],
    ["a lone surrogate", json.replace("somebody", "\\ud800"), "broken"],
    ["single quotes", json.replaceAll('"task_id"', "'task_id'"), "none"],
  ]
  for (const [name, text, want] of bad) test(name, () => expect(code(text)).toBe(want))

  test("not UTF-8", () => {
    const result = extractDocument(Buffer.concat([Buffer.from([0xff]), Buffer.from(json)]))
    expect(result).toMatchObject({ ok: false, error: { code: "not_utf8" } })
  })

  test("too large", () => {
    const result = extractDocument(new Uint8Array(MAX_REPLY_BYTES + 1))
    expect(result).toMatchObject({ ok: false, error: { code: "too_large" } })
  })

  test("a syntax error says where", () => {
    const result = extract(`${indented.slice(0, -1)},\n}`)
    if (result.ok) throw new Error("found")
    expect(result.error.message).toMatch(/at line \d+, column \d+ it expected/)
  })
})

describe("any reply", () => {
  test("never throws", () => {
    const piece = FastCheck.oneof(
      FastCheck.string({ unit: "binary" }),
      FastCheck.constantFrom("{", "}", '"', '"changes"', "\\", "\n", "[", ":", json, json.slice(0, 30)),
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(piece, { maxLength: 30 }), (pieces) => {
        const result = extract(pieces.join(""))
        if (result.ok) expect(Object.hasOwn(result.value, "changes")).toBe(true)
      }),
      { numRuns: 500 },
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(extractDocument(bytes).ok).toBe(false)
      }),
    )
  })

  test("one document among prose without braces is found as it is", () => {
    const prose = FastCheck.string({ unit: "grapheme" }).map((text) => text.replace(/[{}]/g, ""))
    FastCheck.assert(
      FastCheck.property(prose, FastCheck.jsonValue(), prose, (before, value, after) => {
        const wanted = JSON.parse(JSON.stringify({ changes: [], extra: value }))
        expect(extract(`${before}${JSON.stringify(wanted)}${after}`)).toEqual({ ok: true, value: wanted })
        expect(code(`${before}${JSON.stringify(wanted)}${after}${JSON.stringify(wanted)}`)).toBe("several")
      }),
    )
  })

  test("hostile text costs no more than its length allows", () => {
    const started = performance.now()
    for (const part of ["{", '{"', '{"a":', '{"changes":', '{"changes"}', '"{', "{}"])
      extract(`${part.repeat(Math.floor(2_000_000 / part.length))}${json}`)
    // Ten times the measured time: it fails on quadratic work, not on a busy machine.
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
