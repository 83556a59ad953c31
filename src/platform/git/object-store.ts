import {
  closeSync,
  existsSync,
  fsync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs"
import { encodeLoose, type GitObject } from "./objects.ts"
import { encodePack } from "./pack.ts"

/**
 * Up to here objects are written loose, above as one pack. A pack is faster from 3 objects on (24 objects: 0.15x of
 * loose without fsync, 0.09x with), but every pack slows the operator's own git until its next gc, which starts at
 * 50 packs against 6,700 loose objects: a one-change landing stays loose, a batch is a pack.
 */
export const LOOSE_LIMIT = 12

let serial = 0

const flush = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())))

const flushAll = async (fds: readonly number[]): Promise<void> => {
  const results = await Promise.allSettled(fds.map(flush))
  const failed = results.find((result) => result.status === "rejected")
  if (failed) throw failed.reason
}

/** Open files at a time. */
const FLUSH_CHUNK = 64

/** Makes files' contents, or the names in folders, durable. */
export const flushPaths = async (paths: Iterable<string>): Promise<void> => {
  const all = Array.from(paths)
  for (let at = 0; at < all.length; at += FLUSH_CHUNK) {
    const fds: number[] = []
    try {
      for (const path of all.slice(at, at + FLUSH_CHUNK)) fds.push(openSync(path, "r"))
      await flushAll(fds)
    } finally {
      for (const fd of fds) closeSync(fd)
    }
  }
}

/** `tmp_…` beside the target, as git names them, so that git's own gc removes what a crash left. */
const createTemporary = (folder: string, kind: string): { readonly path: string; readonly fd: number } => {
  for (;;) {
    const path = `${folder}/tmp_${kind}_hyperion_${process.pid}_${serial++}`
    try {
      return { path, fd: openSync(path, "wx", 0o444) }
    } catch (error) {
      if ((error as { code?: string }).code !== "EEXIST") throw error
    }
  }
}

const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
}

interface NewFile {
  readonly folder: string
  readonly kind: "obj" | "pack" | "idx"
  readonly name: string
  readonly bytes: Uint8Array
}

/** link, not rename: what is already there is the same object and stays. */
const publish = (temporary: string, target: string): void => {
  try {
    linkSync(temporary, target)
  } catch (error) {
    const code = (error as { code?: string }).code
    if (code === "EEXIST") return
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error
    renameSync(temporary, target)
  }
}

/** Files appear under their names in the order given, complete, and durable when asked. */
const addFiles = async (files: readonly NewFile[], durable: boolean): Promise<void> => {
  const open: { readonly path: string; readonly fd: number }[] = []
  try {
    for (const file of files) {
      const temporary = createTemporary(file.folder, file.kind)
      open.push(temporary)
      writeAll(temporary.fd, file.bytes)
    }
    if (durable) await flushAll(open.map((temporary) => temporary.fd))
    for (const [at, file] of files.entries()) publish(open[at]!.path, `${file.folder}/${file.name}`)
  } finally {
    for (const temporary of open) {
      closeSync(temporary.fd)
      try {
        unlinkSync(temporary.path)
      } catch {
        // Renamed away, or as unremovable as it was unwritable; git's gc collects it.
      }
    }
  }
  if (durable) await flushPaths(new Set(files.map((file) => file.folder)))
}

const addLoose = async (
  objectDir: string,
  objects: readonly GitObject[],
  durable: boolean,
): Promise<void> => {
  const files: NewFile[] = []
  let grown = false
  for (const object of objects) {
    const folder = `${objectDir}/${object.oid.slice(0, 2)}`
    const name = object.oid.slice(2)
    if (existsSync(`${folder}/${name}`)) continue
    if (mkdirSync(folder, { recursive: true }) !== undefined) grown = true
    files.push({ folder, kind: "obj", name, bytes: encodeLoose(object) })
  }
  await addFiles(files, durable)
  if (durable && grown) await flushPaths([objectDir])
}

const addPack = async (objectDir: string, objects: readonly GitObject[], durable: boolean): Promise<void> => {
  const folder = `${objectDir}/pack`
  const { name, pack, index } = encodePack(objects)
  if (existsSync(`${folder}/pack-${name}.idx`)) return
  if (mkdirSync(folder, { recursive: true }) !== undefined && durable) await flushPaths([objectDir])
  await addFiles(
    [
      { folder, kind: "pack", name: `pack-${name}.pack`, bytes: pack },
      { folder, kind: "idx", name: `pack-${name}.idx`, bytes: index },
    ],
    durable,
  )
}

/**
 * Adds the objects to the store. Existing ones are kept as they are. `durable`: they survive a power cut after this
 * returns. Throws the system error; what was added by then is whole objects, which harm nobody.
 */
export const addObjects = async (
  objectDir: string,
  objects: readonly GitObject[],
  durable: boolean,
): Promise<void> => {
  const distinct = Array.from(new Map(objects.map((object) => [object.oid, object])).values())
  if (distinct.length === 0) return
  await (distinct.length > LOOSE_LIMIT ? addPack : addLoose)(objectDir, distinct, durable)
}
