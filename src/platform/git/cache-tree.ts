const NUL = 0
const LF = 0x0a

/**
 * The index's TREE extension with every directory on the way to a named file (byte strings) marked invalid: git
 * recomputes those and keeps the rest. Empty when the extension is damaged; it is optional.
 */
export const invalidateCacheTree = (data: Buffer, names: readonly string[]): Buffer => {
  const touched = new Set<string>([""])
  for (const name of names) {
    for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
      touched.add(name.slice(0, slash))
    }
  }
  const pieces: Buffer[] = []
  const copy = (from: number, prefix: string): number => {
    const nul = data.indexOf(NUL, from)
    const lf = data.indexOf(LF, nul)
    if (nul < 0 || lf < 0) throw new RangeError("cache tree")
    const name = data.toString("latin1", from, nul)
    const path = prefix === "" ? name : `${prefix}/${name}`
    const [count, subtrees] = data
      .toString("latin1", nul + 1, lf)
      .split(" ")
      .map(Number) as [number, number]
    let at = lf + 1 + (count >= 0 ? 20 : 0)
    if (touched.has(path)) pieces.push(Buffer.from(`${name}\0-1 ${subtrees}\n`, "latin1"))
    else pieces.push(data.subarray(from, at))
    for (let left = subtrees; left > 0; left--) at = copy(at, path)
    return at
  }
  try {
    if (copy(0, "") !== data.length) return Buffer.alloc(0)
  } catch (error) {
    if (error instanceof RangeError) return Buffer.alloc(0)
    throw error
  }
  return Buffer.concat(pieces)
}
