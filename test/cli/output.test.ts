import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Output, recordingWriter } from "../../src/platform/Output.ts"
import { visibleJson, visibleLine, visibleText } from "../../src/platform/sanitize.ts"
import { type Format, makeWriter, OutputClosed, type Sink } from "../../src/platform/stdio.ts"
import { decideColor, styled } from "../../src/platform/Terminal.ts"

/** Written independently of the implementation: ranges from the Unicode charts. */
const RANGES: readonly (readonly [number, number])[] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff],
]

const forbidden = (text: string): readonly string[] =>
  Array.from(text, (character) => character.codePointAt(0)!)
    .filter((point) => RANGES.some(([first, last]) => point >= first && point <= last))
    .map((point) => point.toString(16))

/** Text thick with what an attacker would use. */
const hostile = FastCheck.array(
  FastCheck.oneof(
    FastCheck.constantFrom(...RANGES.flat(), 0x0a, 0x09, 0x22, 0x5c, 0x1b),
    FastCheck.integer({ min: 0, max: 0x10ffff }),
  ),
).map((points) => points.map((point) => String.fromCodePoint(point)).join(""))

describe("sanitising", () => {
  test("every forbidden code point becomes a visible escape, alone", () => {
    for (const [first, last] of RANGES) {
      for (let point = first; point <= last; point++) {
        expect(visibleText(String.fromCodePoint(point))).toBe(`\\u{${point.toString(16)}}`)
      }
    }
  })

  test("no forbidden code point survives in any text, and a second pass changes nothing", () => {
    FastCheck.assert(
      FastCheck.property(hostile, (text) => {
        const safe = visibleText(text)
        expect(forbidden(safe)).toEqual([])
        expect(visibleText(safe)).toBe(safe)
        expect(visibleLine(text)).not.toMatch(/[\n\t]/)
      }),
      { numRuns: 500 },
    )
  })

  test("ordinary text of every script is untouched", () => {
    const text = "naïve 日本語 עברית العربية हिन्दी ✓ 🚀 e\u0301\ttab\nline \\u{1b}"
    expect(visibleText(text)).toBe(text)
  })

  test.each([
    ["\u001b]52;c;cm0gLXJm\u0007", "\\u{1b}]52;c;cm0gLXJm\\u{7}"],
    ["ok\rFAILED", "ok\\u{d}FAILED"],
    ["x\b\b\b", "x\\u{8}\\u{8}\\u{8}"],
    ["\u009b2J", "\\u{9b}2J"],
    ["a\u202etxt.exe", "a\\u{202e}txt.exe"],
    ["pass\u200bword", "pass\\u{200b}word"],
    ["\ud83d", "\\u{d83d}"],
  ])("%j", (text, visible) => {
    expect(visibleText(text)).toBe(visible)
  })

  test("JSON holds no forbidden code point, in keys neither, and reads back the same", () => {
    FastCheck.assert(
      FastCheck.property(hostile, hostile, FastCheck.constantFrom(0, 2), (key, text, indent) => {
        const value = { [`k${key}`]: [text, { text }] }
        const json = visibleJson(value, indent)
        expect(forbidden(json)).toEqual([])
        expect(JSON.parse(json)).toEqual(value)
        if (indent === 0) expect(json).not.toContain("\n")
      }),
      { numRuns: 500 },
    )
  })
})

describe("the writer", () => {
  const terminal = { isTTY: true, columns: 80, color: true }

  test("no method lets a forbidden code point of any string through, with or without colour", () => {
    const strip = (text: string) => text.replaceAll(/\u001b\[(?:0|1|2|31|32|33|36)m/g, "")
    FastCheck.assert(
      FastCheck.property(
        hostile,
        FastCheck.boolean(),
        FastCheck.constantFrom<Format[]>("text", "json"),
        (text, color, format) => {
          const { writer, recorded } = recordingWriter({ format, terminal: { ...terminal, color } })
          writer.data([text, styled("green", text)])
          writer.note(text)
          writer.json({ text })
          writer.jsonl(text)
          writer.error({ code: "x", message: text, hint: text }, 1)
          const written = recorded.stdout() + recorded.stderr()
          expect(forbidden(color ? strip(written) : written)).toEqual([])
        },
      ),
      { numRuns: 300 },
    )
  })

  test("own styling goes around the sanitised text, only where there is colour", () => {
    const { writer, recorded } = recordingWriter({ terminal })
    writer.data(["state ", styled("red", "fai\u001b[0mled")])
    expect(recorded.stdout()).toBe("state \u001b[31mfai\\u{1b}[0mled\u001b[0m\n")
    const plain = recordingWriter()
    plain.writer.data(styled("red", "failed"))
    expect(plain.recorded.stdout()).toBe("failed\n")
  })

  test("data goes to stdout, the rest to stderr; quiet silences notes, not errors", () => {
    const { writer, recorded } = recordingWriter({ quiet: true })
    writer.data("row")
    writer.note("chatter")
    expect(writer.error({ code: "busy", message: "busy", retryable: true }, 75)).toBe(75)
    expect([recorded.stdout(), recorded.stderr()]).toEqual(["row\n", "error: busy\n"])
  })

  test("json is indented, jsonl is one line, undefined is null", () => {
    const { writer, recorded } = recordingWriter()
    writer.json({ a: [1] })
    writer.jsonl({ a: [1] })
    writer.jsonl(undefined)
    expect(recorded.stdout()).toBe('{\n  "a": [\n    1\n  ]\n}\n{"a":[1]}\nnull\n')
  })

  test("remembers that stdout closed; a closed stderr does not stop the work", () => {
    const closed: Sink = {
      terminal,
      write: () => {
        throw new OutputClosed()
      },
    }
    const writer = makeWriter({ format: "text", quiet: false, stdout: closed, stderr: closed })
    writer.note("nobody hears")
    expect([writer.error({ code: "x", message: "x" }, 1), writer.closed()]).toEqual([1, false])
    expect(() => writer.data("row")).toThrow(OutputClosed)
    expect(writer.closed()).toBe(true)
  })

  test("as an Effect service it records the same", async () => {
    const { layer, recorded } = Output.recording({ format: "json" })
    const program = Effect.gen(function* () {
      const output = yield* Output
      yield* output.data("row")
      yield* output.note("note")
      return yield* output.error({ code: "busy", message: "busy", retryable: true }, 75)
    })
    const runtime = ManagedRuntime.make(layer)
    expect(await runtime.runPromise(program)).toBe(75)
    await runtime.dispose()
    expect([recorded.stdout(), recorded.stderr()]).toEqual([
      "row\n",
      'note\n{"error":{"code":"busy","message":"busy","retryable":true}}\n',
    ])
  })
})

test.each([
  [true, {}, false, true],
  [false, {}, false, false],
  [true, {}, true, false],
  [true, { NO_COLOR: "0" }, false, false],
  [true, { NO_COLOR: "" }, false, true],
  [true, { TERM: "dumb" }, false, false],
  [false, { FORCE_COLOR: "1" }, false, true],
  [true, { FORCE_COLOR: "0" }, false, false],
  [true, { FORCE_COLOR: "false" }, false, false],
  [false, { FORCE_COLOR: "1" }, true, false],
  [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, false, false],
  [false, { FORCE_COLOR: "1", TERM: "dumb" }, false, true],
  [true, { CI: "1", TEST: "1" }, false, true],
])("colour: terminal %j, environment %j, --no-color %j → %j", (isTTY, env, noColor, color) => {
  expect(decideColor(isTTY, env, noColor)).toBe(color)
})
