/** Keeps the first and last half of a stream of any length; memory stays near `limit` bytes. */
export class BoundedOutput {
  readonly #half: number
  readonly #head: Uint8Array[] = []
  readonly #tail: Uint8Array[] = []
  #headBytes = 0
  #tailBytes = 0
  #total = 0

  constructor(limit: number) {
    this.#half = Math.max(1, Math.ceil(limit / 2))
  }

  push(chunk: Uint8Array): void {
    this.#total += chunk.length
    const room = this.#half - this.#headBytes
    const first = chunk.subarray(0, room)
    if (first.length > 0) {
      this.#head.push(first)
      this.#headBytes += first.length
    }
    const rest = chunk.subarray(first.length)
    if (rest.length === 0) return
    // A copy: a small remainder must not keep a large chunk alive.
    this.#tail.push(rest.slice(-this.#half))
    this.#tailBytes += Math.min(rest.length, this.#half)
    while (this.#tailBytes - this.#tail[0]!.length >= this.#half)
      this.#tailBytes -= this.#tail.shift()!.length
  }

  get truncated(): boolean {
    return this.#total > this.#headBytes + Math.min(this.#tailBytes, this.#half)
  }

  /** Everything, or head and tail around a line that says how many bytes are missing. */
  bytes(): Uint8Array {
    const tail = Buffer.concat(this.#tail).subarray(-this.#half)
    const omitted = this.#total - this.#headBytes - tail.length
    const gap = omitted > 0 ? [Buffer.from(`\n[${omitted} bytes omitted]\n`)] : []
    return Buffer.concat([...this.#head, ...gap, tail])
  }
}
