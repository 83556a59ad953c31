import { dlopen, read } from "bun:ffi"

/** Atomically swaps two names. `unsupported`: not by this system or file system; nothing happened. */
export type Exchange = (left: string, right: string) => "done" | "unsupported"

const AT_FDCWD = -100
const RENAME_EXCHANGE = 2
const RENAME_SWAP = 2
/** ENOSYS, EINVAL, EOPNOTSUPP (Linux and Darwin numbers), ENOTSUP (Darwin). */
const UNSUPPORTED = new Set([38, 78, 22, 95, 102, 45])
const NAMES: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  13: "EACCES",
  18: "EXDEV",
  20: "ENOTDIR",
  28: "ENOSPC",
  30: "EROFS",
}

const terminated = (path: string): Buffer => Buffer.from(`${path}\0`)

const failed = (errno: number, path: string): Error =>
  Object.assign(new Error(`exchange ${path}: errno ${errno}`), { code: NAMES[errno] ?? `ERRNO_${errno}` })

const answer = (result: number, errno: () => number, path: string): "done" | "unsupported" => {
  if (result === 0) return "done"
  const code = errno()
  if (UNSUPPORTED.has(code)) return "unsupported"
  throw failed(code, path)
}

const linux = (library: string): Exchange => {
  const { symbols } = dlopen(library, {
    renameat2: { args: ["i32", "buffer", "i32", "buffer", "u32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  })
  const errno = () => read.i32(symbols.__errno_location()!, 0)
  return (left, right) =>
    answer(
      symbols.renameat2(AT_FDCWD, terminated(left), AT_FDCWD, terminated(right), RENAME_EXCHANGE),
      errno,
      left,
    )
}

const darwin = (): Exchange => {
  const { symbols } = dlopen("libSystem.B.dylib", {
    renamex_np: { args: ["buffer", "buffer", "u32"], returns: "i32" },
    __error: { args: [], returns: "ptr" },
  })
  const errno = () => read.i32(symbols.__error()!, 0)
  return (left, right) =>
    answer(symbols.renamex_np(terminated(left), terminated(right), RENAME_SWAP), errno, left)
}

const CANDIDATES: readonly (() => Exchange)[] =
  process.platform === "darwin"
    ? [darwin]
    : ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"].map((library) => () => linux(library))

const load = (): Exchange => {
  for (const candidate of CANDIDATES) {
    try {
      return candidate()
    } catch {
      // Another libc, or one without the call.
    }
  }
  return () => "unsupported"
}

let loaded: Exchange | null = null

export const exchangeNames: Exchange = (left, right) => {
  loaded ??= load()
  return loaded(left, right)
}
