import { describe, expect, test } from "bun:test"
import canonicalize from "canonicalize"
import * as FastCheck from "effect/FastCheck"
import { canonicalDigest, canonicalJson, sha256Hex } from "../../src/domain/hash.ts"

const number = (hex: string): number => Buffer.from(hex, "hex").readDoubleBE()

describe("canonical JSON (RFC 8785)", () => {
  test("section 3.2.2: the sample object", () => {
    const sample = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`
    expect(canonicalJson(JSON.parse(sample))).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  test("section 3.2.3: keys by UTF-16 code units", () => {
    const keys = ["\u20ac", "\r", "\ufb33", "1", "\u{1f600}", "\u0080", "\u00f6"]
    const sorted = Object.values(
      JSON.parse(canonicalJson([Object.fromEntries(keys.map((key) => [key, key]))]))[0],
    )
    // Integer-like keys are listed first by JavaScript itself.
    expect(sorted).toEqual(["1", "\r", "\u0080", "\u00f6", "\u20ac", "\u{1f600}", "\ufb33"])
    expect(canonicalJson({ "\r": 1, "1": 2 })).toBe('{"\\r":1,"1":2}')
  })

  test("appendix B: numbers", () => {
    for (const [hex, text] of [
      ["0000000000000000", "0"],
      ["8000000000000000", "0"],
      ["0000000000000001", "5e-324"],
      ["8000000000000001", "-5e-324"],
      ["7fefffffffffffff", "1.7976931348623157e+308"],
      ["ffefffffffffffff", "-1.7976931348623157e+308"],
      ["4340000000000000", "9007199254740992"],
      ["c340000000000000", "-9007199254740992"],
      ["4430000000000000", "295147905179352830000"],
      ["44b52d02c7e14af5", "9.999999999999997e+22"],
      ["44b52d02c7e14af6", "1e+23"],
      ["44b52d02c7e14af7", "1.0000000000000001e+23"],
      ["444b1ae4d6e2ef4e", "999999999999999700000"],
      ["444b1ae4d6e2ef4f", "999999999999999900000"],
      ["444b1ae4d6e2ef50", "1e+21"],
      ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
      ["3eb0c6f7a0b5ed8d", "0.000001"],
      ["41b3de4355555553", "333333333.3333332"],
      ["41b3de4355555554", "333333333.33333325"],
      ["41b3de4355555555", "333333333.3333333"],
      ["41b3de4355555556", "333333333.3333334"],
      ["41b3de4355555557", "333333333.33333343"],
      ["becbf647612f3696", "-0.0000033333333333333333"],
      ["43143ff3c1cb0959", "1424953923781206.2"],
    ] as const)
      expect(canonicalJson(number(hex))).toBe(text)
  })

  test("values without a canonical form are refused", () => {
    for (const value of [
      number("7fffffffffffffff"),
      number("7ff0000000000000"),
      "\ud800",
      "a\udc00b",
      { "\ud800": 1 },
      [{ a: ["\udfff"] }],
      undefined,
      1n,
    ])
      expect(() => canonicalJson(value)).toThrow()
  })

  test("it is what it says of any JSON value: parsed back equal, a fixed point, blind to key order", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.jsonValue(), (value) => {
        const text = canonicalJson(value)
        const again = JSON.parse(text)
        expect(canonicalJson(again)).toBe(text)
        expect(canonicalJson(reversed(value))).toBe(text)
        expect(again).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { numRuns: 500 },
    )
  })
})

const reversed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(reversed)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, item]) => [key, reversed(item)]),
        )
      : value

test("SHA-256 of text is that of its UTF-8 bytes", () => {
  expect(sha256Hex("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  expect(sha256Hex("ä€😀")).toBe(sha256Hex(new TextEncoder().encode("ä€😀")))
  expect(canonicalDigest({ b: 1, a: 2 })).toBe(sha256Hex('{"a":2,"b":1}'))
})

describe("the quick way and the library's agree", () => {
  const attempt = (write: () => unknown) => {
    try {
      return write()
    } catch {
      return "refused"
    }
  }
  const byLibrary = (value: unknown) => attempt(() => canonicalize(value) ?? "refused")

  test("on any value and key", () => {
    const odd = FastCheck.constantFrom(
      "__proto__",
      "10",
      "9",
      "toJSON",
      "\\ud800",
      "\ud800",
      "\udfff\ud800",
      "\u{1f600}",
      "",
      "constructor",
    )
    const any = FastCheck.letrec((tie) => ({
      value: FastCheck.oneof(
        { maxDepth: 4 },
        FastCheck.string({ unit: "binary" }),
        odd,
        FastCheck.double(),
        FastCheck.boolean(),
        FastCheck.constantFrom(null, undefined, -0, Number.NaN, Number.POSITIVE_INFINITY),
        FastCheck.array(tie("value"), { maxLength: 4 }),
        FastCheck.array(FastCheck.tuple(FastCheck.oneof(FastCheck.string(), odd), tie("value")), {
          maxLength: 5,
        }).map((pairs) => Object.fromEntries(pairs)),
      ),
    })).value
    FastCheck.assert(
      FastCheck.property(any, (value) => {
        expect(attempt(() => canonicalJson(value))).toBe(byLibrary(value) as never)
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    ["a date", { at: new Date(0) }],
    ["a boxed number", { n: Object(1) }],
    ["a map", { m: new Map([[1, 2]]) }],
    ["what writes itself", { x: { toJSON: () => ({ b: 1, a: 2 }) } }],
    ["what is not there", [1, undefined, 2]],
    ["a function", { f: () => 1, a: 1 }],
    ["a function in a list", [() => 1]],
    ["a big number", { n: 1n }],
    ["no prototype", Object.assign(Object.create(null), { b: 1, a: 2 })],
  ])("on %s", (_, value) => {
    expect(attempt(() => canonicalJson(value))).toBe(byLibrary(value) as never)
  })
})
