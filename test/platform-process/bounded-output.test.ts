import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { BoundedOutput } from "../../src/platform/bounded-output.ts"

describe("BoundedOutput", () => {
  test("is the stream, or its two ends around what was left out, however it was chunked", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.string({ maxLength: 40 }), { maxLength: 30 }),
        FastCheck.integer({ min: 2, max: 60 }),
        (chunks, limit) => {
          const whole = Buffer.from(chunks.join(""))
          const output = new BoundedOutput(limit)
          for (const chunk of chunks) output.push(Buffer.from(chunk))
          const half = Math.ceil(limit / 2)
          const omitted = whole.length - 2 * half
          expect(output.truncated).toBe(omitted > 0)
          const expected =
            omitted > 0
              ? Buffer.concat([
                  whole.subarray(0, half),
                  Buffer.from(`\n[${omitted} bytes omitted]\n`),
                  whole.subarray(-half),
                ])
              : whole
          expect(Buffer.from(output.bytes()).equals(expected)).toBe(true)
        },
      ),
    )
  })
})
