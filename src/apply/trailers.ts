/** What a landed commit says about where it came from. */
export interface LandingTrailers {
  readonly castId: string
  readonly taskId: string
  readonly requestId: string
  readonly castChecksum: string
  /** One line per approver, in the order given. */
  readonly approvedBy: readonly string[]
}

const TRAILER = /^[A-Za-z0-9-]+: \S|^\s+\S/
const OURS = /^(Cast-Id|Task-Id|Request-Id|Cast-Checksum|Approved-by)\s*:/im

const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim()

/**
 * The message with our trailers as git reads trailers: in its last paragraph. Trailers already there are joined, unless
 * one of them claims to be ours: then ours stand alone in a paragraph after it, and git reads only that one.
 */
export const commitMessage = (message: string, trailers: LandingTrailers): string => {
  const text = message.replaceAll("\0", "").replace(/\s+$/, "")
  const paragraphs = text.split(/\n[ \t]*\n/)
  const last = paragraphs.length > 1 ? paragraphs.at(-1)! : ""
  const joins = last !== "" && last.split("\n").every((line) => TRAILER.test(line)) && !OURS.test(last)
  const lines = [
    `Cast-Id: ${oneLine(trailers.castId)}`,
    `Task-Id: ${oneLine(trailers.taskId)}`,
    `Request-Id: ${oneLine(trailers.requestId)}`,
    `Cast-Checksum: ${oneLine(trailers.castChecksum)}`,
    ...trailers.approvedBy.map((approver) => `Approved-by: ${oneLine(approver)}`),
  ]
  return `${text || "Untitled change"}${joins ? "\n" : "\n\n"}${lines.join("\n")}\n`
}
