import { dlopen } from "bun:ffi"

/** False: this system or file system has none, or the name is taken. */
export type MakePipe = (path: string, mode: number) => boolean

const CANDIDATES: readonly string[] =
  process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]

const load = (): MakePipe => {
  for (const library of CANDIDATES) {
    try {
      const { symbols } = dlopen(library, { mkfifo: { args: ["buffer", "u32"], returns: "i32" } })
      return (path, mode) => symbols.mkfifo(Buffer.from(`${path}\0`), mode) === 0
    } catch {
      // Another libc, or one without the call.
    }
  }
  return () => false
}

let loaded: MakePipe | null = null

export const makeNamedPipe: MakePipe = (path, mode) => {
  loaded ??= load()
  return loaded(path, mode)
}
