import { inflateSync } from "node:zlib"
import { fail, ok, type Result } from "../domain/result.ts"
import { maxFileBytes } from "./change.ts"
import { excerpt, type PatchProblem } from "./problem.ts"
import { concatBytes, encode, latin1, lineEnd } from "./text.ts"

/** A `GIT binary patch`: the whole new content, or a git delta to the base. `text` is its canonical form. */
export interface BinaryPatch {
  readonly kind: "literal" | "delta"
  readonly data: Uint8Array
  readonly text: Uint8Array
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
const digits = new Int16Array(256).fill(-1)
for (let digit = 0; digit < alphabet.length; digit++) digits[alphabet.charCodeAt(digit)] = digit
const sectionHeader = /^(literal|delta) (\d{1,10})$/

const malformed = (message: string, found?: Uint8Array): Result<never, PatchProblem> =>
  fail({
    code: "malformed_patch",
    message: `Binary patch: ${message}`,
    hint: "Generate it with `git diff --binary --full-index`, or send the whole file as `content`.",
    ...(found === undefined ? {} : { found: excerpt(found) }),
  })

/** Bytes a line says it holds: A-Z are 1-26, a-z are 27-52; 0 for none of them. */
const lineLength = (byte: number): number =>
  byte >= 65 && byte <= 90 ? byte - 64 : byte >= 97 && byte <= 122 ? byte - 70 : 0

/** Decodes one base85 line into `target`; the number of bytes, or 0 when it is malformed. */
const decodeLine = (line: Uint8Array, target: Uint8Array, at: number): number => {
  const length = lineLength(line[0] ?? 0)
  if (length === 0 || line.length !== 1 + Math.ceil(length / 4) * 5) return 0
  for (let group = 0; group * 4 < length; group++) {
    let value = 0
    for (let place = 1; place <= 5; place++) {
      const digit = digits[line[group * 5 + place]!]!
      if (digit < 0) return 0
      value = value * 85 + digit
    }
    if (value > 0xffffffff) return 0
    for (let byte = 0; byte < 4 && group * 4 + byte < length; byte++)
      target[at + group * 4 + byte] = (value >>> (24 - byte * 8)) & 255
  }
  return length
}

const inflate = (deflated: Uint8Array, size: number): Uint8Array | null => {
  try {
    const data = inflateSync(deflated, { maxOutputLength: Math.max(size, 1) })
    return data.length === size ? new Uint8Array(data.buffer, data.byteOffset, data.length) : null
  } catch {
    return null
  }
}

/** One `literal` or `delta` section: up to a blank line or the end. */
const parseSection = (
  bytes: Uint8Array,
  from: number,
  end: number,
): Result<Omit<BinaryPatch, "text"> & { readonly bodyEnd: number; readonly end: number }, PatchProblem> => {
  const start = lineEnd(bytes, from, end)
  const parts = sectionHeader.exec(latin1(bytes, from, Math.min(start - 1, from + 40)))
  if (parts === null)
    return malformed("a section starts with neither `literal N` nor `delta N`.", bytes.subarray(from, end))
  const size = Number(parts[2])
  if (size > maxFileBytes)
    return fail({
      code: "too_large",
      message: `The binary patch unpacks to ${size} bytes; the limit is ${maxFileBytes}.`,
      hint: "Change the file by hand.",
    })
  const deflated = new Uint8Array(end - start)
  let length = 0
  let at = start
  while (at < end && bytes[at] !== 10) {
    const next = lineEnd(bytes, at, end)
    const decoded = decodeLine(bytes.subarray(at, next - 1), deflated, length)
    if (decoded === 0) return malformed("a line is no base85.", bytes.subarray(at, end))
    length += decoded
    at = next
  }
  const data = inflate(deflated.subarray(0, length), size)
  if (data === null) return malformed(`a section does not unpack to ${size} bytes.`)
  const kind = parts[1] === "delta" ? "delta" : "literal"
  return ok({ kind, data, bodyEnd: at, end: Math.min(at + 1, end) })
}

/** Reads what follows `GIT binary patch`: the change, and perhaps the way back, which must be sound too. */
export const parseBinary = (
  bytes: Uint8Array,
  from: number,
  end: number,
): Result<{ readonly binary: BinaryPatch; readonly end: number }, PatchProblem> => {
  const forward = parseSection(bytes, from, end)
  if (!forward.ok) return forward
  const parts = [encode("GIT binary patch\n"), bytes.subarray(from, forward.value.bodyEnd), encode("\n")]
  let at = forward.value.end
  if (sectionHeader.test(latin1(bytes, at, Math.min(lineEnd(bytes, at, end) - 1, at + 40)))) {
    const backward = parseSection(bytes, at, end)
    if (!backward.ok) return backward
    parts.push(bytes.subarray(at, backward.value.bodyEnd), encode("\n"))
    at = backward.value.end
  }
  const { kind, data } = forward.value
  return ok({ binary: { kind, data, text: concatBytes(parts) }, end: at })
}
