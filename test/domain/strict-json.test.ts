import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { JSON_LIMITS, parseStrictJson } from "../../src/domain/strict-json.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const parse = (text: string) => parseStrictJson(bytes(text))
const code = (text: string | Uint8Array, limits = JSON_LIMITS) => {
  const result = parseStrictJson(typeof text === "string" ? bytes(text) : text, limits)
  return result.ok ? null : result.error.code
}

test("agrees with JSON.parse on every valid text, however it is spaced and escaped", () => {
  const space = FastCheck.constantFrom(undefined, 1, "\t", "\n  ")
  FastCheck.assert(
    FastCheck.property(
      FastCheck.jsonValue({ maxDepth: 6 }),
      space,
      FastCheck.boolean(),
      (value, indent, ascii) => {
        const plain = JSON.stringify(value, null, indent)
        const text = ascii
          ? plain.replace(
              /[^\u0000-\u007e]/g,
              (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
            )
          : plain
        const result = parse(text)
        if (!result.ok) return result.error.code === "lone_surrogate" && /\\u[dD]/.test(text)
        expect(result.value).toEqual(JSON.parse(text))
        return true
      },
    ),
    { numRuns: 1_000 },
  )
})

test("accepts nothing JSON.parse refuses, and never throws", () => {
  const token = FastCheck.constantFrom(
    ...["{", "}", "[", "]", ",", ":", '"', "\\", '"a"', '"b"', "1", "-", "0", ".5", "e9", "true", "null"],
    ...[
      "nul",
      " ",
      "\n",
      "\u00a0",
      "\ufeff",
      "//",
      "'",
      '"\\u0061"',
      '"\\ud800"',
      "\u0000",
      "NaN",
      "+1",
      "01",
    ],
  )
  FastCheck.assert(
    FastCheck.property(FastCheck.array(token, { maxLength: 12 }), (tokens) => {
      const text = tokens.join("")
      if (!parse(text).ok) return true
      JSON.parse(text)
      return true
    }),
    { numRuns: 20_000 },
  )
  FastCheck.assert(
    FastCheck.property(FastCheck.uint8Array({ maxLength: 64 }), (random) => {
      const result = parseStrictJson(random)
      return result.ok || (result.error.line >= 1 && result.error.column >= 1)
    }),
    { numRuns: 5_000 },
  )
})

test("what JSON.parse accepts is refused only for a reason of ours", () => {
  const token = FastCheck.constantFrom(
    ...'{ } [ ] , : "a" "b" 1 -0 1e999 true "\\u0061" "\\ud800"'.split(" "),
    " ",
  )
  let accepted = 0
  FastCheck.assert(
    FastCheck.property(FastCheck.array(token, { maxLength: 9 }), (tokens) => {
      const text = tokens.join("")
      try {
        JSON.parse(text)
      } catch {
        return true
      }
      const found = code(text)
      if (found === null) accepted++
      return found === null || ["duplicate_key", "lone_surrogate", "number_range"].includes(found)
    }),
    { numRuns: 20_000 },
  )
  expect(accepted).toBeGreaterThan(100)
})

describe("refusals", () => {
  test("one key twice, however it is written", () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"a":1,"b":2,"a":1}',
      '{"a":1,"\\u0061":2}',
      '{"\\u00e9":1,"é":2}',
      '[{"x":{"y":1,"y":1}}]',
      '{"":1,"":2}',
      '{"__proto__":1,"__proto__":2}',
      '{"a\\/b":1,"a/b":2}',
    ])
      expect([text, code(text)]).toEqual([text, "duplicate_key"])
    expect(code('{"a":{"a":1},"b":[{"a":1},{"a":2}]}')).toBeNull()
    expect(code('{"a":1,"A":2,"\\\\u0061":3}')).toBeNull()
  })

  test("depth, to the level", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
    expect(code(nested(64))).toBeNull()
    expect(code(nested(65))).toBe("too_deep")
    expect(code(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`)).toBe("too_deep")
    expect(code("[".repeat(1_000_000))).toBe("too_deep")
    expect(code("[[],[],{}]", { maxBytes: 100, maxDepth: 2 })).toBeNull()
  })

  test("size, before anything is parsed", () => {
    expect(code("[1]", { maxBytes: 3, maxDepth: 9 })).toBeNull()
    expect(code("[1]", { maxBytes: 2, maxDepth: 9 })).toBe("too_large")
    expect(code(new Uint8Array(JSON_LIMITS.maxBytes + 1))).toBe("too_large")
  })

  test("anything but well-formed UTF-8", () => {
    for (const raw of [[0xff], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xc0, 0x80, 0x22]])
      expect(code(new Uint8Array(raw))).toBe("not_utf8")
    expect(code("\ufeff{}")).toBe("syntax")
  })

  test("numbers a reader could see differently", () => {
    expect(code("1e309")).toBe("number_range")
    expect(code("[-1e999]")).toBe("number_range")
    for (const text of ["01", "+1", ".5", "1.", "0x1", "--1", "1e", "Infinity", "NaN"])
      expect([text, code(text)]).toEqual([text, "syntax"])
  })

  test("lone surrogates", () => {
    for (const text of ['"\\ud800"', '"\\udc00\\ud800"', '["x\\uDFFF"]', '{"\\ud800":1}'])
      expect([text, code(text)]).toEqual([text, "lone_surrogate"])
    expect(code('"\\ud83d\\ude00"')).toBeNull()
  })

  test("everything else that is not JSON", () => {
    for (const text of [
      "",
      " ",
      "{",
      "[1,]",
      '{"a":1,}',
      "{a:1}",
      "'a'",
      '"\n"',
      '"\\x"',
      '"a',
      "[1 2]",
      "{}{}",
      "// x\n1",
    ])
      expect([text, code(text)]).toEqual([text, "syntax"])
  })

  test("the place is told from 1, and nothing is quoted", () => {
    const result = parse('{\n  "a": 1,\n  "a": "\u001b]0;x"\n}')
    expect(result).toEqual({
      ok: false,
      error: { code: "duplicate_key", message: "has the same key twice in one object", line: 3, column: 3 },
    })
  })
})

test("a hostile megabyte costs no more than the sum of its bytes", () => {
  const start = Bun.nanoseconds()
  parse(`{${Array.from({ length: 200_000 }, (_, i) => `"k${i}":{}`).join(",")}}`)
  parse(`[${'"\\u0061",'.repeat(200_000)}1]`)
  parse(`"${"\\".repeat(1_000_000)}`)
  parse(`[${"1,".repeat(1_000_000)}`)
  parse(`${" ".repeat(4_000_000)}x`)
  parse(`${"\n".repeat(4_000_000)}x`)
  expect((Bun.nanoseconds() - start) / 1e6).toBeLessThan(5_000)
})
